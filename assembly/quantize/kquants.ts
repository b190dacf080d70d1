// Q2_K, Q3_K, Q4_K, Q5_K, Q6_K: blocks of 256 weights. Each sub-block gets its best scale (and minimum) by a search,
// the scales of a block are rounded to a few bits, and the weights are then coded once more with the rounded scales.
// Layouts: assembly/quants/q2_k.ts .. q6_k.ts.
// Source: ggml-quants.c (quantize_row_q*_K_ref without importance weights, quantize_row_q*_K_impl with them).

import { f16ToF32 } from "../half";
import { packNibbles, packOneBit, packTwoBits } from "./pack";
import { makeQ3, makeQkx, makeQp, makeQx } from "./search";
import {
  CODES, EPS, MINS, MIN_CODES, SCALES, SCALE_CODES, SUMS, WEIGHTS, at, clampInt, nearestInt, put, square, storeScale,
  sum, sumSquares, weigh,
} from "./scalar";

/** Codes of n weights: nearest to (x + m) / d, 0..nmax after adding `bias`. Where d is 0 the codes stay. */
function recode(n: i32, x: usize, d: f32, m: f32, bias: i32, nmax: i32, L: usize): void {
  if (d == 0) return;
  for (let i = 0; i < n; i++) store<u8>(L + i, clampInt(nearestInt((at(x, i) + m) / d), -bias, nmax - bias) + bias);
}

/** The largest of n values, at least 0. */
function maximum(x: usize, n: i32): f32 {
  let m: f32 = 0;
  for (let i = 0; i < n; i++) if (at(x, i) > m) m = at(x, i);
  return m;
}

/** Codes 0..nmax of n values from 0 to their maximum; returns the scale. */
function roundScales(n: i32, nmax: i32, x: usize, L: usize): f32 {
  const most = maximum(x, n);
  const factor = most > 0 ? <f32>nmax / most : <f32>0;
  for (let i = 0; i < n; i++) store<u8>(L + i, min<i32>(nmax, nearestInt(factor * at(x, i)) & 255));
  return most / <f32>nmax;
}

/** scales 16 B (scale | minimum << 4), qs 64 B, d, dmin. */
export function quantizeQ2_K(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const L = s + CODES, w = s + WEIGHTS, scales = s + SCALES, mins = s + MINS, sums = s + SUMS;
  const Ls = s + SCALE_CODES, Lm = s + MIN_CODES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 84) {
    const sigma2 = qw ? sumSquares(x, 256) / <f32>256 : <f32>0;
    for (let j = 0; j < 16; j++) {
      const xj = x + (j << 6);
      let scale: f32;
      if (qw) {
        weigh(xj, qw + (j << 6), sigma2, 16, w);
        put(sums, j, sum(w, 16));
        scale = makeQkx(16, 3, xj, w, L + (j << 4), mins + (j << 2), -0.9, 0.05, 36, false, s);
      } else {
        for (let i = 0; i < 16; i++) put(w, i, abs<f32>(at(xj, i)));
        scale = makeQkx(16, 3, xj, w, L + (j << 4), mins + (j << 2), -0.5, 0.1, 15, true, s);
      }
      put(scales, j, scale);
    }
    const d = qw ? makeQp(16, 15, scales, sums, Ls) : roundScales(16, 15, scales, Ls);
    const dmin = qw ? makeQp(16, 15, mins, sums, Lm) : roundScales(16, 15, mins, Lm);
    storeScale(y + 80, d);
    storeScale(y + 82, dmin);
    const storedD = f16ToF32(load<u16>(y, 80)), storedMin = f16ToF32(load<u16>(y, 82));
    for (let j = 0; j < 16; j++) {
      const sc = <u32>load<u8>(Ls + j), m = <u32>load<u8>(Lm + j);
      store<u8>(y + j, sc | (m << 4));
      recode(16, x + (j << 6), storedD * <f32>sc, storedMin * <f32>m, 0, 3, L + (j << 4));
    }
    packTwoBits(L, 0, y + 16);
    if (qw) qw += 1024;
  }
}

/** hmask 32 B, qs 64 B, scales 12 B, d. */
export function quantizeQ3_K(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const L = s + CODES, w = s + WEIGHTS, scales = s + SCALES, sums = s + SUMS, Ls = s + SCALE_CODES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 110) {
    const sigma2 = qw ? <f32>2 * sumSquares(x, 256) / <f32>256 : <f32>0;
    for (let j = 0; j < 16; j++) {
      const xj = x + (j << 6), Lj = L + (j << 4);
      if (qw) {
        weigh(xj, qw + (j << 6), sigma2, 16, w);
        put(sums, j, sum(w, 16));
        put(scales, j, makeQx(16, 4, xj, w, Lj, s));
      } else {
        put(scales, j, makeQ3(16, 4, xj, Lj));
      }
    }
    let d: f32 = 0;
    memory.fill(y + 96, 0, 12);
    if (qw) {
      d = makeQx(16, 32, scales, sums, Ls, s);
    } else {
      let peak: f32 = 0;
      for (let j = 0; j < 16; j++) if (abs<f32>(at(scales, j)) > abs<f32>(peak)) peak = at(scales, j);
      // no scale at all: the codes of the scales stay 0
      const factor = peak != 0 ? <f32>-32 / peak : <f32>0;
      d = peak != 0 ? <f32>1 / factor : <f32>0;
      for (let j = 0; j < 16; j++) {
        store<u8>(Ls + j, peak != 0 ? clampInt(<i32><i8>nearestInt(factor * at(scales, j)), -32, 31) + 32 : 0);
      }
    }
    storeScale(y + 108, d);
    const stored = f16ToF32(load<u16>(y, 108));
    for (let j = 0; j < 16; j++) {
      const sc = <u32>load<u8>(Ls + j), low = y + 96 + (j & 7), high = y + 104 + (j & 3);
      store<u8>(low, <u32>load<u8>(low) | ((sc & 15) << (j < 8 ? 0 : 4)));
      store<u8>(high, <u32>load<u8>(high) | ((sc >> 4) << (2 * (j >> 2))));
      recode(16, x + (j << 6), stored * <f32>(<i32>sc - 32), 0, 4, 7, L + (j << 4));
    }
    packOneBit(L, 2, y);
    packTwoBits(L, 0, y + 32);
    if (qw) qw += 1024;
  }
}

