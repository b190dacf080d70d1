// IQ2_XS: 256 weights in octets from a grid of 512, signs apart, 16 scales; w = d * (0.5 + s[j]) * 0.25 * grid * sign.
//
// GGUF block, 74 bytes:      0        2                  66             74
//                            | d f16  | qs 32 x u16      | scales 8 B   |
//   qs[l]: octet l, bits 0-8 its place in the grid, bits 9-15 the signs of 7 weights; the eighth makes their number even
//   s[j] of the 16 weights from 16j on: nibble j of scales
//
// R4 block of 4 rows, 296 bytes:
//   0    [4 f16]        d
//   8    [32 x 4 u16]   octet l of rows 0..3
//   264  [2 x 4 x 4 B]  word r of vector i: row r, bytes 4i .. 4i + 3 of its scales

import { loadFiniteF16x4 } from "../half";
import { EVEN_SIGNS, IQ2XS_GRID } from "./grids.generated";
import { EIGHTH, Slab, storeOctets, storeOddScales16, withEvenSigns } from "./slab";

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ2_XS(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 74, to += 296) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let l: u32 = 0; l < 32; l++) store<u16>(to + (l << 3) + (r << 1), load<u16>(block + (l << 1), 2), 8);
      store<u32>(to + (r << 2), load<u32>(block, 66), 264);
      store<u32>(to + (r << 2), load<u32>(block, 70), 280);
    }
  }
}

/** n R4 blocks to slabs: d = d / 8, scale 2s + 1. */
export function unpackIQ2_XS(block: usize, n: u32, slab: usize): void {
  for (; n > 0; n--, block += 296, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    storeOddScales16(slab + 16, v128.load(block, 264));
    storeOddScales16(slab + 144, v128.load(block, 280));
    let p = slab + Slab.weights;
    for (let q = block + 8, end = block + 264; q < end; q += 8, p += 32) {
      const i0 = (<u32>load<u16>(q) & 511) << 3, i1 = (<u32>load<u16>(q, 2) & 511) << 3;
      const i2 = (<u32>load<u16>(q, 4) & 511) << 3, i3 = (<u32>load<u16>(q, 6) & 511) << 3;
      // the upper bytes: bit 8 of the place, of no account to EVEN_SIGNS, and the signs
      const j0 = <u32>load<u8>(q, 1) << 3, j1 = <u32>load<u8>(q, 3) << 3;
      const j2 = <u32>load<u8>(q, 5) << 3, j3 = <u32>load<u8>(q, 7) << 3;
      const g01 = v128.load64_lane(i1, v128.load64_zero(i0, IQ2XS_GRID), 1, IQ2XS_GRID);
      const g23 = v128.load64_lane(i3, v128.load64_zero(i2, IQ2XS_GRID), 1, IQ2XS_GRID);
      const s01 = v128.load64_lane(j1, v128.load64_zero(j0, EVEN_SIGNS), 1, EVEN_SIGNS);
      const s23 = v128.load64_lane(j3, v128.load64_zero(j2, EVEN_SIGNS), 1, EVEN_SIGNS);
      storeOctets(p, withEvenSigns(g01, s01), withEvenSigns(g23, s23));
    }
  }
}
