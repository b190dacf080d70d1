// Scales of the types with two sets of values (iq4_k.ts, iq5_k.ts), and which set a sub-block takes.

import { M1, M3 } from "../lanes/masks";
import { repackScales, scaleNibbles, storeScaleBytes } from "./folded";
import { B127, B254, B32, I127, I254, storeScales32 } from "./words";

/** Four scales of each row, sub-blocks 4i .. 4i + 3, in bytes; block: of IQ4_K or IQ5_K, which agree up to byte 64. */
// @ts-ignore: decorator
@inline
export function scalesIQ4_K(block: usize, i: u32): v128 {
  const high = v128.and(i16x8.shr_u(v128.load(block, 48), i << 1), v128.load_splat<u32>(M3));
  return i8x16.sub(v128.or(scaleNibbles(block + 16, i), i16x8.shl(high, 4)), v128.load_splat<u32>(B32));
}

/** Scales of IQ4_KS, IQ4_KSS and IQ5_KS from their bytes c. */
// @ts-ignore: decorator
@inline
export function scalesIQ4_KS(c: v128): v128 {
  return i8x16.sub(v128.and(c, v128.load_splat<u32>(B254)), v128.load_splat<u32>(B127));
}

/** 255 where a byte c says second set. */
// @ts-ignore: decorator
@inline
export function setsIQ4_KS(c: v128): v128 {
  const m1 = v128.load_splat<u32>(M1);
  return i8x16.eq(v128.and(c, m1), m1);
}

/** Bytes 0..15 of a block of IQ4_K or IQ5_K to an R4 block; to: that plus 4r, for row r. */
export function repackHeadIQ4_K(block: usize, to: usize, r: u32): void {
  store<u16>(to - (r << 1), load<u16>(block));
  store<u16>(to - (r << 1), load<u16>(block, 2), 8);
  repackScales(block + 8, to + 16);
  const high = load<u32>(block, 4);
  for (let k: u32 = 0; k < 4; k++) {
    const upper = high >> (k << 1);
    store<u8>(to + k, (upper & 3) | ((upper >> 6) & 12) | ((upper >> 12) & 48) | ((upper >> 18) & 192), 48);
  }
}

/** The scales of IQ4_K and IQ5_K to a slab. */
// @ts-ignore: decorator
@inline
export function storeScalesIQ4_K(block: usize, slab: usize): void {
  for (let i: u32 = 0; i < 4; i++) storeScaleBytes(slab, i << 2, scalesIQ4_K(block, i));
}

/** The scale of a sub-block of IQ4_KS, IQ4_KSS and IQ5_KS, from its byte c. */
// @ts-ignore: decorator
@inline
export function storeScaleIQ4_KS(slab: usize, b: u32, c: v128): void {
  storeScales32(slab, b, i32x4.sub(v128.and(c, v128.load_splat<u32>(I254)), v128.load_splat<u32>(I127)));
}
