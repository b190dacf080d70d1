// IQ1_M: 256 weights in octets from a grid of 2048 (values -1, 0, 1), 16 scales and a shift of an eighth for each octet;
// w = d * (2 * s[j] + 1) * (grid + delta[l]).
//
// GGUF block, 56 bytes:      0           32         48              56
//                            | grid 32 B | qh 16 B  | sc 4 x u16    |
//   d f16: its nibble i is the top nibble of sc[i]; s[j] of the 16 weights from 16j on: bits 3 * (j % 4) .. of sc[j / 4]
//   octet l: its place in the grid is byte l of grid and, as bits 8-10, the lower three bits of nibble l of qh; delta[l] is
//   -1/8 where bit 3 of the nibble is set, else 1/8
//
// R4 block of 4 rows, 224 bytes:
//   0    [4 f16]        d
//   8    [32 x 6 B]     octet l, 48 bits: 11 bits of place for each of rows 0..3, then bit 3 of their nibbles
//   200  [4 u32][4 u16] row r: its 16 scales, 3 bits each, as one number of 48 bits

import { loadF16x4 } from "../half";
import { DELTAS, storePlaces } from "./iq1_s";
import { EIGHTH, I1, I7, Slab, oddScale } from "./slab";

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ1_M(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 224);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 56, to += 224) {
      let d: u32 = 0;
      let scales: u64 = 0;
      for (let i: u32 = 0; i < 4; i++) {
        const sc = <u32>load<u16>(block + (i << 1), 48);
        d |= (sc >> 12) << (i << 2);
        scales |= <u64>(sc & 0xfff) << (12 * i);
      }
      store<u16>(to + (r << 1), d);
      let octet = to + 8;
      for (let l: u32 = 0; l < 32; l++, octet += 6) {
        const nibble = (<u32>load<u8>(block + (l >> 1), 32) >> ((l & 1) << 2)) & 15;
        const place = <u64>(<u32>load<u8>(block + l) | ((nibble & 7) << 8));
        const bits = load<u64>(octet) | (place << (11 * r)) | (<u64>(nibble >> 3) << (44 + r));
        store<u32>(octet, <u32>bits);
        store<u16>(octet, <u16>(bits >> 32), 4);
      }
      store<u32>(to + (r << 2), <u32>scales, 200);
      store<u16>(to + (r << 1), <u16>(scales >> 32), 216);
    }
  }
}

/** n R4 blocks to slabs: d = d / 8, scale 2s + 1, w = 8 * grid + 1 or - 1. */
export function unpackIQ1_M(block: usize, n: u32, slab: usize): void {
  const one = v128.load_splat<u32>(I1), m7 = v128.load_splat<u32>(I7);
  for (; n > 0; n--, block += 224, slab += Slab.bytes) {
    v128.store(slab, f32x4.mul(loadF16x4(block), v128.load_splat<u32>(EIGHTH)));
    // ten scales of 3 bits in the lower words, six in what is left
    let s = v128.load(block, 200);
    const rest = v128.or(i32x4.shr_u(s, 30), i32x4.shl(v128.load_ext<u16>(block, 216), 2));
    let to = slab + Slab.scales;
    for (let j: u32 = 0; j < 16; j++, to += 16) {
      if (j == 10) s = rest;
      v128.store(to, oddScale(v128.and(s, m7), one));
      s = i32x4.shr_u(s, 3);
    }
    let p = slab + Slab.weights;
    for (let q = block + 8, end = block + 200; q < end; q += 6, p += 32) {
      const x = load<u64>(q);
      const h = <u32>(x >> 40);
      storePlaces(p, x, v128.load(h & 0x30, DELTAS), v128.load((h >> 2) & 0x30, DELTAS));
    }
  }
}
