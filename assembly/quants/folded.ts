// For ik_llama.cpp's types of 2 to 6 bits, multiplied with one column as they lie in memory (several columns: slab.ts): what the
// sums of the activations (activations.ts) add to the products. The second set of values is the first, larger by `step`:
//   scale * w * y = scale * (value of the first set) * y + step * (scale where the set is the second) * S
// summed over a block, S being the sum of y of a sub-block. Types of 4 to 6 bits (q8x256Folded) take their values as signed bytes,
//   value * y = (value ^ s).|y| + N    (lanes/folded.ts, scaledFolded), N: the sum of |y| where y < 0 of a sub-block;
// those of 2 and 3 bits (q8x256Paired) as 7 bits, value + 64, and subtract 64 * scale * S.
// Scales come by fours, a byte each: byte 4r + k is that of row r and sub-block k of four. Sums stay small: 16 * 128 * 2032 = 4.2e6.

import { lookup } from "../lanes/bytes";
import { SPREAD_BYTE, spreadScales } from "../lanes/folded";
import { M15 } from "../lanes/masks";
import { Slab } from "./slab";

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

/** Eight nibbles of a row, of sub-blocks 0..7, to four bytes: sub-blocks 0..3 in the low ones. */
export function pairScales(nibbles: u32): u32 {
  let bytes: u32 = 0;
  for (let k: u32 = 0; k < 4; k++) {
    const at = k << 2;
    bytes |= (((nibbles >> at) & 15) | (((nibbles >> (at + 16)) & 15) << 4)) << (k << 3);
  }
  return bytes;
}

/** 16 scales of a row in nibbles, sub-blocks in order, at p, to two words of its lane, 16 bytes apart. */
export function repackScales(p: usize, to: usize): void {
  store<u32>(to, pairScales(load<u32>(p)));
  store<u32>(to, pairScales(load<u32>(p, 4)), 16);
}

/** Nibbles of sub-blocks 4i .. 4i + 3 of each row, from what repackScales has written. */
// @ts-ignore: decorator
@inline
export function scaleNibbles(p: usize, i: u32): v128 {
  return v128.and(i16x8.shr_u(v128.load(p + (i >> 1 << 4)), (i & 1) << 2), v128.load_splat<u32>(M15));
}

/** Scales of sub-blocks j .. j + 3 of 16, in bytes, to a slab. */
// @ts-ignore: decorator
@inline
export function storeScaleBytes(slab: usize, j: u32, scales: v128): void {
  for (let k: u32 = 0; k < 4; k++) {
    v128.store(slab + (j + k << 4), spreadScales(scales, v128.load(SPREAD_BYTE + (k << 4))), Slab.scales);
  }
}

/** Scales of sub-blocks b .. b + 3 of 32, in bytes, to a slab. */
// @ts-ignore: decorator
@inline
export function storeScaleBytes32(slab: usize, b: u32, scales: v128): void {
  for (let k: u32 = 0; k < 4; k++) {
    const spread = spreadScales(scales, v128.load(SPREAD_BYTE + (k << 4))), to = slab + (b + k << 5);
    v128.store(to, spread, Slab.scales);
    v128.store(to, spread, Slab.scales + 16);
  }
}
