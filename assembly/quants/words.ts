// The R4 group of ik_llama.cpp's types: blocks of four rows with their words of 4 bytes side by side, so that one vector holds
// the same word of rows 0..3, and a lane of 32 bits is a row. Row scales, where a type has them, lead the group:
//   [4 x meta bytes]                    of rows 0..3
//   [nb x 4 x block bytes]              blocks: first the type's leading u16 fields, each as [4 u16], then [4 u32] for each word
// Blocks are unpacked to slabs (slab.ts). In what follows, word n of a type's field means the vector of the four rows' words.

import { factorPair } from "../lanes";
import { Slab } from "./slab";

/** Interleaves nRows (1..4) rows of nb blocks, rowBytes apart; missing rows must be zero. halves: leading u16 fields. */
export function repackWords(
  src: usize, rowBytes: usize, nRows: u32, nb: u32, metaBytes: usize, blockBytes: usize, halves: usize, dst: usize,
): void {
  for (let r: u32 = 0; r < nRows; r++, src += rowBytes) {
    memory.copy(dst + metaBytes * r, src, metaBytes);
    let from = src + metaBytes, to = dst + (metaBytes << 2);
    for (let b: u32 = 0; b < nb; b++) {
      for (let i: usize = 0; i < halves; i++, from += 2, to += 8) store<u16>(to + (r << 1), load<u16>(from));
      for (let i = halves << 1; i < blockBytes; i += 4, from += 4, to += 16) store<u32>(to + (r << 2), load<u32>(from));
    }
  }
}

/** Scales s (i32x4) of sub-block j of 16. */
// @ts-ignore: decorator
@inline
export function storeScales(slab: usize, j: u32, s: v128): void {
  v128.store(slab + (j << 4), factorPair(s), Slab.scales);
}

/** Scales s (i32x4) of sub-block b of 32. */
// @ts-ignore: decorator
@inline
export function storeScales32(slab: usize, b: u32, s: v128): void {
  const pair = factorPair(s);
  v128.store(slab + (b << 5), pair, Slab.scales);
  v128.store(slab + (b << 5), pair, Slab.scales + 16);
}

/** Bits from `from` on of each lane, as many as the mask has. */
// @ts-ignore: decorator
@inline
export function field(v: v128, from: u32, mask: u32): v128 {
  return v128.and(i32x4.shr_u(v, from), i32x4.splat(mask));
}

/** Every byte of a lane `value` where bit `at` of the lane is set, 0 where not. */
// @ts-ignore: decorator
@inline
export function choice(bits: v128, at: u32, value: i8): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(bits, 31 - at), 31), i8x16.splat(value));
}

/** The bits of every byte from `from` on, as many as the mask has. */
// @ts-ignore: decorator
@inline
export function bits(v: v128, from: u32, mask: i8): v128 {
  return v128.and(i16x8.shr_u(v, from), i8x16.splat(mask));
}

/** table[code] for codes 0..31; table: 32 bytes. A swizzle gives 0 beyond 15. */
// @ts-ignore: decorator
@inline
export function lookup32(table: usize, code: v128): v128 {
  const high = i8x16.swizzle(v128.load(table, 16), i8x16.sub(code, i8x16.splat(16)));
  return v128.or(i8x16.swizzle(v128.load(table), code), high);
}
