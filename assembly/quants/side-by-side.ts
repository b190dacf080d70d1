// The R4 group of ik_llama.cpp's types: blocks stay as they are, four rows side by side, and are unpacked row by row to
// slabs (slab.ts). Row scales, where a type has them, lead the group:
//   [4 x meta bytes]                    of rows 0..3
//   [nb x 4 x block bytes]              block b of rows 0..3

import { REL16 } from "../lanes";
import { storeLane } from "./nibbles";
import { Slab } from "./slab";

/** Brings nRows (1..4) rows of nb blocks, rowBytes apart, side by side; missing rows become zero. */
export function repackSideBySide(
  src: usize, rowBytes: usize, nRows: u32, nb: u32, metaBytes: usize, blockBytes: usize, dst: usize,
): void {
  const blocks = dst + (metaBytes << 2);
  for (let r: u32 = 0; r < nRows; r++, src += rowBytes) {
    memory.copy(dst + metaBytes * r, src, metaBytes);
    for (let b: u32 = 0; b < nb; b++) {
      memory.copy(blocks + blockBytes * (4 * b + r), src + metaBytes + blockBytes * b, blockBytes);
    }
  }
}

// Writers of one row of a slab; lane: the slab's address plus 4 * row.

/** Scale s of sub-block j of 16. */
// @ts-ignore: decorator
@inline
export function storeScale(lane: usize, j: u32, s: i32): void {
  store<i32>(lane + (j << 4), REL16 ? (s & 0xffff) | (s << 16) : s, Slab.scales);
}

/** Scale s of sub-block b of 32. */
// @ts-ignore: decorator
@inline
export function storeScale32(lane: usize, b: u32, s: i32): void {
  storeScale(lane, 2 * b, s);
  storeScale(lane, 2 * b + 1, s);
}

/** The 16 weights of sub-block j. */
// @ts-ignore: decorator
@inline
export function storeWeights(lane: usize, j: u32, weights: v128): void {
  storeLane(lane + (j << 6) + Slab.weights, weights);
}

// Codes of 16 elements from 16g on, as bytes.

/** Two bits each, packed as in Q2_K; qs: 64 bytes. */
// @ts-ignore: decorator
@inline
export function codes2(qs: usize, g: u32): v128 {
  const v = v128.load(qs + ((g >> 3) << 5) + ((g & 1) << 4));
  return v128.and(i16x8.shr_u(v, g & 6), i8x16.splat(3));
}

/** Nibbles in halves of 16 bytes: the low ones are elements 32b .. 32b + 15; qs: 128 bytes. */
// @ts-ignore: decorator
@inline
export function codes4(qs: usize, g: u32): v128 {
  return v128.and(i16x8.shr_u(v128.load(qs + ((g >> 1) << 4)), (g & 1) << 2), i8x16.splat(15));
}

/** Nibbles in halves of 32 bytes, as in Q5_K: the low ones are elements 64i .. 64i + 31; qs: 128 bytes. */
// @ts-ignore: decorator
@inline
export function codes4Wide(qs: usize, g: u32): v128 {
  const v = v128.load(qs + ((g >> 2) << 5) + ((g & 1) << 4));
  return v128.and(i16x8.shr_u(v, (g & 2) << 1), i8x16.splat(15));
}

/** Bit g / 2 of 32 bytes at qh, moved to bit `to`. */
// @ts-ignore: decorator
@inline
export function highBit(qh: usize, g: u32, to: i32): v128 {
  return i16x8.shl(v128.and(i16x8.shr_u(v128.load(qh + ((g & 1) << 4)), g >> 1), i8x16.splat(1)), to);
}

/** table[code] for codes 0..31; table: 32 bytes. A swizzle gives 0 beyond 15. */
// @ts-ignore: decorator
@inline
export function lookup32(table: usize, code: v128): v128 {
  const high = i8x16.swizzle(v128.load(table, 16), i8x16.sub(code, i8x16.splat(16)));
  return v128.or(i8x16.swizzle(v128.load(table), code), high);
}

/** Nibble i of the bytes at p, low one first. */
// @ts-ignore: decorator
@inline
export function nibbleOf(p: usize, i: u32): i32 {
  return (<i32>load<u8>(p + (i >> 1)) >> ((i & 1) << 2)) & 15;
}

/** Nibble b of 8 in 4 bytes at p: the low ones are 0..3. */
// @ts-ignore: decorator
@inline
export function nibbleOfHalves(p: usize, b: u32): i32 {
  return (<i32>load<u8>(p + (b & 3)) >> (b & 4)) & 15;
}
