// The R4 group of ik_llama.cpp's types with words: blocks of four rows with their words of 4 bytes side by side, so that one vector
// holds the same word of rows 0..3, and a lane of 32 bits is a row. Row scales lead the group:
//   [4 x meta bytes]         of rows 0..3
//   [nb x 4 x block bytes]   blocks: [4 u32] for each word
// In what follows, word n of a type's field means the vector of the four rows' words. Products with several columns unpack blocks to
// slabs (slab.ts).

import { factorPair } from "../lanes/scaled";
import { Slab } from "./slab";

/** Interleaves nRows (1..4) rows of nb blocks, rowBytes apart; missing rows must be zero. */
export function repackWords(
  src: usize, rowBytes: usize, nRows: u32, nb: usize, metaBytes: usize, blockBytes: usize, dst: usize,
): void {
  for (let r: u32 = 0; r < nRows; r++, src += rowBytes) {
    memory.copy(dst + metaBytes * r, src, metaBytes);
    let from = src + metaBytes, to = dst + (metaBytes << 2) + (r << 2);
    for (const end = from + nb * blockBytes; from < end; from += 4, to += 16) store<u32>(to, load<u32>(from));
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

// Masks come from memory, once per block where registers allow it: V8 makes a constant anew at every use (lanes/masks.ts).

/** Bits from `from` on of each lane, as many as the mask has. */
// @ts-ignore: decorator
@inline
export function field(v: v128, from: u32, mask: v128): v128 {
  return v128.and(i32x4.shr_u(v, from), mask);
}

/** `value` in every byte of a lane whose bit `at` is set, 0 in others. */
// @ts-ignore: decorator
@inline
export function choice(bits: v128, at: u32, value: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(bits, 31 - at), 31), value);
}

/** The bits of every byte from `from` on, as many as the mask has. */
// @ts-ignore: decorator
@inline
export function bits(v: v128, from: u32, mask: v128): v128 {
  return v128.and(i16x8.shr_u(v, from), mask);
}

const NUMBERS: usize = memory.data<u32>([254, 127, 0x02020202, 0x08080808, 0x20202020, 0x7f7f7f7f, 0xfefefefe], 16);
/** For load_splat<u32>: every i32 254, 127; every byte 2, 8, 32, 127, 254. */
// prettier-ignore
export const I254: usize = NUMBERS, I127: usize = NUMBERS + 4, M2: usize = NUMBERS + 8, M8: usize = NUMBERS + 12,
  B32: usize = NUMBERS + 16, B127: usize = NUMBERS + 20, B254: usize = NUMBERS + 24;