/** Q4_K (nmax 15) and Q5_K (nmax 31): d, dmin, scales 12 B, [qh 32 B,] qs 128 B. */
function quantizeQ45_K(nmax: i32, x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const five = nmax == 31;
  const L = s + CODES, w = s + WEIGHTS, scales = s + SCALES, mins = s + MINS, sums = s + SUMS;
  const Ls = s + SCALE_CODES, Lm = s + MIN_CODES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += five ? 176 : 144) {
    const sigma2 = qw ? <f32>2 * sumSquares(x, 256) / <f32>256 : <f32>0;
    for (let j = 0; j < 8; j++) {
      const xj = x + (j << 7), Lj = L + (j << 5), minimum = mins + (j << 2);
      let scale: f32;
      if (qw) {
        weigh(xj, qw + (j << 7), sigma2, 32, w);
        put(sums, j, sum(w, 32));
        scale = makeQkx(32, nmax, xj, w, Lj, minimum, -0.9, 0.05, 36, false, s);
      } else {
        const level = sqrt<f32>(sumSquares(xj, 32) / <f32>32);
        for (let i = 0; i < 32; i++) put(w, i, level + abs<f32>(at(xj, i)));
        scale = five
          ? makeQkx(32, nmax, xj, w, Lj, minimum, -0.5, 0.1, 15, false, s)
          : makeQkx(32, nmax, xj, w, Lj, minimum, -1, 0.1, 20, false, s);
      }
      put(scales, j, scale);
    }
    const d = qw ? makeQp(8, 63, scales, sums, Ls) : roundScales(8, 63, scales, Ls);
    const dmin = qw ? makeQp(8, 63, mins, sums, Lm) : roundScales(8, 63, mins, Lm);
    storeScale(y, d);
    storeScale(y + 2, dmin);
    const storedD = f16ToF32(load<u16>(y)), storedMin = f16ToF32(load<u16>(y, 2));
    for (let j = 0; j < 8; j++) {
      const sc = <u32>load<u8>(Ls + j), m = <u32>load<u8>(Lm + j), p = y + 4 + j;
      if (j < 4) {
        store<u8>(p, sc);
        store<u8>(p, m, 4);
      } else {
        store<u8>(p, (sc & 15) | ((m & 15) << 4), 4);
        store<u8>(p - 4, <u32>load<u8>(p - 4) | ((sc >> 4) << 6));
        store<u8>(p, <u32>load<u8>(p) | ((m >> 4) << 6));
      }
      recode(32, x + (j << 7), storedD * <f32>sc, storedMin * <f32>m, 0, nmax, L + (j << 5));
    }
    if (five) packOneBit(L, 4, y + 16);
    packNibbles(L, 32, five ? y + 48 : y + 16);
    if (qw) qw += 1024;
  }
}

export function quantizeQ4_K(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  quantizeQ45_K(15, x, k, qw, y, s);
}

export function quantizeQ5_K(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  quantizeQ45_K(31, x, k, qw, y, s);
}

/** ql 128 B, qh 64 B, scales 16 int8, d. The importance weights are the error weights as they are. */
export function quantizeQ6_K(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const L = s + CODES, w = s + WEIGHTS, scales = s + SCALES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 210) {
    let peak: f32 = 0;
    for (let j = 0; j < 16; j++) {
      const xj = x + (j << 6);
      if (!qw) square(xj, 16, w);
      const scale = makeQx(16, 32, xj, qw ? qw + (j << 6) : w, L + (j << 4), s);
      put(scales, j, scale);
      if (abs<f32>(scale) > abs<f32>(peak)) peak = scale;
    }
    if (qw) qw += 1024;
    if (abs<f32>(peak) < EPS) {
      memory.fill(y, 0, 210);
      continue;
    }
    const factor = <f32>-128 / peak;
    storeScale(y + 208, <f32>1 / factor);
    const stored = f16ToF32(load<u16>(y, 208));
    for (let j = 0; j < 16; j++) {
      store<i8>(y + j, min<i32>(127, nearestInt(factor * at(scales, j))), 192);
      recode(16, x + (j << 6), stored * <f32>load<i8>(y + j, 192), 0, 32, 63, L + (j << 4));
    }
    for (let half: usize = 0; half < 2; half++) {
      const ql = y + (half << 6), qh = y + 128 + (half << 5), p = L + (half << 7);
      for (let i: usize = 0; i < 32; i++) {
        const q0 = <u32>load<u8>(p + i), q1 = <u32>load<u8>(p + i, 32);
        const q2 = <u32>load<u8>(p + i, 64), q3 = <u32>load<u8>(p + i, 96);
        store<u8>(ql + i, (q0 & 15) | ((q2 & 15) << 4));
        store<u8>(ql + i, (q1 & 15) | ((q3 & 15) << 4), 32);
        store<u8>(qh + i, (q0 >> 4) | ((q1 >> 4) << 2) | ((q2 >> 4) << 4) | ((q3 >> 4) << 6));
      }
    }
  }
}
