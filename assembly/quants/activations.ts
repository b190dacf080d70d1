// Activation packing: columns of floats to the forms of activation-forms.ts. `pack` in matmul/ops.ts calls it; the tiles of this folder
// read the result.

import { BASE, REL16, STEP, WIDE } from "../lanes/builds";
import { STARTS } from "../lanes/dots";
import { Form, PackUnit, Quads, blockBytes, blockElements, formOf } from "./activation-forms";

/**
 * Packs units [fromUnit, toUnit) of column `column` of a tile of C = columns. x: k f32, or 0 for a column of zeros.
 * dst: the tile. A block with a NaN or an infinity gets d = NaN, so that no such value is lost in the rounding.
 */
export function packColumn(
  format: u32, columns: u32, column: u32, x: usize, k: u32, fromUnit: u32, toUnit: u32, dst: usize,
): void {
  const from = fromUnit * PackUnit.elements;
  const to = min(k, toUnit * PackUnit.elements);
  const stride = columns << 2;
  dst += column << 2;
  const form = formOf(format, columns);
  if (form == Form.f32) return packFloats(x, from, to, dst, stride);
  const block = blockElements(form), bytes = blockBytes(form, columns);
  dst += from / block * bytes;
  for (let e = from; e < to; e += block, dst += bytes) packBlock(form, block, x ? x + (e << 2) : 0, dst, stride);
}

function packFloats(x: usize, from: u32, to: u32, dst: usize, stride: u32): void {
  dst += from * stride;
  if (x == 0) {
    for (let e = from; e < to; e++, dst += stride) store<f32>(dst, 0);
    return;
  }
  x += from << 2;
  if (stride == 4) {
    memory.copy(dst, x, (to - from) << 2);
    return;
  }
  for (let e = from; e < to; e++, x += 4, dst += stride) store<f32>(dst, load<f32>(x));
}

/** One block of one column. stride: bytes from one word of this column to its next. */
function packBlock(format: u32, n: u32, x: usize, dst: usize, stride: u32): void {
  const largest = x ? largestMagnitude(x, n) : 0;
  let d: f32 = 0;
  let inverse: f32 = 0;
  if (largest >= 0x7f800000) {
    d = NaN;
  } else if (largest != 0) {
    d = reinterpret<f32>(largest) / 127;
    inverse = <f32>1 / d;
    if (inverse == Infinity) {
      d = 0;
      inverse = 0;
    }
  }
  store<f32>(dst, d);
  if (format == Form.q8x32Folded) return packFolded32(x, inverse, dst + stride, stride);
  if (format == Form.q8x16) return packHalves(x, inverse, dst + stride, stride);
  if (format == Form.q8x256Quads) return packQuads(x, inverse, dst);
  if (format == Form.q8x256Folded) return packFolded(x, inverse, dst + 4);
  if (format == Form.q8x256Paired || format == Form.q8x256Trellis) return packPaired(x, inverse, false, dst + 4);
  if (format == Form.q8x256Octets) return packPaired(x, inverse, true, dst + 4);
  if (format == Form.q8x256Pairs) return packTilePairs(x, inverse, dst + stride, stride);
  if (format == Form.q8x256 && stride > 4) return packTile256(x, inverse, dst + stride, stride);
  if (format == Form.q8x256Signs) return packTileSigns(x, inverse, dst + stride, stride);
  let sums = dst + stride;
  let steps = sums;
  if (format == Form.q8x32) steps += stride;
  if (format == Form.q8x256) {
    steps += 20 * stride;
    sums += 4 * stride;
  }
  let sum: i32 = 0;
  for (let i: u32 = 0; i < n; i += 16, steps += 4 * STEP * stride) {
    // inverse 0: the block is zero, or x holds something that must not be multiplied
    const q = inverse != 0 ? quantise16(x + (i << 2), f32x4.splat(inverse)) : i32x4.splat(0);
    storeSteps(steps, stride, q);
    const sum16 = sumOf16(q);
    if (format == Form.q8x32) {
      sum += sum16;
      continue;
    }
    store<i32>(sums, -sum16);
    sums += stride;
    if ((i & 16) == 0) {
      sum = sum16;
    } else {
      // sub-block j = 4a + 2b + c is half b of pair 2a + c
      const j = i >> 5;
      store<i16>(dst + stride * (1 + ((j >> 1) & 2) + (j & 1)) + (j & 2), <i16>(sum + sum16));
    }
  }
  if (format == Form.q8x32) store<i32>(sums, -sum);
}

