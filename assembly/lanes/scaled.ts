// Products of a sub-block's sum with its scale (slab.ts): weights of 7 bits, offset by 64, so that only one step fits i16.
// rel16 multiplies each step by the scale, as a pair of i16, and takes the offset off at the end of a block.

import { BASE, DOT32, REL16 } from "./builds";
import { dot } from "./dots";
import { LOW16 } from "./masks";

/** The accumulator of a sub-block; sum: -(sum of its 16 activations). */
// @ts-ignore: decorator
@inline
export function scaledStart(total: v128, sum: v128): v128 {
  return REL16 ? total : i32x4.shl(sum, 6);
}

/** One step; k: the scales, from factorPair. 2 * 127 * 127 = 32258 fits i16. */
// @ts-ignore: decorator
@inline
export function scaledStep(acc: v128, wEven: v128, wOdd: v128, y: v128, yOdd: v128, k: v128): v128 {
  if (REL16) return i32x4.add(acc, i32x4.dot_i16x8_s(v128.relaxed_dot<i16>(y, wEven), k));
  return dot(false, acc, wEven, wOdd, y, yOdd);
}

/** The total after a sub-block. */
// @ts-ignore: decorator
@inline
export function scaledEnd(total: v128, acc: v128, k: v128): v128 {
  return REL16 ? acc : i32x4.add(total, i32x4.mul(acc, k));
}

/** rel16: the sum of scale * -(sum of 16), 64 times the least total; kLow: the scales' lower halves, the upper zero. */
// @ts-ignore: decorator
@inline
export function scaledLeast(least: v128, kLow: v128, sum: v128): v128 {
  return REL16 ? i32x4.add(least, i32x4.dot_i16x8_s(kLow, sum)) : least;
}

/** The total without the offset. */
// @ts-ignore: decorator
@inline
export function addLeast(total: v128, least: v128): v128 {
  return REL16 ? i32x4.add(total, i32x4.shl(least, 6)) : total;
}

/** Scales (i32x4, -32768..32767) as scaledStep and scaledEnd want them. */
// @ts-ignore: decorator
@inline
export function factorPair(k: v128): v128 {
  return REL16 ? v128.or(v128.and(k, v128.load_splat<u32>(LOW16)), i32x4.shl(k, 16)) : k;
}

/**
 * Two elements of a trellis type (kt.ts), four rows in lanes: adds the sum of the four bytes of a lane, 0..63 each, times y: x0 by
 * element n of the 8 whose steps (of one column) are at y, x1 by element n + 1. k: as in scaledStep; n even. rel16: 2 * 2 * 63 * 127
 * fits i16.
 */
// @ts-ignore: decorator
@inline
export function scaledBytes(acc: v128, x0: v128, x1: v128, y: usize, n: u32, k: v128): v128 {
  if (BASE) {
    // a step's i16 are those of elements 0, 2, 1, 3
    const at = y + ((n >> 2) << 3) + (n & 2);
    acc = i32x4.add(acc, i32x4.dot_i16x8_s(i16x8.extadd_pairwise_i8x16_u(x0), v128.load_splat<u16>(at)));
    return i32x4.add(acc, i32x4.dot_i16x8_s(i16x8.extadd_pairwise_i8x16_u(x1), v128.load_splat<u16>(at, 4)));
  }
  const y0 = v128.load_splat<u8>(y + n), y1 = v128.load_splat<u8>(y + n, 1);
  if (DOT32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(y1, x1, i32x4.relaxed_dot_i8x16_i7x16_add_s(y0, x0, acc));
  return i32x4.add(acc, i32x4.dot_i16x8_s(i16x8.add(v128.relaxed_dot<i16>(y0, x0), v128.relaxed_dot<i16>(y1, x1)), k));
}
