// IQ2_XS: 256 weights in octets from a grid of 512, signs apart, 16 scales; w = d * (0.5 + s[j]) * 0.25 * grid * sign.
//
// GGUF block, 74 bytes:      0        2                  66             74
//                            | d f16  | qs 32 x u16      | scales 8 B   |
//   qs[l]: octet l, bits 0-8 its place in the grid, bits 9-15 the signs of 7 weights; the eighth makes their number even
//   s[j] of the 16 weights from 16j on: nibble j of scales
//
// R4 block of 4 rows, 296 bytes (grid-rows.ts):
//   0    [4 f16]        d
//   8    [8 x 16 B]     places, 8 bits
//   136  [4 x 2 x 14 B] signs
//   248  [16 B]         bit 8 of the places: that of vector t is bit (3 - t) & 7
//   264  [2 x 16 B]     scales

import { loadFiniteF16x4 } from "../half";
import {
  M248, Prepared, octetPlace, prepareWide, prepareScales, storeEvenSigns, storeScale,
} from "./grid-rows";
import { EIGHTH } from "./slab";

const M8: usize = memory.data<u32>([0x08080808], 16);

/** Where the signs of a block are: products read them there. */
export const IQ2_XS_SIGNS: usize = 136;

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ2_XS(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 296);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 74, to += 296) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let l: u32 = 0; l < 32; l++) {
        const place = <u32>load<u16>(block + (l << 1), 2) & 511;
        const at = (l << 2) + r;
        store<u8>(to + at, octetPlace(place), 8);
        const high = to + (at & 15);
        store<u8>(high, load<u8>(high, 248) | ((place >> 8) << ((3 - (at >> 4)) & 7)), 248);
      }
      for (let c: u32 = 0; c < 4; c++) {
        let signs: u64 = 0;
        for (let t: u32 = 0; t < 8; t++) {
          signs |= <u64>(load<u16>(block + (c << 4) + (t << 1), 2) >> 9) << (t << 3);
        }
        storeEvenSigns(to + IQ2_XS_SIGNS, c, r, signs);
      }
      for (let j: u32 = 0; j < 16; j++) storeScale(to + 264, j, r, (load<u8>(block + (j >> 1), 66) >> ((j & 1) << 2)) & 15);
    }
  }
}

/** n blocks: d = d / 8, 2s + 1. */
export function prepareIQ2_XS(block: usize, n: u32, p: usize): void {
  const m8 = v128.load_splat<u32>(M8), m248 = v128.load_splat<u32>(M248);
  for (; n > 0; n--, block += 296, p += Prepared.bytes) {
    v128.store(p, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    prepareScales(p, v128.load(block, 264));
    prepareScales(p + 32, v128.load(block, 280));
    const high = v128.load(block, 248);
    prepareWide(p, v128.load(block, 8), v128.and(high, m8), m248);
    prepareWide(p + 32, v128.load(block, 24), v128.and(i16x8.shl(high, 1), m8), m248);
    prepareWide(p + 64, v128.load(block, 40), v128.and(i16x8.shl(high, 2), m8), m248);
    prepareWide(p + 96, v128.load(block, 56), v128.and(i16x8.shl(high, 3), m8), m248);
    prepareWide(p + 128, v128.load(block, 72), v128.and(i16x8.shr_u(high, 4), m8), m248);
    prepareWide(p + 160, v128.load(block, 88), v128.and(i16x8.shr_u(high, 3), m8), m248);
    prepareWide(p + 192, v128.load(block, 104), v128.and(i16x8.shr_u(high, 2), m8), m248);
    prepareWide(p + 224, v128.load(block, 120), v128.and(i16x8.shr_u(high, 1), m8), m248);
  }
}
