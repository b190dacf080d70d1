// IQ1_S, IQ1_M: octets of -1, 0, 1 from a grid of 2048, all shifted by +1/8 or -1/8. The best split of a group into the
// three values is found exactly: the weights are sorted, and every pair of boundaries is tried with every shift.
//
//   IQ1_S | d f16 | 32 grid bytes | 8 u16: 4 x 3 high bits, 3-bit scale, sign of the shift |
//   IQ1_M | 32 grid bytes | 16 bytes: 2 x (3 high bits, sign of the shift) | 4 u16: 4 x 3-bit scale, 4 bits of d |
// Source: ggml-quants.c (quantize_row_iq1_s_impl, quantize_row_iq1_m_impl).

import { DIGITS, Grid, codeOf, gridLists, gridMap, putDigits, scaleCode } from "./grid";
import { f32ToF16 } from "../half";
import {
  GRID, SCALES, SUMS, WEIGHTS, at, maxMagnitude, noteOverflow, put, square, storeScale, sumSquares, weigh,
} from "./scalar";

/** ggml's GROUP_MAX_EPS_IQ1_S and _M. */
const EPS_S: f32 = 1e-12;
const EPS_M: f32 = 1e-7;

/** Values of the digits 0, 1, 2 with the shift +1/8, then with -1/8. */
const PLUS: usize = memory.data<f32>([-0.875, 0.125, 1.125, -1.125, -0.125, 0.875]);
const MINUS: usize = PLUS + 12;

// Scratch beside the digits: the order of the weights u8[32], sums of weighted values and of weights f32[33], the
// numbers of the points u16[4], and for IQ1_M terms of the sums, v128[3][16] twice.
const ORDER: usize = GRID + 512;
const SUM_X: usize = GRID + 544;
const SUM_W: usize = GRID + 688;
const POINTS: usize = GRID + 832;
const TERMS_X: usize = GRID + 848;
const TERMS_W: usize = TERMS_X + 768;

/** Writes the places of n values in ascending order; equal values keep their order. */
function sort(n: i32, x: usize, order: usize): void {
  for (let i = 0; i < n; i++) {
    const v = at(x, i);
    let j = i;
    for (; j > 0 && v < at(x, load<u8>(order + j - 1)); j--) store<u8>(order + j, load<u8>(order + j - 1));
    store<u8>(order + j, i);
  }
}

/** Digits of n sorted weights: 0 below place `low`, 2 from place `high` on, 1 between; `mirrored`: 2 and 0. */
function putSplit(n: i32, low: i32, high: i32, mirrored: bool, s: usize): void {
  for (let i = 0; i < n; i++) {
    const digit = i < low ? 0 : i < high ? 1 : 2;
    store<u8>(s + DIGITS + load<u8>(s + ORDER + i), mirrored ? 2 - digit : digit);
  }
}

/** The listed point of least error for eight weights, as nearestPoint, but for values of digits. */
function nearestTernary(list: usize, points: usize, x: usize, w: usize, scale: f32, values: usize): u32 {
  const n = <u32>load<u16>(list);
  let best: f32 = f32.MAX_VALUE, found = <u32>load<u16>(list, 2);
  for (let j: u32 = 1; j <= n; j++) {
    const g = <u32>load<u16>(list + (j << 1)), point = points + (g << 3);
    let error: f32 = 0;
    for (let i: u32 = 0; i < 8; i++) {
      const diff = scale * at(values, load<u8>(point + i) >> 1) - at(x, i);
      error += at(w, i) * diff * diff;
    }
    if (error < best) {
      best = error;
      found = g;
    }
  }
  return found;
}

/**
 * Points of n weights (n / 8 octets, the first with the values `first`, others with `rest`) from their digits. Returns
 * the scale, fitted again where a point had to replace the digits.
 */
function settle(n: u32, x: usize, w: usize, scale: f32, first: usize, rest: usize, s: usize, t: usize): f32 {
  const points = s + POINTS;
  let strays = false;
  for (let o: u32 = 0; o < n >> 3; o++) {
    const L = s + DIGITS + (o << 3);
    let g = load<i32>(gridMap(Grid.IQ1, t) + (codeOf(L, 8) << 2));
    if (g < 0) {
      strays = true;
      const list = gridLists(Grid.IQ1, t) + (<u32>(-1 - g) << 1), offset = o << 5;
      g = nearestTernary(list, t, x + offset, w + offset, scale, o == 0 ? first : rest);
      putDigits(t, g, 8, L);
    }
    store<u16>(points + (o << 1), g);
  }
  if (!strays) return scale;
  let sumqx: f32 = 0, sumq2: f32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const q = at(i < 8 ? first : rest, load<u8>(s + DIGITS + i));
    sumqx += at(w, i) * q * at(x, i);
    sumq2 += at(w, i) * q * q;
  }
  return sumqx > 0 && sumq2 > 0 ? sumqx / sumq2 : scale;
}

// @ts-ignore: decorator
@inline
function splitX(a: f32, b: f32, c: f32, v: usize): f32 {
  return a * at(v, 0) + b * at(v, 1) + c * at(v, 2);
}

