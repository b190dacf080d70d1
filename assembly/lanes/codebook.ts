// Codebook weights (IQ4_XS): 4-bit codes into 16 unsigned values of 8 bits, one more than a relaxed dot takes. A value
// is the sum of two parts of 7 bits (dot32), or 16 times its high nibble plus its low one (rel16); base takes it whole.

import { DOT32, REL16 } from "./builds";
import { dot } from "./dots";

/** The table of first parts, from that of the values. */
// @ts-ignore: decorator
@inline
export function firstPart(values: v128): v128 {
  if (DOT32) return i8x16.min_u(values, i8x16.splat(127));
  return REL16 ? v128.and(i16x8.shr_u(values, 4), i8x16.splat(15)) : values;
}

/** The table of second parts; not used in base. */
// @ts-ignore: decorator
@inline
export function secondPart(values: v128): v128 {
  return DOT32 ? i8x16.sub_sat_u(values, i8x16.splat(127)) : v128.and(values, i8x16.splat(15));
}

/** `dot` of the first parts (base: the values), in dot32 of the second parts too. rel16: up to 8 steps. */
// @ts-ignore: decorator
@inline
export function dotParts(fresh: bool, acc: v128, firstEven: v128, firstOdd: v128, second: v128, y: v128, yOdd: v128): v128 {
  const sum = dot(fresh, acc, firstEven, firstOdd, y, yOdd);
  return DOT32 ? dot(fresh, sum, second, second, y, y) : sum;
}

/** rel16: `dot` of the second parts, up to 8 steps; nothing elsewhere. */
// @ts-ignore: decorator
@inline
export function dotSecond(fresh: bool, acc: v128, second: v128, y: v128): v128 {
  return REL16 ? dot(fresh, acc, second, second, y, y) : acc;
}

/** A factor for addScaledParts: the low byte of each lane, as a signed number from -128 to 127. */
// @ts-ignore: decorator
@inline
export function signedFactor(k: v128): v128 {
  const top = i32x4.shl(k, 24);
  return REL16 ? i16x8.shr_s(v128.or(top, i32x4.shr_u(top, 16)), 8) : i32x4.shr_s(top, 24);
}

/** total + sum * k for the accumulators of dotParts and dotSecond, both begun at zero; k from `signedFactor`. */
// @ts-ignore: decorator
@inline
export function addScaledParts(total: v128, first: v128, second: v128, k: v128): v128 {
  if (!REL16) return i32x4.add(total, i32x4.mul(first, k));
  return i32x4.add(i32x4.add(total, i32x4.dot_i16x8_s(first, i16x8.shl(k, 4))), i32x4.dot_i16x8_s(second, k));
}
