// IQ2_S: 256 weights in octets from a grid of 1024, signs apart, 16 scales; w = d * (0.5 + s[j]) * 0.25 * grid * sign.
//
// GGUF block, 82 bytes:      0        2           34           66       74           82
//                            | d f16  | grid 32 B | signs 32 B | qh 8 B | scales 8 B |
//   octet l: its place in the grid is byte l of grid and, as bits 8-9, bits 2 * (l % 4) and the next of qh[l / 4]; byte l of
//   signs: bit i set, weight i negative
//   s[j] of the 16 weights from 16j on: nibble j of scales
//
// R4 block of 4 rows, 328 bytes:
//   0    [4 f16]        d
//   8    [32 x 9 B]     octet l, 72 bits: 10 bits of place for each of rows 0..3, then their 8 signs each
//   296  [2 x 4 x 4 B]  word r of vector i: row r, bytes 4i .. 4i + 3 of its scales

import { loadFiniteF16x4 } from "../half";
import { M64 } from "../lanes";
import { IQ2S_GRID } from "./grids.generated";
import { EIGHTH, Slab, storeOddScales16, storeSigned } from "./slab";

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ2_S(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 328);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 82, to += 328) {
      store<u16>(to + (r << 1), load<u16>(block));
      let octet = to + 8;
      for (let l: u32 = 0; l < 32; l++, octet += 9) {
        const high = (<u32>load<u8>(block + (l >> 2), 66) >> ((l & 3) << 1)) & 3;
        const place = <u64>(<u32>load<u8>(block + l, 2) | (high << 8));
        // 40 bits of places in front of 24 of signs
        store<u64>(octet, load<u64>(octet) | (place << (10 * r)));
        store<u8>(octet + r, load<u8>(block + l, 34), 5);
      }
      store<u32>(to + (r << 2), load<u32>(block, 74), 296);
      store<u32>(to + (r << 2), load<u32>(block, 78), 312);
    }
  }
}

/** n R4 blocks to slabs: d = d / 8, scale 2s + 1. */
export function unpackIQ2_S(block: usize, n: u32, slab: usize): void {
  const m64 = v128.load_splat<u32>(M64);
  for (; n > 0; n--, block += 328, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    storeOddScales16(slab + 16, v128.load(block, 296));
    storeOddScales16(slab + 144, v128.load(block, 312));
    let p = slab + Slab.weights;
    for (let q = block + 8, end = block + 296; q < end; q += 9, p += 32) {
      const x = load<u64>(q);
      const i0 = (<u32>x & 1023) << 3, i1 = (<u32>x >> 7) & 0x1ff8;
      const i2 = <u32>(x >> 17) & 0x1ff8, i3 = <u32>(x >> 27) & 0x1ff8;
      const g01 = v128.load64_lane(i1, v128.load64_zero(i0, IQ2S_GRID), 1, IQ2S_GRID);
      const g23 = v128.load64_lane(i3, v128.load64_zero(i2, IQ2S_GRID), 1, IQ2S_GRID);
      const first = v128.shuffle<i32>(g01, g23, 0, 2, 4, 6), second = v128.shuffle<i32>(g01, g23, 1, 3, 5, 7);
      storeSigned(p, first, second, v128.load32_zero(q, 5), m64);
    }
  }
}