// @ts-ignore: decorator
@inline
function splitW(a: f32, b: f32, c: f32, v: usize): f32 {
  return a * at(v, 0) * at(v, 0) + b * at(v, 1) * at(v, 1) + c * at(v, 2) * at(v, 2);
}

/** Needs importance weights. */
export function quantizeIQ1_S(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const w = s + WEIGHTS, order = s + ORDER, sumX = s + SUM_X, sumW = s + SUM_W, scales = s + SCALES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, qw += 1024, y += 50) {
    const sigma2 = <f32>2 * sumSquares(x, 256) / <f32>256;
    let most: f32 = 0, minuses: u32 = 0;
    memory.fill(y, 0, 50);
    for (let j: u32 = 0; j < 8; j++) {
      const xj = x + (j << 7);
      weigh(xj, qw + (j << 7), sigma2, 32, w);
      put(scales, j, 0);
      const peak = maxMagnitude(xj, 32);
      if (peak < EPS_S) continue;
      sort(32, xj, order);
      put(sumX, 0, 0);
      put(sumW, 0, 0);
      for (let i = 0; i < 32; i++) {
        const place = <i32>load<u8>(order + i);
        put(sumX, i + 1, at(sumX, i) + at(w, place) * at(xj, place));
        put(sumW, i + 1, at(sumW, i) + at(w, place));
      }
      const allX = at(sumX, 32), allW = at(sumW, 32);
      let best: f32 = -f32.MAX_VALUE, scale: f32 = peak, low = -1, high = -1, minus = false;
      for (let i1 = 0; i1 <= 32; i1++) {
        const x1 = at(sumX, i1), w1 = at(sumW, i1);
        for (let i2 = i1; i2 <= 32; i2++) {
          const x2 = at(sumX, i2) - x1, x3 = allX - at(sumX, i2);
          const w2 = at(sumW, i2) - w1, w3 = allW - at(sumW, i2);
          let sumqx = splitX(x1, x2, x3, PLUS), sumq2 = splitW(w1, w2, w3, PLUS);
          if (sumq2 > 0 && sumqx * sumqx > best * sumq2) {
            scale = sumqx / sumq2;
            best = scale * sumqx;
            low = i1;
            high = i2;
            minus = false;
          }
          sumqx = splitX(x1, x2, x3, MINUS);
          sumq2 = splitW(w1, w2, w3, MINUS);
          if (sumq2 > 0 && sumqx * sumqx > best * sumq2) {
            scale = sumqx / sumq2;
            best = scale * sumqx;
            low = i1;
            high = i2;
            minus = true;
          }
        }
      }
      if (low < 0) continue;
      putSplit(32, low, high, scale < 0, s);
      if (scale < 0) {
        scale = -scale;
        minus = !minus;
      }
      const values = minus ? MINUS : PLUS;
      scale = settle(32, xj, w, scale, values, values, s, t);
      let high3: u32 = 0;
      for (let o: u32 = 0; o < 4; o++) {
        const g = <u32>load<u16>(s + POINTS + (o << 1));
        store<u8>(y + (j << 2) + o, g, 2);
        high3 |= (g >> 8) << (3 * o);
      }
      store<u16>(y + (j << 1), high3, 34);
      put(scales, j, scale);
      minuses |= <u32>minus << j;
      if (!(most > scale)) most = scale;
    }
    if (most == 0) continue;
    const d = most / <f32>15, id = <f32>1 / d;
    // ggml's factor: found by trial there
    storeScale(y, d * <f32>1.125);
    for (let j: u32 = 0; j < 8; j++) {
      const word = y + (j << 1), top = scaleCode(id, at(scales, j), 7) | (((minuses >> j) & 1) << 3);
      store<u16>(word, <u32>load<u16>(word, 34) | (top << 12), 34);
    }
  }
}

// IQ1_M shifts each octet of its sub-blocks of 16 on its own: four combinations, one a lane (++, +-, -+, --).

/** The four values of a digit in the first octet: + + - -; in the second: + - + -. */
// @ts-ignore: decorator
@inline
function lanes(digit: u32, second: bool): v128 {
  const p = at(PLUS, digit), m = at(MINUS, digit);
  const v = f32x4.replace_lane(f32x4.replace_lane(f32x4.splat(p), 3, m), 2, second ? p : m);
  return f32x4.replace_lane(v, 1, second ? m : p);
}

