// IQ3_XXS: 256 weights in quads from a grid of 256, signs apart, 8 scales; w = d * (0.5 + s[b]) * 0.5 * grid * sign.
//
// GGUF block, 98 bytes:      0        2              66             98
//                            | d f16  | grid 64 B    | 8 words u32  |
//   quad t: its place in the grid is byte t; word b, for the sub-block of 32: bits 7l .. 7l + 6 are the signs of the first 7
//   weights of octet l, the eighth makes their number even; bits 28-31 are s[b]
//
// R4 block of 4 rows, 392 bytes (grid-rows.ts):
//   0    [4 f16]        d
//   8    [16 x 16 B]    places
//   264  [4 x 2 x 14 B] signs
//   376  [16 B]         scales of 32

import { loadFiniteF16x4 } from "../half";
import { M252, Prepared, prepareBytes, prepareScales, quadPlace, storeEvenSigns, storeScale } from "./grid-rows";
import { QUARTER } from "./slab";

/** Where the signs of a block are: products read them there. */
export const IQ3_XXS_SIGNS: usize = 264;

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ3_XXS(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 392);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 98, to += 392) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let t: u32 = 0; t < 64; t++) store<u8>(to + ((t >> 1) << 3) + (r << 1) + (t & 1), quadPlace(load<u8>(block + t, 2)), 8);
      for (let c: u32 = 0; c < 4; c++) {
        let signs: u64 = 0;
        for (let t: u32 = 0; t < 8; t++) {
          const l = (c << 3) + t;
          signs |= <u64>((load<u32>(block + (l >> 2 << 2), 66) >> (7 * (l & 3))) & 127) << (t << 3);
        }
        storeEvenSigns(to + IQ3_XXS_SIGNS, c, r, signs);
      }
      for (let j: u32 = 0; j < 8; j++) storeScale(to + 376, j, r, load<u32>(block + (j << 2), 66) >> 28);
    }
  }
}

/** n blocks: d = d / 4, 2s + 1. */
export function prepareIQ3_XXS(block: usize, n: u32, p: usize): void {
  const m252 = v128.load_splat<u32>(M252);
  for (; n > 0; n--, block += 392, p += Prepared.bytes) {
    v128.store(p, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(QUARTER)));
    prepareScales(p, v128.load(block, 376));
    for (let i: usize = 0; i < 256; i += 32) {
      prepareBytes(p + 2 * i, v128.load(block + i, 8), m252);
      prepareBytes(p + 2 * i + 32, v128.load(block + i, 24), m252);
    }
  }
}