/** A block of q8x256, one of several columns, behind its d; inverse: as in packBlock. */
function packTile256(x: usize, inverse: f32, sums32: usize, stride: u32): void {
  const sums16 = sums32 + 4 * stride, starts = sums16 + 8 * stride;
  let before: i32 = 0;
  for (let j: u32 = 0; j < 16; j++) {
    const q = inverse != 0 ? quantise16(x + (j << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    storeSteps(starts + (16 + 4 * j * STEP) * stride, stride, q);
    const sum = sumOf16(q);
    store<i16>(sums16 + stride * (j >> 1) + ((j & 1) << 1), <i16>sum);
    store<i32>(starts + j * stride, startOf16(q, 6));
    // sub-block j / 2 = 4a + 2b + c of 32 is half b of pair 2a + c
    if (j & 1) store<i16>(sums32 + stride * (((j >> 2) & 2) + ((j >> 1) & 1)) + ((j >> 1) & 2), <i16>(before + sum));
    before = sum;
  }
}

/** A block of q8x256Pairs behind its d; inverse: as in packBlock. */
function packTilePairs(x: usize, inverse: f32, starts: usize, stride: u32): void {
  let steps = starts + STARTS * stride;
  for (let j: u32 = 0; j < 16; j++, steps += 4 * STEP * stride) {
    const q = inverse != 0 ? quantise16(x + (j << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    storeSteps(steps, stride, q);
    if (REL16) {
      const pairs = pairSums8(q, 6);
      v128.store32_lane(starts, pairs, 0);
      v128.store32_lane(starts + stride, pairs, 2);
      starts += 2 * stride;
    } else {
      store<i32>(starts, startOf16(q, 6));
      starts += stride;
    }
  }
}

/** A block of q8x256Signs behind its d; inverse: as in packBlock. */
function packTileSigns(x: usize, inverse: f32, sums: usize, stride: u32): void {
  let steps = WIDE ? sums : sums + 8 * stride;
  for (let j: u32 = 0; j < 16; j++, steps += 8 * stride) {
    const q = inverse != 0 ? quantise16(x + (j << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    storeFolded(steps, stride, q, WIDE);
    if (!WIDE) store<i16>(sums + stride * (j >> 1) + ((j & 1) << 1), <i16>sumBelow(q));
  }
}

/** A block of q8x32Folded behind its d; inverse: as in packBlock. */
function packFolded32(x: usize, inverse: f32, dst: usize, stride: u32): void {
  let below: i32 = 0;
  for (let i: u32 = 0; i < 2; i++) {
    const q = inverse != 0 ? quantise16(x + (i << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    storeFolded(dst + (1 + 8 * i) * stride, stride, q, BASE);
    below += sumBelow(q);
  }
  store<i32>(dst, below);
}

/** A block of q8x16 behind its d; inverse: as in packBlock. */
function packHalves(x: usize, inverse: f32, dst: usize, stride: u32): void {
  for (let i: u32 = 0; i < 2; i++, dst += (1 + 4 * STEP) * stride) {
    const q = inverse != 0 ? quantise16(x + (i << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    store<i32>(dst, startOf16(q, 4));
    storeSteps(dst + stride, stride, q);
  }
}

/** Four steps. */
// @ts-ignore: decorator
@inline
function storeSteps(p: usize, stride: u32, q: v128): void {
  if (BASE) storeTwoWords(p, stride, i16x8.shr_s(i16x8.shl(q, 8), 8), i16x8.shr_s(q, 8));
  else storeWords(p, stride, q);
}

/**
 * -2^shift times the sums of elements 4n, 4n + 1 and 4n + 2, 4n + 3 of 8, where the two i16 sums of a dot begin: of the first 8 in lanes 0 and 1,
 * of the others in lanes 2 and 3.
 */
// @ts-ignore: decorator
@inline
function pairSums8(q: v128, shift: i32): v128 {
  const a = i16x8.extadd_pairwise_i8x16_s(q);
  return i16x8.neg(i16x8.shl(i16x8.add(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2)), shift));
}

/** -2^shift times the sum of 16; rel16: the sums of pairs of all four steps. */
// @ts-ignore: decorator
@inline
function startOf16(q: v128, shift: i32): i32 {
  if (!REL16) return -sumOf16(q) << shift;
  const a = pairSums8(q, shift);
  return i32x4.extract_lane(i16x8.add(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1)), 0);
}

/** Four steps, each |q| and its signs, or as pairs. */
// @ts-ignore: decorator
@inline
function storeFolded(p: usize, stride: u32, q: v128, asPairs: bool): void {
  if (asPairs) storeTwoWords(p, stride, i16x8.shr_s(i16x8.shl(q, 8), 8), i16x8.shr_s(q, 8));
  else storeTwoWords(p, stride, i8x16.abs(q), i8x16.shr_s(q, 7));
}

/** The sum of |q| where q < 0; base has no use for it: 0. */
// @ts-ignore: decorator
@inline
function sumBelow(q: v128): i32 {
  return BASE ? 0 : sumOf16(i8x16.max_s(i8x16.neg(q), i32x4.splat(0)));
}

/** A block of q8x256Folded behind its d; inverse: as in packBlock. */
function packFolded(x: usize, inverse: f32, dst: usize): void {
  let below32: i32 = 0, sum32: i32 = 0;
  for (let j: u32 = 0; j < 16; j++) {
    const q = inverse != 0 ? quantise16(x + (j << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    const steps = dst + (j << 5) + 96;
    storeFolded(steps, 4, q, BASE);
    const sum = sumOf16(q), below = sumBelow(q);
    storeSum(dst + (j >> 2 << 4), j & 3, below);
    storeSum(dst + (j >> 2 << 4) + 8, j & 3, sum);
    below32 += below;
    sum32 += sum;
    if (j & 1) {
      storeSum(dst + (j >> 3 << 4) + 64, (j >> 1) & 3, below32);
      storeSum(dst + (j >> 3 << 4) + 72, (j >> 1) & 3, sum32);
      below32 = 0;
      sum32 = 0;
    }
  }
}

/** A block of q8x256Paired (octets: of q8x256Octets) behind its d. */
function packPaired(x: usize, inverse: f32, octets: bool, dst: usize): void {
  let sum32: i32 = 0;
  for (let j: u32 = 0; j < 16; j++) {
    let q = inverse != 0 ? quantise16(x + (j << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    const sum = sumOf16(q), steps = dst + (j << 4) * STEP + 48;
    if (octets) q = v128.shuffle<i8>(q, q, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    if (BASE) storeTwoWords(steps, 4, i16x8.shr_s(i16x8.shl(q, 8), 8), i16x8.shr_s(q, 8));
    else v128.store(steps, q);
    storeSum(dst + (j >> 2 << 3), j & 3, sum);
    sum32 += sum;
    if (j & 1) {
      storeSum(dst + (j >> 3 << 3) + 32, (j >> 1) & 3, sum32);
      sum32 = 0;
    }
  }
}

/** A block of q8x256Quads but for its d. */
function packQuads(x: usize, inverse: f32, dst: usize): void {
  for (let j: u32 = 0; j < 16; j++) {
    const q = inverse != 0 ? quantise16(x + (j << 6), f32x4.splat(inverse)) : i32x4.splat(0);
    const quad = ((j >> 3) << 1) + (j & 1), lane = (j >> 1) & 3;
    const steps = dst + (quad << 6) * STEP + (lane << 2) + Quads.steps;
    if (BASE) {
      storeWords(steps, 32, i16x8.shr_s(i16x8.shl(q, 8), 8));
      storeWords(steps + 16, 32, i16x8.shr_s(q, 8));
    } else storeWords(steps, 16, q);
    let pairs = i16x8.extadd_pairwise_i8x16_s(q);
    pairs = i16x8.add(pairs, v128.shuffle<i32>(pairs, pairs, 2, 3, 0, 1));
    pairs = i16x8.add(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2));
    const sum = i16x8.extract_lane_s(pairs, 0) + i16x8.extract_lane_s(pairs, 1);
    const start = dst + (quad << 4) + (lane << 2) + Quads.starts;
    if (REL16) v128.store32_lane(start, i16x8.neg(pairs), 0);
    else store<i32>(start, -sum);
    storeSum(dst + (quad << 3) + Quads.sums16, lane, sum);
  }
}

/** The sum of sub-block k of four, whose two words are at p: (0, 2) and (1, 3). */
// @ts-ignore: decorator
@inline
function storeSum(p: usize, k: u32, sum: i32): void {
  store<i16>(p + ((k & 1) << 2) + (k & 2), <i16>sum);
}

/** Largest magnitude of n f32 (a multiple of 16) as bits: as integers, NaN > infinity > every number. */
// @ts-ignore: decorator
@inline
function largestMagnitude(x: usize, n: u32): u32 {
  const magnitude = i32x4.splat(0x7fffffff);
  let a = i32x4.splat(0), b = a;
  for (const end = x + (n << 2); x < end; x += 32) {
    a = i32x4.max_u(a, v128.and(v128.load(x), magnitude));
    b = i32x4.max_u(b, v128.and(v128.load(x, 16), magnitude));
  }
  a = i32x4.max_u(a, b);
  a = i32x4.max_u(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  a = i32x4.max_u(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
  return i32x4.extract_lane(a, 0);
}

/**
 * 16 f32 times `inverse`, rounded to nearest even, as i8x16. Adding 1.5 * 2^23 rounds to an integer and leaves it in
 * the low bits. |x / d| rounds to at most 127: d is amax / 127 and inverse its reciprocal, 2^-21 apart at worst (d
 * just above 2^-128, the smallest with a finite reciprocal), so no clamp is needed.
 */
// @ts-ignore: decorator
@inline
function quantise16(x: usize, inverse: v128): v128 {
  const round = f32x4.splat(12582912.0);
  const a = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), round), round);
  const b = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), inverse), round), round);
  const c = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 32), inverse), round), round);
  const d = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 48), inverse), round), round);
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** Four words of one column, `stride` bytes apart. */
// @ts-ignore: decorator
@inline
function storeWords(p: usize, stride: usize, v: v128): void {
  if (stride == 4) {
    v128.store(p, v);
    return;
  }
  v128.store32_lane(p, v, 0);
  v128.store32_lane(p + stride, v, 1);
  v128.store32_lane(p + 2 * stride, v, 2);
  v128.store32_lane(p + 3 * stride, v, 3);
}

/** Four steps of two words each: a's and b's words in turn. */
// @ts-ignore: decorator
@inline
function storeTwoWords(p: usize, stride: usize, a: v128, b: v128): void {
  storeWords(p, stride, v128.shuffle<i32>(a, b, 0, 4, 1, 5));
  storeWords(p + 4 * stride, stride, v128.shuffle<i32>(a, b, 2, 6, 3, 7));
}

// @ts-ignore: decorator
@inline
function sumOf16(q: v128): i32 {
  const s = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(q));
  const t = i32x4.add(s, v128.shuffle<i32>(s, s, 2, 3, 0, 1));
  return i32x4.extract_lane(t, 0) + i32x4.extract_lane(t, 1);
}
