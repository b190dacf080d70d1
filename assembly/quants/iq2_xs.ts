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
import { M64 } from "../lanes";
import { EVEN_SIGNS, IQ2XS_GRID } from "./grids.generated";
import { EIGHTH, Slab, storeOctets, storeOddScales16, withSigns } from "./slab";

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
  const m64 = v128.load_splat<u32>(M64);
  for (; n > 0; n--, block += 296, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    storeOddScales16(slab + 16, v128.load(block, 264));
    storeOddScales16(slab + 144, v128.load(block, 280));
    let p = slab + Slab.weights;
    for (let q = block + 8, end = block + 264; q < end; q += 8, p += 32) {
      const x = load<u64>(q);
      const low = <u32>x, high = <u32>(x >> 32);
      const g01 = v128.load64_lane((low >> 13) & 0xff8, v128.load64_zero((low & 511) << 3, IQ2XS_GRID), 1, IQ2XS_GRID);
      const g23 = v128.load64_lane((high >> 13) & 0xff8, v128.load64_zero((high & 511) << 3, IQ2XS_GRID), 1, IQ2XS_GRID);
      const s01 = v128.load64_lane((low >> 25) << 3, v128.load64_zero((low >> 6) & 0x3f8, EVEN_SIGNS), 1, EVEN_SIGNS);
      const s23 = v128.load64_lane((high >> 25) << 3, v128.load64_zero((high >> 6) & 0x3f8, EVEN_SIGNS), 1, EVEN_SIGNS);
      storeOctets(p, withSigns(g01, s01, m64), withSigns(g23, s23, m64));
    }
  }
}
