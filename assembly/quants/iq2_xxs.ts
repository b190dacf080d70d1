// IQ2_XXS: 256 weights in octets from a grid of 256, signs apart, 8 scales; w = d * (0.5 + s[b]) * 0.25 * grid * sign.
//
// GGUF block, 66 bytes:      0        2                                       66
//                            | d f16  | 8 x (grid 4 B, word u32)              |
//   sub-block b of 32: octet l's place in the grid is byte l; word: bits 7l .. 7l + 6 are the signs of its first 7 weights,
//   the eighth makes their number even; bits 28-31 are s[b]
//
// R4 block of 4 rows, 264 bytes:
//   0    [4 f16]        d
//   8    [32 x 8 B]     octet l: bytes 0..3 are the places of rows 0..3; byte 4 + r: the signs of row r in bits 1-7, bit l % 4 of
//                       its s in bit 0

import { loadFiniteF16x4 } from "../half";
import { M1 } from "../lanes";
import { EVEN_SIGNS, IQ2XXS_GRID } from "./grids.generated";
import { EIGHTH, I1, Slab, bitsOfRows, oddScale, storeOctets, withEvenSigns } from "./slab";

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ2_XXS(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 264);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 66, to += 264) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let j: u32 = 0; j < 8; j++) {
        const word = load<u32>(block + (j << 3), 6);
        let octet = to + (j << 5) + 8;
        for (let l: u32 = 0; l < 4; l++, octet += 8) {
          store<u8>(octet + r, load<u8>(block + (j << 3) + l, 2));
          store<u8>(octet + r, (((word >> (7 * l)) & 127) << 1) | ((word >> (28 + l)) & 1), 4);
        }
      }
    }
  }
}

/** n R4 blocks to slabs: d = d / 8, scale 2s + 1. */
export function unpackIQ2_XXS(block: usize, n: u32, slab: usize): void {
  const one = v128.load_splat<u32>(I1), m1 = v128.load_splat<u32>(M1);
  for (; n > 0; n--, block += 264, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    let p = slab + Slab.weights, to = slab + Slab.scales;
    for (let q = block + 8, end = block + 264; q < end; q += 32, to += 32) {
      const signs = v128.shuffle<i32>(v128.load(q), v128.load(q, 16), 1, 3, 5, 7);
      const scale = oddScale(bitsOfRows(v128.and(signs, m1)), one);
      v128.store(to, scale);
      v128.store(to, scale, 16);
      for (let l: u32 = 0; l < 4; l++, p += 32) {
        const o = q + (l << 3);
        const i0 = <u32>load<u8>(o) << 3, i1 = <u32>load<u8>(o, 1) << 3, i2 = <u32>load<u8>(o, 2) << 3, i3 = <u32>load<u8>(o, 3) << 3;
        const j0 = <u32>load<u8>(o, 4) << 3, j1 = <u32>load<u8>(o, 5) << 3, j2 = <u32>load<u8>(o, 6) << 3, j3 = <u32>load<u8>(o, 7) << 3;
        const g01 = v128.load64_lane(i1, v128.load64_zero(i0, IQ2XXS_GRID), 1, IQ2XXS_GRID);
        const g23 = v128.load64_lane(i3, v128.load64_zero(i2, IQ2XXS_GRID), 1, IQ2XXS_GRID);
        const s01 = v128.load64_lane(j1, v128.load64_zero(j0, EVEN_SIGNS), 1, EVEN_SIGNS);
        const s23 = v128.load64_lane(j3, v128.load64_zero(j2, EVEN_SIGNS), 1, EVEN_SIGNS);
        storeOctets(p, withEvenSigns(g01, s01), withEvenSigns(g23, s23));
      }
    }
  }
}
