// Sums of products of weights and activations, in integers: one step of a dot, and what becomes of its sums.

import { BASE, DOT32, REL16 } from "./builds";

/**
 * One step: adds the products of 4 elements of 4 rows (weights 0..127) with one column (-127..127) to `acc`.
 * dot32 and base: acc is i32x4. rel16: acc is i16x8, two sums a row; `fresh` begins a new one, ignoring acc. The
 * caller settles it before 2 * maxWeight * 127 * steps can pass 32767: 8 steps of 4-bit weights, 4 of 5, 2 of 6.
 */
// @ts-ignore: decorator
@inline
export function dot(fresh: bool, acc: v128, wEven: v128, wOdd: v128, y: v128, yOdd: v128): v128 {
  if (DOT32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(y, wEven, acc);
  if (BASE) return i32x4.add(i32x4.add(acc, i32x4.dot_i16x8_s(wEven, y)), i32x4.dot_i16x8_s(wOdd, yOdd));
  if (fresh) return v128.relaxed_dot<i16>(y, wEven);
  return i16x8.add(acc, v128.relaxed_dot<i16>(y, wEven));
}

/** Steps of 5-bit weights that one accumulator takes. */
// @ts-ignore: decorator
@inline
export const STEPS5: i32 = REL16 ? 4 : 8;

/** Steps of 6-bit weights that one accumulator takes, of the four of a sub-block. */
// @ts-ignore: decorator
@inline
export const STEPS6: i32 = REL16 ? 2 : 4;
/** Steps of slabs of 7-bit weights that an accumulator takes which begins at their offset (quants/slab.ts). */
// @ts-ignore: decorator
@inline
export const STEPS7: i32 = REL16 ? 2 : 4;
/** Words of a column of a q8x256Pairs block at which accumulators begin: rel16 has one for 2 steps, the others one for 4. */
// @ts-ignore: decorator
@inline
export const STARTS: i32 = REL16 ? 32 : 16;

/** Words at which an accumulator of `steps` steps begins. */
// @ts-ignore: decorator
@inline
export function startWords(steps: i32): i32 {
  return steps == 8 ? 2 : 1;
}

/** Where an accumulator of `steps` steps begins, from the words at p, stride bytes apart. */
// @ts-ignore: decorator
@inline
export function startOf(steps: i32, p: usize, stride: usize): v128 {
  const first = v128.load_splat<u32>(p);
  return startWords(steps) == 1 ? first : addStarts(first, v128.load_splat<u32>(p + stride));
}

// @ts-ignore: decorator
@inline
function addStarts(a: v128, b: v128): v128 {
  return REL16 ? i16x8.add(a, b) : i32x4.add(a, b);
}

/** An accumulator of `dot` that begins at an i32x4 of numbers that fit i16; rel16: in the first sum of each row. */
// @ts-ignore: decorator
@inline
export function startAt(v: v128): v128 {
  return REL16 ? i32x4.shr_u(i32x4.shl(v, 16), 16) : v;
}

/**
 * The i32x4 total after some steps. dot32 and base: acc itself, which must have begun at the total. rel16: total
 * plus the two i16 sums of each row.
 */
// @ts-ignore: decorator
@inline
export function settle(total: v128, acc: v128, ones: v128): v128 {
  return REL16 ? i32x4.add(total, i32x4.dot_i16x8_s(acc, ones)) : acc;
}

/** `settle` of an accumulator that began at its offset, from a packing (activations.ts, startOf16). */
// @ts-ignore: decorator
@inline
export function settled(acc: v128, ones: v128): v128 {
  return REL16 ? i32x4.dot_i16x8_s(acc, ones) : acc;
}

/** acc and a quarter of `four`, which is a sum of multiples of 4. */
// @ts-ignore: decorator
@inline
export function addQuarter(acc: v128, four: v128): v128 {
  return REL16 ? i16x8.add(acc, i16x8.shr_s(four, 2)) : i32x4.add(acc, i32x4.shr_s(four, 2));
}

/** A factor for addScaled: an i32x4 of 0..32767. */
// @ts-ignore: decorator
@inline
export function factor(k: v128): v128 {
  return REL16 ? v128.or(k, i32x4.shl(k, 16)) : k;
}

/** total + acc * k for an accumulator that began at zero; k from `factor`. */
// @ts-ignore: decorator
@inline
export function addScaled(total: v128, acc: v128, k: v128): v128 {
  return i32x4.add(total, REL16 ? i32x4.dot_i16x8_s(acc, k) : i32x4.mul(acc, k));
}

/** Sum of the 256 activations of a q8x256 block, in every lane; y: the block's d of one column, stride: to its next field. */
// @ts-ignore: decorator
@inline
export function sumOf256(y: usize, stride: usize, ones: v128): v128 {
  const a = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + stride), ones);
  const b = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + 2 * stride), ones);
  const c = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + 3 * stride), ones);
  const d = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + 4 * stride), ones);
  return i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
}