/** Best split of 16 sorted weights. Returns i1 | i2 << 8 | combination << 16, or -1; the scale is at s + SUM_X. */
function bestSplit(x: usize, w: usize, s: usize): i32 {
  const tx = s + TERMS_X, tw = s + TERMS_W, out = s + SUM_W;
  for (let j = 0; j < 16; j++) {
    const i = <i32>load<u8>(s + ORDER + j), wi = f32x4.splat(at(w, i)), xi = f32x4.splat(at(x, i));
    for (let digit: u32 = 0; digit < 3; digit++) {
      const v = lanes(digit, i >= 8), wv = f32x4.mul(wi, v), o = (digit << 8) + (j << 4);
      v128.store(tx + o, f32x4.mul(wv, xi));
      v128.store(tw + o, f32x4.mul(wv, v));
    }
  }
  let best: f32 = -f32.MAX_VALUE, found = -1;
  let lowX = f32x4.splat(0), lowW = f32x4.splat(0);
  for (let i1 = 0; i1 <= 16; i1++) {
    let midX = lowX, midW = lowW;
    for (let i2 = i1; i2 <= 16; i2++) {
      // the sums run over the weights in order: those before i2 are known, the rest is added each time
      let sumX = midX, sumW = midW;
      for (let j = i2; j < 16; j++) {
        sumX = f32x4.add(sumX, v128.load(tx + (j << 4), 512));
        sumW = f32x4.add(sumW, v128.load(tw + (j << 4), 512));
      }
      v128.store(out, sumX);
      v128.store(out, sumW, 16);
      for (let c = 0; c < 4; c++) {
        const qx = at(out, c), q2 = at(out + 16, c);
        if (q2 > 0 && qx * qx > best * q2) {
          const scale = qx / q2;
          best = scale * qx;
          found = i1 | (i2 << 8) | (c << 16);
          put(s + SUM_X, 0, scale);
        }
      }
      if (i2 < 16) {
        midX = f32x4.add(midX, v128.load(tx + (i2 << 4), 256));
        midW = f32x4.add(midW, v128.load(tw + (i2 << 4), 256));
      }
    }
    if (i1 < 16) {
      lowX = f32x4.add(lowX, v128.load(tx + (i1 << 4)));
      lowW = f32x4.add(lowW, v128.load(tw + (i1 << 4)));
    }
  }
  return found;
}

export function quantizeIQ1_M(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const w = s + WEIGHTS, scales = s + SCALES, shifts = s + SUMS;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 56) {
    const sigma2 = <f32>2 * sumSquares(x, 256) / <f32>256;
    let most: f32 = 0;
    memory.fill(y, 0, 56);
    memory.fill(shifts, 0, 16);
    for (let j: u32 = 0; j < 16; j++) {
      const xj = x + (j << 6);
      if (qw) weigh(xj, qw + (j << 6), sigma2, 16, w);
      else square(xj, 16, w);
      put(scales, j, 0);
      if (maxMagnitude(xj, 16) < EPS_M) continue;
      sort(16, xj, s + ORDER);
      const split = bestSplit(xj, w, s);
      if (split < 0) continue;
      let scale = at(s + SUM_X, 0), shift = split >> 16;
      putSplit(16, split & 255, (split >> 8) & 255, scale < 0, s);
      if (scale < 0) {
        scale = -scale;
        shift = 3 - shift;
      }
      scale = settle(16, xj, w, scale, shift < 2 ? PLUS : MINUS, shift & 1 ? MINUS : PLUS, s, t);
      const a = <u32>load<u16>(s + POINTS), c = <u32>load<u16>(s + POINTS, 2);
      store<u8>(y + (j << 1), a);
      store<u8>(y + (j << 1), c, 1);
      store<u8>(y + j, (a >> 8) | ((c >> 8) << 4), 32);
      store<u8>(shifts + j, shift);
      put(scales, j, scale);
      if (!(most > scale)) most = scale;
    }
    if (most == 0) {
      if (qw) qw += 1024;
      continue;
    }
    // the block's scale is fitted to the codes once more
    let d = most / <f32>15;
    const id = <f32>1 / d;
    let sumqx: f32 = 0, sumq2: f32 = 0;
    for (let j: u32 = 0; j < 16; j++) {
      const xj = x + (j << 6), l = scaleCode(id, at(scales, j), 7), word = y + 48 + ((j >> 2) << 1);
      store<u16>(word, <u32>load<u16>(word) | (l << (3 * (j & 3))));
      const shift = <u32>load<u8>(shifts + j), high = <u32>load<u8>(y + j, 32);
      store<u8>(y + j, high | ((shift >> 1) << 3) | ((shift & 1) << 7), 32);
      const odd = 2 * l + 1, factor = <f32>odd;
      if (qw) weigh(xj, qw + (j << 6), sigma2, 16, w);
      else square(xj, 16, w);
      for (let i: u32 = 0; i < 16; i++) {
        const second = i >> 3;
        const g = <u32>load<u8>(y + (j << 1) + second) | (((high >> (4 * second)) & 7) << 8);
        const minus = second ? shift & 1 : shift >> 1;
        const q = at(minus ? MINUS : PLUS, load<u8>(t + (g << 3) + (i & 7)) >> 1) * factor;
        sumqx += at(w, i) * q * at(xj, i);
        sumq2 += at(w, i) * q * q;
      }
    }
    if (qw) qw += 1024;
    if (sumq2 > 0) d = sumqx / sumq2;
    // ggml's factor: found by trial there
    const h = f32ToF16(d * <f32>1.1125);
    if ((h & 0x7c00) == 0x7c00) noteOverflow();
    for (let i: u32 = 0; i < 4; i++) {
      const word = y + 48 + (i << 1);
      store<u16>(word, <u32>load<u16>(word) | (((h >> (4 * i)) & 15) << 12));
    }
  }
}
