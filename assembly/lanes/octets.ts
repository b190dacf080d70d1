// Octets of two rows, 16 bytes, times one octet of a column (quants/grid-products.ts): the partial sums of a row stay in its half of
// the vector. dot32 and rel16: four i16 a row, sums of two products; base: two i32, sums of four.

import { BASE } from "./builds";
import { select } from "./bytes";
import { even, evenSigned, odd, oddSigned } from "./even-odd";

/** An octet of a packed column for both rows. */
// @ts-ignore: decorator
@inline
export function loadOctet(y: usize): v128 {
  return BASE ? v128.load(y) : v128.load_splat<u64>(y);
}

/** The first octet of 16 bytes of a column for both rows; in base they are an octet. */
// @ts-ignore: decorator
@inline
export function firstOctet(y: v128): v128 {
  return BASE ? y : v128.shuffle<i64>(y, y, 0, 0);
}

/** The second octet. Not for base. */
// @ts-ignore: decorator
@inline
export function secondOctet(y: v128): v128 {
  return v128.shuffle<i64>(y, y, 1, 1);
}

/** -y for signedPairs; zero: all bits 0. Not used in base. */
// @ts-ignore: decorator
@inline
export function negative(y: v128, zero: v128): v128 {
  return BASE ? y : i8x16.sub(zero, y);
}

/** Partial sums of y times w, 0..127; i16: at most 2 * 127 * maxWeight. */
// @ts-ignore: decorator
@inline
export function octetPairs(y: v128, w: v128, evenMask: v128): v128 {
  if (!BASE) return v128.relaxed_dot<i16>(y, w);
  return sumOfPairs(y, even(w, evenMask), odd(w));
}

/** The same with w negative where a byte of `minus` is 255, not 0; less: negative(y). */
// @ts-ignore: decorator
@inline
export function signedPairs(y: v128, less: v128, w: v128, minus: v128): v128 {
  if (!BASE) return v128.relaxed_dot<i16>(select(less, y, minus), w);
  const signed = i8x16.sub(v128.xor(w, minus), minus);
  return sumOfPairs(y, evenSigned(signed), oddSigned(signed));
}

// @ts-ignore: decorator
@inline
function sumOfPairs(y: v128, wEven: v128, wOdd: v128): v128 {
  const yEven = v128.shuffle<i32>(y, y, 0, 2, 0, 2), yOdd = v128.shuffle<i32>(y, y, 1, 3, 1, 3);
  return i32x4.add(i32x4.dot_i16x8_s(wEven, yEven), i32x4.dot_i16x8_s(wOdd, yOdd));
}

/** The sum of two partial sums that together fit. */
// @ts-ignore: decorator
@inline
export function addPairs(a: v128, b: v128): v128 {
  return BASE ? i32x4.add(a, b) : i16x8.add(a, b);
}

/** total + pairs * k, in i32; k: each row's scale in its lanes, base: as i32, else as a pair of i16. */
// @ts-ignore: decorator
@inline
export function addScaledPairs(total: v128, pairs: v128, k: v128): v128 {
  return i32x4.add(total, BASE ? i32x4.mul(pairs, k) : i32x4.dot_i16x8_s(pairs, k));
}
