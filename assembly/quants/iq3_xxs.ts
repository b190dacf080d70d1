// IQ3_XXS: 256 weights in quads from a grid of 256, signs apart, 8 scales; w = d * (0.5 + s[b]) * 0.5 * grid * sign.
//
// GGUF block, 98 bytes:      0        2              66             98
//                            | d f16  | grid 64 B    | 8 words u32  |
//   quad t: its place in the grid is byte t; word b, for the sub-block of 32: bits 7l .. 7l + 6 are the signs of the first 7
//   weights of octet l, the eighth makes their number even; bits 28-31 are s[b]
//
// R4 block of 4 rows, 392 bytes:
//   0    [4 f16]        d
//   8    [32 x 12 B]    octet l: four bytes, the place of quad 2l of rows 0..3; four bytes, that of quad 2l + 1; four bytes: the
//                       signs of row r in bits 1-7, bit l % 4 of its s in bit 0

import { loadFiniteF16x4 } from "../half";
import { M1 } from "../lanes";
import { EVEN_SIGNS, IQ3XXS_GRID } from "./grids.generated";
import { I1, QUARTER, Slab, bitsOfRows, oddScale, withEvenSigns } from "./slab";

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
        store<u8>(octet + r, (((word >> (7 * (l & 3))) & 127) << 1) | ((word >> (28 + (l & 3))) & 1), 8);
      }
    }
  }
}

/** n R4 blocks to slabs: d = d / 4, scale 2s + 1. */
export function unpackIQ3_XXS(block: usize, n: u32, slab: usize): void {
  const one = v128.load_splat<u32>(I1), m1 = v128.load_splat<u32>(M1);
  for (; n > 0; n--, block += 392, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(QUARTER)));
    let p = slab + Slab.weights, to = slab + Slab.scales;
    for (let q = block + 8, end = block + 392; q < end; to += 32) {
      const s01 = v128.load32_lane(q, v128.load32_zero(q, 8), 1, 20);
      const s0123 = v128.load32_lane(q, v128.load32_lane(q, s01, 2, 32), 3, 44);
      const scale = oddScale(bitsOfRows(v128.and(s0123, m1)), one);
      v128.store(to, scale);
      v128.store(to, scale, 16);
      for (let l: u32 = 0; l < 4; l++, p += 32, q += 12) {
        const i0 = <u32>load<u8>(q) << 2, i1 = <u32>load<u8>(q, 1) << 2, i2 = <u32>load<u8>(q, 2) << 2, i3 = <u32>load<u8>(q, 3) << 2;
        let first = v128.load32_lane(i1, v128.load32_zero(i0, IQ3XXS_GRID), 1, IQ3XXS_GRID);
        first = v128.load32_lane(i3, v128.load32_lane(i2, first, 2, IQ3XXS_GRID), 3, IQ3XXS_GRID);
        const j0 = <u32>load<u8>(q, 4) << 2, j1 = <u32>load<u8>(q, 5) << 2, j2 = <u32>load<u8>(q, 6) << 2, j3 = <u32>load<u8>(q, 7) << 2;
        let second = v128.load32_lane(j1, v128.load32_zero(j0, IQ3XXS_GRID), 1, IQ3XXS_GRID);
        second = v128.load32_lane(j3, v128.load32_lane(j2, second, 2, IQ3XXS_GRID), 3, IQ3XXS_GRID);
        const k0 = <u32>load<u8>(q, 8) << 3, k1 = <u32>load<u8>(q, 9) << 3, k2 = <u32>load<u8>(q, 10) << 3, k3 = <u32>load<u8>(q, 11) << 3;
        const s01 = v128.load64_lane(k1, v128.load64_zero(k0, EVEN_SIGNS), 1, EVEN_SIGNS);
        const s23 = v128.load64_lane(k3, v128.load64_zero(k2, EVEN_SIGNS), 1, EVEN_SIGNS);
        v128.store(p, withEvenSigns(first, v128.shuffle<i32>(s01, s23, 0, 2, 4, 6)));
        v128.store(p, withEvenSigns(second, v128.shuffle<i32>(s01, s23, 1, 3, 5, 7)), 16);
      }
    }
  }
}
