// IQ1_S: 256 weights in octets from a grid of 2048 (values -1, 0, 1), 8 scales and shifts of an eighth;
// w = d * (2 * s[b] + 1) * (grid + delta[b]).
//
// GGUF block, 50 bytes:      0        2           34              50
//                            | d f16  | grid 32 B | qh 8 x u16    |
//   sub-block b of 32: octet l's place in the grid is byte 4b + l of grid and, as bits 8-10, bits 3l .. 3l + 2 of qh[b];
//   s[b] are its bits 12-14; delta[b] is -1/8 where bit 15 is set, else 1/8
//
// R4 block of 4 rows, 200 bytes:
//   0    [4 f16]        d
//   8    [8 x 24 B]     sub-block b: 176 bits, for octet l 11 bits of place for each of rows 0..3; then a u16, the upper four
//                       bits of qh[b] of rows 0..3

import { loadFiniteF16x4 } from "../half";
import { IQ1S_GRID } from "./grids.generated";
import { EIGHTH, I1, I7, Slab, oddScale, storeOctets } from "./slab";

/** For 2 bits: an octet of -1 where the bit is set, of 1 where not; the lower bit's first. */
export const DELTAS: usize = memory.data<u64>([
  0x0101010101010101, 0x0101010101010101, 0xffffffffffffffff, 0x0101010101010101,
  0x0101010101010101, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff,
], 16);

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ1_S(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 200);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 50, to += 200) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let j: u32 = 0; j < 8; j++) {
        const qh = <u32>load<u16>(block + (j << 1), 34);
        const sub = to + 24 * j + 8;
        for (let l: u32 = 0; l < 4; l++) {
          const place = <u64>(<u32>load<u8>(block + (j << 2) + l, 2) | (((qh >> (3 * l)) & 7) << 8));
          // two octets take 11 bytes; the second begins at bit 4 of byte 5
          const at = sub + 11 * (l >> 1) + 5 * (l & 1);
          store<u64>(at, load<u64>(at) | (place << (11 * r + ((l & 1) << 2))));
        }
        store<u16>(sub, load<u16>(sub, 22) | ((qh >> 12) << (r << 2)), 22);
      }
    }
  }
}

/** n R4 blocks to slabs: d = d / 8, scale 2s + 1, w = 8 * grid + 1 or - 1. */
export function unpackIQ1_S(block: usize, n: u32, slab: usize): void {
  const one = v128.load_splat<u32>(I1), m7 = v128.load_splat<u32>(I7);
  for (; n > 0; n--, block += 200, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    let p = slab + Slab.weights, to = slab + Slab.scales;
    for (let q = block + 8, end = block + 200; q < end; q += 24, p += 128, to += 32) {
      const h = <u32>load<u16>(q, 22);
      const s = i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(h), 1, h >> 4), 2, h >> 8), 3, h >> 12);
      const scale = oddScale(v128.and(s, m7), one);
      v128.store(to, scale);
      v128.store(to, scale, 16);
      const delta01 = v128.load((((h >> 3) & 1) | ((h >> 6) & 2)) << 4, DELTAS);
      const delta23 = v128.load((((h >> 11) & 1) | ((h >> 14) & 2)) << 4, DELTAS);
      storePlaces(p, load<u64>(q), delta01, delta23);
      storePlaces(p + 32, load<u64>(q, 5) >> 4, delta01, delta23);
      storePlaces(p + 64, load<u64>(q, 11), delta01, delta23);
      storePlaces(p + 96, load<u64>(q, 16) >> 4, delta01, delta23);
    }
  }
}

/** An octet of four rows from 11 bits each, shifted by delta. */
// @ts-ignore: decorator
@inline
export function storePlaces(p: usize, x: u64, delta01: v128, delta23: v128): void {
  const i0 = (<u32>x & 2047) << 3, i1 = (<u32>x >> 8) & 0x3ff8;
  const i2 = <u32>(x >> 19) & 0x3ff8, i3 = <u32>(x >> 30) & 0x3ff8;
  const g01 = v128.load64_lane(i1, v128.load64_zero(i0, IQ1S_GRID), 1, IQ1S_GRID);
  const g23 = v128.load64_lane(i3, v128.load64_zero(i2, IQ1S_GRID), 1, IQ1S_GRID);
  storeOctets(p, i8x16.add(g01, delta01), i8x16.add(g23, delta23));
}
