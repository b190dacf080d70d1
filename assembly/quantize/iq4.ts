// IQ4_NL and IQ4_XS: 4-bit codes of a table of 16 values that are denser near zero, blocks of 32 with their own scale
// (f16 in IQ4_NL, 6 bits in IQ4_XS).
//
//   IQ4_NL | d f16 | qs 16 |      IQ4_XS | d f16 | scales_h u16 | scales_l 4 | qs 128 |
// Source: ggml-quants.c (quantize_row_iq4_nl_impl).

import { tryFactors } from "./codebook";
import { EPS, SCALES, SEARCH, WEIGHTS, at, clampInt, extreme, inverse, nearestInt, put, square, storeScale, weigh } from "./scalar";

// prettier-ignore
const VALUES: usize = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]);
const LEAST: i32 = -127;
/** Scales tried beside the first: those that take the extreme weight to -127 - 7 .. -127 + 7. */
const TRIES: i32 = 7;

// @ts-ignore: decorator
@inline
function value(l: i32): f32 {
  return <f32>load<i8>(VALUES + l);
}

/** Code of the value nearest to x; ties go to the upper one. */
function nearestCode(x: f32): i32 {
  if (x <= value(0)) return 0;
  if (x >= value(15)) return 15;
  let below = 0, above = 15;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (x < value(middle)) above = middle;
    else below = middle;
  }
  return x - value(above - 1) < value(above) - x ? above - 1 : above;
}

/** Best scale of 32 weights x with error weights w; 0 for zeros. Four scales at a time; t: the codebook. */
function fitScale(x: usize, w: usize, t: usize, s: usize): f32 {
  const peak = extreme(x, 32), sums = s + SEARCH;
  if (abs<f32>(peak) < EPS) return 0;
  let d: f32 = 0, best: f32 = 0;
  for (let next = -TRIES - 1; next <= TRIES; next += 4) {
    for (let c = 0; c < 4; c++) {
      put(sums, c, next + c < -TRIES ? <f32>1 / (-peak / <f32>LEAST) : <f32>(next + c + LEAST) / peak);
    }
    tryFactors(32, x, w, v128.load(sums), 0, t, sums);
    for (let c = 0; c < 4; c++) {
      const sumqx = at(sums, c), sumq2 = at(sums + 16, c);
      if (next + c < -TRIES) {
        d = sumq2 > 0 ? sumqx / sumq2 : <f32>0;
        best = d * sumqx;
      } else if (sumq2 > 0 && sumqx * sumqx > best * sumq2) {
        d = sumqx / sumq2;
        best = d * sumqx;
      }
    }
  }
  return d;
}

/** Codes of 32 weights with inverse scale id, as 16 bytes at qs. */
function packCodes(x: usize, id: f32, qs: usize): void {
  for (let j = 0; j < 16; j++) {
    store<u8>(qs + j, nearestCode(id * at(x, j)) | (nearestCode(id * at(x, j + 16)) << 4));
  }
}

/** Scales of n blocks of 32: error weights qw * sqrt(2 * mean square of all + x^2), or x^2. */
function fitScales(n: i32, x: usize, qw: usize, t: usize, s: usize): void {
  const count = n << 5, w = s + WEIGHTS;
  let sigma2: f32 = 0;
  for (let i = 0; i < count; i++) sigma2 += at(x, i) * at(x, i);
  sigma2 *= <f32>2 / <f32>count;
  for (let b = 0; b < n; b++, x += 128) {
    if (qw) {
      weigh(x, qw, sigma2, 32, w);
      qw += 128;
    } else {
      square(x, 32, w);
    }
    put(s + SCALES, b, fitScale(x, w, t, s));
  }
}

export function quantizeIQ4_NL(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  for (let b: u32 = 0; b < k >> 5; b++, x += 128, y += 18) {
    fitScales(1, x, qw, t, s);
    const d = at(s + SCALES, 0);
    storeScale(y, d);
    packCodes(x, inverse(d), y + 2);
    if (qw) qw += 128;
  }
}

export function quantizeIQ4_XS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const scales = s + SCALES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 136) {
    fitScales(8, x, qw, t, s);
    if (qw) qw += 1024;
    const d = -extreme(scales, 8) / <f32>32, id = inverse(d);
    storeScale(y, d);
    let high: u32 = 0, low: u32 = 0;
    for (let j = 0; j < 8; j++) {
      const l = clampInt(nearestInt(id * at(scales, j)), -32, 31);
      packCodes(x + (j << 7), inverse(d * <f32>l), y + 8 + (j << 4));
      high |= ((l + 32) >> 4) << (2 * j);
      low |= ((l + 32) & 15) << (4 * j);
    }
    store<u16>(y, <u16>high, 2);
    store<u32>(y, low, 4);
  }
}
