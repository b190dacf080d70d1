// For ik_llama.cpp's types of 4 to 6 bits, multiplied with one column as they lie in memory (several columns: slab.ts): what the
// sums of the activations (activations.ts, q8x256Folded) add to the products of lanes.ts, scaledFolded.
//   sum over a block of scale * w * y = sum of scale * (w ^ s).|y| + sum of scale * N + step * sum of (scale where the set is the second) * S
// with N, S the sums of |y| where y < 0 and of y of a sub-block: the second set of values is the first, larger by `step`.
// Scales come by fours, a byte each: byte 4r + k is that of row r and sub-block k of four. Sums stay small: 16 * 128 * 2032 = 4.2e6.

import { lookup } from "../lanes";

/** total + scale * sum over four sub-blocks; sums: two words of i16 pairs, sub-blocks (0, 2) and (1, 3). */
// @ts-ignore: decorator
@inline
export function addSums(total: v128, scales: v128, sums: usize): v128 {
  const even = i16x8.shr_s(i16x8.shl(scales, 8), 8), odd = i16x8.shr_s(scales, 8);
  total = i32x4.add(total, i32x4.dot_i16x8_s(even, v128.load_splat<u32>(sums)));
  return i32x4.add(total, i32x4.dot_i16x8_s(odd, v128.load_splat<u32>(sums, 4)));
}

const LANE_BYTES: usize = memory.data<u8>([0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12], 16);
const BITS: usize = memory.data<u32>([0x08040201], 16);

/** 255 in byte 4r + k where bit k of lane r is set, else 0. */
// @ts-ignore: decorator
@inline
export function setsOfBits(lanes: v128): v128 {
  const bits = v128.load_splat<u32>(BITS);
  return i8x16.eq(v128.and(lookup(lanes, v128.load(LANE_BYTES)), bits), bits);
}
