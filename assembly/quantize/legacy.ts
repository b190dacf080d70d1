// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: blocks of 32 weights, one scale (and one minimum). Without importance weights one
// rounding; with them the searches of search.ts, whose error weights need the mean square of the whole row.
//
//   Q4_0 | d f16 | qs 16 |             Q5_0 | d f16 | qh u32 | qs 16 |          Q8_0 | d f16 | qs 32 int8 |
//   Q4_1 | d f16 | m f16 | qs 16 |     Q5_1 | d f16 | m f16 | qh u32 | qs 16 |
//   byte j of qs: element j (low nibble), element j + 16 (high); bit e of qh: bit 4 of element e

import { makeQkx, makeQx } from "./search";
import {
  CODES, MINS, WEIGHTS, at, extreme, inverse, maxMagnitude, roundInt, storeScale, sumSquares, truncInt, weigh,
} from "./scalar";

/** Codes of a block as nibbles at qs; qh != 0: bit 4 of each goes there. */
export function packCodes(L: usize, qh: usize, qs: usize): void {
  let bits: u32 = 0;
  for (let j: u32 = 0; j < 16; j++) {
    const a = <u32>load<u8>(L + j), b = <u32>load<u8>(L + j, 16);
    store<u8>(qs + j, (a & 15) | ((b & 15) << 4));
    bits |= ((a >> 4) & 1) << j;
    bits |= ((b >> 4) & 1) << (j + 16);
  }
  if (qh) store<u32>(qh, bits);
}

/** Codes min(top, trunc((x - least) * id + bias)) of 32 weights. They are in range but where d is subnormal and id infinite. */
function truncate(x: usize, least: f32, id: f32, bias: f32, top: i32, L: usize): void {
  if (abs<f32>(id) == Infinity) {
    // a byte with a sign, as in C, before the clamp
    for (let i = 0; i < 32; i++) store<u8>(L + i, min<i32>(top, <i32><i8>truncInt((at(x, i) - least) * id + bias)));
    return;
  }
  const from = f32x4.splat(least), factor = f32x4.splat(id), add = f32x4.splat(bias), most = i32x4.splat(top);
  for (let i: usize = 0; i < 32; i += 4) {
    const scaled = f32x4.add(f32x4.mul(f32x4.sub(v128.load(x + (i << 2)), from), factor), add);
    const code = i32x4.min_s(most, i32x4.trunc_sat_f32x4_s(scaled)), half = i16x8.narrow_i32x4_s(code, code);
    v128.store32_lane(L + i, i8x16.narrow_i16x8_u(half, half), 0);
  }
}

/** Q4_0 (nmax 8) and Q5_0 (nmax 16). */
function quantizeSymmetric(nmax: i32, x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const five = nmax == 16, L = s + CODES;
  const sigma2 = qw ? sumSquares(x, k) / <f32>k : <f32>0;
  for (let b: u32 = 0; b < k >> 5; b++) {
    let d: f32;
    if (qw) {
      weigh(x, qw, sigma2, 32, s + WEIGHTS);
      d = makeQx(32, nmax, x, s + WEIGHTS, L, s);
      qw += 128;
    } else {
      d = extreme(x, 32) / <f32>-nmax;
      truncate(x, 0, inverse(d), <f32>nmax + <f32>0.5, 2 * nmax - 1, L);
    }
    storeScale(y, d);
    packCodes(L, five ? y + 2 : 0, five ? y + 6 : y + 2);
    x += 128;
    y += five ? 22 : 18;
  }
}

/** Q4_1 (nmax 15) and Q5_1 (nmax 31). */
function quantizeWithMinimum(nmax: i32, x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const five = nmax == 31, L = s + CODES;
  const sigma2 = qw ? sumSquares(x, k) / <f32>k : <f32>0;
  for (let b: u32 = 0; b < k >> 5; b++) {
    let d: f32, least: f32;
    if (qw) {
      weigh(x, qw, sigma2, 32, s + WEIGHTS);
      d = makeQkx(32, nmax, x, s + WEIGHTS, L, s + MINS, -0.9, 0.05, 36, false, s);
      least = -at(s + MINS, 0);
      qw += 128;
    } else {
      least = at(x, 0);
      let most = least;
      for (let i = 1; i < 32; i++) {
        if (at(x, i) < least) least = at(x, i);
        if (at(x, i) > most) most = at(x, i);
      }
      d = (most - least) / <f32>nmax;
      truncate(x, least, inverse(d), 0.5, nmax, L);
    }
    storeScale(y, d);
    storeScale(y + 2, least);
    packCodes(L, five ? y + 4 : 0, five ? y + 8 : y + 4);
    x += 128;
    y += five ? 24 : 20;
  }
}

export function quantizeQ4_0(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  quantizeSymmetric(8, x, k, qw, y, s);
}

export function quantizeQ5_0(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  quantizeSymmetric(16, x, k, qw, y, s);
}

export function quantizeQ4_1(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  quantizeWithMinimum(15, x, k, qw, y, s);
}

export function quantizeQ5_1(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  quantizeWithMinimum(31, x, k, qw, y, s);
}

/** d = max|x| / 127, q = round(x / d), ties away from zero. Has no use for importance weights. */
export function quantizeQ8_0(x: usize, k: u32, y: usize): void {
  const half = f32x4.splat(0.5), one = f32x4.splat(1), sign = i32x4.splat(i32.MIN_VALUE);
  for (let b: u32 = 0; b < k >> 5; b++, x += 128, y += 34) {
    const d = maxMagnitude(x, 32) / <f32>127, id = inverse(d);
    storeScale(y, d);
    if (id == Infinity) {
      // d is subnormal
      for (let i = 0; i < 32; i++) store<u8>(y + i, roundInt(at(x, i) * id), 2);
      continue;
    }
    const factor = f32x4.splat(id);
    for (let i: usize = 0; i < 32; i += 4) {
      const scaled = f32x4.mul(v128.load(x + (i << 2)), factor), whole = f32x4.trunc(scaled);
      const away = f32x4.ge(f32x4.abs(f32x4.sub(scaled, whole)), half);
      const step = v128.and(away, v128.or(one, v128.and(scaled, sign)));
      const code = i32x4.trunc_sat_f32x4_s(f32x4.add(whole, step)), narrow = i16x8.narrow_i32x4_s(code, code);
      v128.store32_lane(y + i, i8x16.narrow_i16x8_s(narrow, narrow), 0, 2);
    }
  }
}
