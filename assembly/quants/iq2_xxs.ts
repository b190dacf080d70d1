// IQ2_XXS: 256 weights in octets from a grid of 256, signs apart, 8 scales; w = d * (0.5 + s[b]) * 0.25 * grid * sign.
//
// GGUF block, 66 bytes:      0        2                                       66
//                            | d f16  | 8 x (grid 4 B, word u32)              |
//   sub-block b of 32: octet l's place in the grid is byte l; word: bits 7l .. 7l + 6 are the signs of its first 7 weights,
//   the eighth makes their number even; bits 28-31 are s[b]
//
// R4 block of 4 rows, 264 bytes (grid-rows.ts):
//   0    [4 f16]        d
//   8    [8 x 16 B]     places
//   136  [4 x 2 x 14 B] signs
//   248  [16 B]         scales of 32

import { loadFiniteF16x4 } from "../half";
import { M248, Prepared, octetPlace, prepareBytes, prepareScales, storeEvenSigns, storeScale } from "./grid-rows";
import { EIGHTH } from "./slab";

/** Where the signs of a block are: products read them there. */
export const IQ2_XXS_SIGNS: usize = 136;

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ2_XXS(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 264);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 66, to += 264) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let l: u32 = 0; l < 32; l++) {
        const place = <u32>load<u8>(block + ((l >> 2) << 3) + (l & 3), 2);
        store<u8>(to + (l << 2) + r, octetPlace(place), 8);
      }
      for (let c: u32 = 0; c < 4; c++) {
        let signs: u64 = 0;
        for (let t: u32 = 0; t < 8; t++) {
          const l = (c << 3) + t;
          signs |= <u64>((load<u32>(block + (l >> 2 << 3), 6) >> (7 * (l & 3))) & 127) << (t << 3);
        }
        storeEvenSigns(to + IQ2_XXS_SIGNS, c, r, signs);
      }
      for (let j: u32 = 0; j < 8; j++) storeScale(to + 248, j, r, load<u32>(block + (j << 3), 6) >> 28);
    }
  }
}

/** n blocks: d = d / 8, 2s + 1. */
export function prepareIQ2_XXS(block: usize, n: u32, p: usize): void {
  const m248 = v128.load_splat<u32>(M248);
  for (; n > 0; n--, block += 264, p += Prepared.bytes) {
    v128.store(p, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    prepareScales(p, v128.load(block, 248));
    prepareBytes(p, v128.load(block, 8), m248);
    prepareBytes(p + 32, v128.load(block, 24), m248);
    prepareBytes(p + 64, v128.load(block, 40), m248);
    prepareBytes(p + 96, v128.load(block, 56), m248);
    prepareBytes(p + 128, v128.load(block, 72), m248);
    prepareBytes(p + 160, v128.load(block, 88), m248);
    prepareBytes(p + 192, v128.load(block, 104), m248);
    prepareBytes(p + 224, v128.load(block, 120), m248);
  }
}
