// IQ3_S: 256 weights in quads from a grid of 512, signs apart, 8 scales; w = d * (1 + 2 * s[b]) * grid * sign.
//
// GGUF block, 110 bytes:     0        2           66       74           106          110
//                            | d f16  | grid 64 B | qh 8 B | signs 32 B | scales 4 B |
//   quad t: its place in the grid is byte t and, as bit 8, bit t % 8 of qh[t / 8]; byte l of signs: bit i set, weight i of
//   octet l negative; s[b] of the sub-block of 32: nibble b of scales
//
// R4 block of 4 rows, 440 bytes (grid-rows.ts):
//   0    [4 f16]        d
//   8    [16 x 16 B]    places, 8 bits
//   264  [4 x 2 x 16 B] signs
//   392  [2 x 16 B]     bit 8 of the places: that of vector 8h + t is bit (2 - t) & 7 of vector h
//   424  [16 B]         scales of 32

import { loadFiniteF16x4 } from "../half";
import { M4 } from "../lanes/masks";
import { M252, Prepared, prepareWide, prepareScales, quadPlace, storeScale, storeSigns } from "./grid-rows";

/** Where the signs of a block are: products read them there. */
export const IQ3_S_SIGNS: usize = 264;

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ3_S(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 440);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 110, to += 440) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let t: u32 = 0; t < 64; t++) {
        const at = ((t >> 1) << 3) + (r << 1) + (t & 1);
        store<u8>(to + at, quadPlace(load<u8>(block + t, 2)), 8);
        const bit = (<u32>load<u8>(block + (t >> 3), 66) >> (t & 7)) & 1;
        const high = to + ((at >> 7) << 4) + (at & 15);
        store<u8>(high, load<u8>(high, 392) | (bit << ((2 - (at >> 4)) & 7)), 392);
      }
      for (let c: u32 = 0; c < 4; c++) storeSigns(to + IQ3_S_SIGNS, c, r, load<u64>(block + (c << 3), 74));
      for (let j: u32 = 0; j < 8; j++) storeScale(to + 424, j, r, (load<u8>(block + (j >> 1), 106) >> ((j & 1) << 2)) & 15);
    }
  }
}

/** n blocks: 2s + 1. */
export function prepareIQ3_S(block: usize, n: u32, p: usize): void {
  const m4 = v128.load_splat<u32>(M4), m252 = v128.load_splat<u32>(M252);
  for (; n > 0; n--, block += 440, p += Prepared.bytes) {
    v128.store(p, loadFiniteF16x4(block));
    prepareScales(p, v128.load(block, 424));
    for (let h: usize = 0; h < 2; h++) {
      const high = v128.load(block + (h << 4), 392), q = block + (h << 7), to = p + (h << 8);
      prepareWide(to, v128.load(q, 8), v128.and(high, m4), m252);
      prepareWide(to + 32, v128.load(q, 24), v128.and(i16x8.shl(high, 1), m4), m252);
      prepareWide(to + 64, v128.load(q, 40), v128.and(i16x8.shl(high, 2), m4), m252);
      prepareWide(to + 96, v128.load(q, 56), v128.and(i16x8.shr_u(high, 5), m4), m252);
      prepareWide(to + 128, v128.load(q, 72), v128.and(i16x8.shr_u(high, 4), m4), m252);
      prepareWide(to + 160, v128.load(q, 88), v128.and(i16x8.shr_u(high, 3), m4), m252);
      prepareWide(to + 192, v128.load(q, 104), v128.and(i16x8.shr_u(high, 2), m4), m252);
      prepareWide(to + 224, v128.load(q, 120), v128.and(i16x8.shr_u(high, 1), m4), m252);
    }
  }
}
