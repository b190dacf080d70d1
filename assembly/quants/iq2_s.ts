// IQ2_S: 256 weights in octets from a grid of 1024, signs apart, 16 scales; w = d * (0.5 + s[j]) * 0.25 * grid * sign.
//
// GGUF block, 82 bytes:      0        2           34           66       74           82
//                            | d f16  | grid 32 B | signs 32 B | qh 8 B | scales 8 B |
//   octet l: its place in the grid is byte l of grid and, as bits 8-9, bits 2 * (l % 4) and the next of qh[l / 4]; byte l of
//   signs: bit i set, weight i negative
//   s[j] of the 16 weights from 16j on: nibble j of scales
//
// R4 block of 4 rows, 328 bytes (grid-rows.ts):
//   0    [4 f16]        d
//   8    [8 x 16 B]     places, 8 bits
//   136  [4 x 2 x 16 B] signs
//   264  [2 x 16 B]     bits 8-9 of the places: those of vector 4v + i are bits 6 - 2i and the next of vector v
//   296  [2 x 16 B]     scales

import { loadFiniteF16x4 } from "../half";
import { M24 } from "../lanes/masks";
import { M248, Prepared, octetPlace, prepareWide, prepareScales, storeScale, storeSigns } from "./grid-rows";
import { EIGHTH } from "./slab";

/** Where the signs of a block are: products read them there. */
export const IQ2_S_SIGNS: usize = 136;

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ2_S(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 328);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 82, to += 328) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let l: u32 = 0; l < 32; l++) {
        const at = (l << 2) + r;
        store<u8>(to + at, octetPlace(load<u8>(block + l, 2)), 8);
        const bits = (<u32>load<u8>(block + (l >> 2), 66) >> ((l & 3) << 1)) & 3;
        const high = to + ((at >> 6) << 4) + (at & 15);
        store<u8>(high, load<u8>(high, 264) | (bits << (6 - ((at >> 3) & 6))), 264);
      }
      for (let c: u32 = 0; c < 4; c++) storeSigns(to + IQ2_S_SIGNS, c, r, load<u64>(block + (c << 3), 34));
      for (let j: u32 = 0; j < 16; j++) storeScale(to + 296, j, r, (load<u8>(block + (j >> 1), 74) >> ((j & 1) << 2)) & 15);
    }
  }
}

/** n blocks: d = d / 8, 2s + 1. */
export function prepareIQ2_S(block: usize, n: u32, p: usize): void {
  const m24 = v128.load_splat<u32>(M24), m248 = v128.load_splat<u32>(M248);
  for (; n > 0; n--, block += 328, p += Prepared.bytes) {
    v128.store(p, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    prepareScales(p, v128.load(block, 296));
    prepareScales(p + 32, v128.load(block, 312));
    const high = v128.load(block, 264);
    prepareWide(p, v128.load(block, 8), v128.and(i16x8.shr_u(high, 3), m24), m248);
    prepareWide(p + 32, v128.load(block, 24), v128.and(i16x8.shr_u(high, 1), m24), m248);
    prepareWide(p + 64, v128.load(block, 40), v128.and(i16x8.shl(high, 1), m24), m248);
    prepareWide(p + 96, v128.load(block, 56), v128.and(i16x8.shl(high, 3), m24), m248);
    const high2 = v128.load(block, 280);
    prepareWide(p + 128, v128.load(block, 72), v128.and(i16x8.shr_u(high2, 3), m24), m248);
    prepareWide(p + 160, v128.load(block, 88), v128.and(i16x8.shr_u(high2, 1), m24), m248);
    prepareWide(p + 192, v128.load(block, 104), v128.and(i16x8.shl(high2, 1), m24), m248);
    prepareWide(p + 224, v128.load(block, 120), v128.and(i16x8.shl(high2, 3), m24), m248);
  }
}
