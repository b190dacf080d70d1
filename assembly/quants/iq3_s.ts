// IQ3_S: 256 weights in quads from a grid of 512, signs apart, 8 scales; w = d * (1 + 2 * s[b]) * grid * sign.
//
// GGUF block, 110 bytes:     0        2           66       74           106          110
//                            | d f16  | grid 64 B | qh 8 B | signs 32 B | scales 4 B |
//   quad t: its place in the grid is byte t and, as bit 8, bit t % 8 of qh[t / 8]; byte l of signs: bit i set, weight i of
//   octet l negative; s[b] of the sub-block of 32: nibble b of scales
//
// R4 block of 4 rows, 440 bytes:
//   0    [4 f16]        d
//   8    [32 x 13 B]    octet l, 104 bits: 9 bits of place of quad 2l for each of rows 0..3, then of quad 2l + 1, then 8 signs
//   424  [4 x 4 B]      word r: the scales of row r

import { loadFiniteF16x4 } from "../half";
import { M64 } from "../lanes";
import { IQ3S_GRID } from "./grids.generated";
import { I1, I15, Slab, oddScale, storeSigned } from "./slab";

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ3_S(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 440);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 110, to += 440) {
      store<u16>(to + (r << 1), load<u16>(block));
      let octet = to + 8;
      for (let l: u32 = 0; l < 32; l++, octet += 13) {
        const high = <u32>load<u8>(block + (l >> 2), 66) >> ((l & 3) << 1);
        const first = <u64>(<u32>load<u8>(block + (l << 1), 2) | ((high & 1) << 8));
        const second = <u64>(<u32>load<u8>(block + (l << 1), 3) | ((high & 2) << 7));
        store<u64>(octet, load<u64>(octet) | (first << (9 * r)));
        store<u64>(octet, load<u64>(octet, 4) | (second << (9 * r + 4)), 4);
        store<u8>(octet + r, load<u8>(block + l, 74), 9);
      }
      store<u32>(to + (r << 2), load<u32>(block, 106), 424);
    }
  }
}

/** n R4 blocks to slabs: scale 2s + 1. */
export function unpackIQ3_S(block: usize, n: u32, slab: usize): void {
  const m64 = v128.load_splat<u32>(M64), m15 = v128.load_splat<u32>(I15), one = v128.load_splat<u32>(I1);
  for (; n > 0; n--, block += 440, slab += Slab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    let words = v128.load(block, 424);
    for (let to = slab + 16, end = slab + 272; to < end; to += 32) {
      const scale = oddScale(v128.and(words, m15), one);
      v128.store(to, scale);
      v128.store(to, scale, 16);
      words = i32x4.shr_u(words, 4);
    }
    let p = slab + Slab.weights;
    for (let q = block + 8, end = block + 424; q < end; q += 13, p += 32) {
      const x = load<u64>(q), y = load<u64>(q, 4) >> 4;
      let first = v128.load32_zero((<u32>x & 511) << 2, IQ3S_GRID);
      first = v128.load32_lane((<u32>x >> 7) & 0x7fc, first, 1, IQ3S_GRID);
      first = v128.load32_lane((<u32>x >> 16) & 0x7fc, first, 2, IQ3S_GRID);
      first = v128.load32_lane(<u32>(x >> 25) & 0x7fc, first, 3, IQ3S_GRID);
      let second = v128.load32_zero((<u32>y & 511) << 2, IQ3S_GRID);
      second = v128.load32_lane((<u32>y >> 7) & 0x7fc, second, 1, IQ3S_GRID);
      second = v128.load32_lane((<u32>y >> 16) & 0x7fc, second, 2, IQ3S_GRID);
      second = v128.load32_lane(<u32>(y >> 25) & 0x7fc, second, 3, IQ3S_GRID);
      storeSigned(p, first, second, v128.load32_zero(q, 9), m64);
    }
  }
}
