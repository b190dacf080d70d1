// IQ3_XXS: 256 weights in quads from a grid of 256, signs apart, 8 scales; w = d * (0.5 + s[b]) * 0.5 * grid * sign.
//
// GGUF block, 98 bytes:      0        2              66             98
//                            | d f16  | grid 64 B    | 8 words u32  |
//   quad t: its place in the grid is byte t; word b, for the sub-block of 32: bits 7l .. 7l + 6 are the signs of the first 7
//   weights of octet l, the eighth makes their number even; bits 28-31 are s[b]
//
// R4 block of 4 rows, 392 bytes:
//   0    [4 f16]        d
//   8    [32 x 12 B]    octet l: four bytes, the place of quad 2l of rows 0..3; four bytes, that of quad 2l + 1; a word: bits
//                       7r .. 7r + 6 the signs of row r, bits 28-31 s of row l % 4 for the sub-block

import { loadFiniteF16x4 } from "../half";
import { M64 } from "../lanes";
import { EVEN_SIGNS, IQ3XXS_GRID } from "./grids.generated";
import { I1, QUARTER, Slab, oddScale, storeOctets, withSigns } from "./slab";

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ3_XXS(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 392);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 98, to += 392) {
      store<u16>(to + (r << 1), load<u16>(block));
      let octet = to + 8;
      for (let l: u32 = 0; l < 32; l++, octet += 12) {
        const word = load<u32>(block + ((l >> 2) << 2), 66);
        store<u8>(octet + r, load<u8>(block + (l << 1), 2));
        store<u8>(octet + r, load<u8>(block + (l << 1), 3), 4);
        const own = (l & 3) == r ? word & 0xf0000000 : 0;
        store<u32>(octet, load<u32>(octet, 8) | (((word >> (7 * (l & 3))) & 127) << (7 * r)) | own, 8);
      }
    }
  }
}

/** n R4 blocks to slabs: d = d / 4, scale 2s + 1. */
export function unpackIQ3_XXS(block: usize, n: u32, slab: usize): void {
  const m64 = v128.load_splat<u32>(M64), one = v128.load_splat<u32>(I1);
  for (; n > 0; n--, block += 392, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(QUARTER)));
    let p = slab + Slab.weights, to = slab + Slab.scales;
    for (let q = block + 8, end = block + 392; q < end; to += 32) {
      const s01 = v128.load32_lane(q, v128.load32_zero(q, 8), 1, 20);
      const s0123 = v128.load32_lane(q, v128.load32_lane(q, s01, 2, 32), 3, 44);
      const scale = oddScale(i32x4.shr_u(s0123, 28), one);
      v128.store(to, scale);
      v128.store(to, scale, 16);
      for (let l: u32 = 0; l < 4; l++, p += 32, q += 12) {
        const x = load<u32>(q), y = load<u32>(q, 4), z = load<u32>(q, 8);
        let g01 = v128.load32_lane((y & 255) << 2, v128.load32_zero((x & 255) << 2, IQ3XXS_GRID), 1, IQ3XXS_GRID);
        g01 = v128.load32_lane((x >> 6) & 0x3fc, g01, 2, IQ3XXS_GRID);
        g01 = v128.load32_lane((y >> 6) & 0x3fc, g01, 3, IQ3XXS_GRID);
        let g23 = v128.load32_lane((y >> 14) & 0x3fc, v128.load32_zero((x >> 14) & 0x3fc, IQ3XXS_GRID), 1, IQ3XXS_GRID);
        g23 = v128.load32_lane((x >> 24) << 2, g23, 2, IQ3XXS_GRID);
        g23 = v128.load32_lane((y >> 24) << 2, g23, 3, IQ3XXS_GRID);
        const signs01 = v128.load64_lane((z >> 4) & 0x3f8, v128.load64_zero((z & 127) << 3, EVEN_SIGNS), 1, EVEN_SIGNS);
        const signs23 = v128.load64_lane((z >> 18) & 0x3f8, v128.load64_zero((z >> 11) & 0x3f8, EVEN_SIGNS), 1, EVEN_SIGNS);
        storeOctets(p, withSigns(g01, signs01, m64), withSigns(g23, signs23, m64));
      }
    }
  }
}
