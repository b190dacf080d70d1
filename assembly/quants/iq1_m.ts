// IQ1_M: 256 weights in octets from a grid of 2048 (values -1, 0, 1), 16 scales and a shift of an eighth for each octet;
// w = d * (2 * s[j] + 1) * (grid + delta[l]).
//
// GGUF block, 56 bytes:      0           32         48              56
//                            | grid 32 B | qh 16 B  | sc 4 x u16    |
//   d f16: its nibble i is the top nibble of sc[i]; s[j] of the 16 weights from 16j on: bits 3 * (j % 4) .. of sc[j / 4]
//   octet l: its place in the grid is byte l of grid and, as bits 8-10, the lower three bits of nibble l of qh; delta[l] is
//   -1/8 where bit 3 of the nibble is set, else 1/8
//
// R4 block of 4 rows, 224 bytes (grid-rows.ts, iq1_s.ts):
//   0    [4 f16]        d
//   8    [8 x 16 B]     places, 8 bits
//   136  [3 x 16 B]     bits 8-10 of the places
//   184  [4 x 4 B]      bit 3 of the nibbles: byte r of word c, bit 7 - t: octet 8c + t of row r
//   200  [16 B][8 B]    scales of sub-block 4f + i: bits 0-1 are bits 2f and the next of byte 4i + r; bit 2 is bit (i & 2) * 2 + f of
//                       byte 4 (i & 1) + r of the 8
//
// Prepared: deltas are the 16 bytes at 184.

import { loadF16x4 } from "../half";
import { M1 } from "../lanes/masks";
import { Prepared } from "./grid-rows";
import { prepareTernaryPlaces, storeTernaryPlace } from "./iq1_s";
import { EIGHTH } from "./slab";

const M6: usize = memory.data<u32>([0x06060606, 0x08080808], 16), M8: usize = M6 + 4;

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ1_M(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  memory.fill(dst, 0, nb * 224);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 56, to += 224) {
      let d: u32 = 0;
      for (let i: u32 = 0; i < 4; i++) {
        const sc = <u32>load<u16>(block + (i << 1), 48);
        d |= (sc >> 12) << (i << 2);
        // sub-block 4i + n
        for (let n: u32 = 0; n < 4; n++) {
          const s = (sc >> (3 * n)) & 7;
          const low = to + (n << 2) + r, high = to + ((n & 1) << 2) + r;
          store<u8>(low, load<u8>(low, 200) | ((s & 3) << (i << 1)), 200);
          store<u8>(high, load<u8>(high, 216) | ((s >> 2) << (((n & 2) << 1) + i)), 216);
        }
      }
      store<u16>(to + (r << 1), d);
      for (let l: u32 = 0; l < 32; l++) {
        const nibble = (<u32>load<u8>(block + (l >> 1), 32) >> ((l & 1) << 2)) & 15;
        storeTernaryPlace(to + 8, to + 136, l, r, <u32>load<u8>(block + l) | ((nibble & 7) << 8));
        const bits = to + ((l >> 3) << 2) + r;
        store<u8>(bits, load<u8>(bits, 184) | ((nibble >> 3) << (7 - (l & 7))), 184);
      }
    }
  }
}

/** n blocks: d = d / 8, 2s + 1. */
export function prepareIQ1_M(block: usize, n: u32, p: usize): void {
  const m1 = v128.load_splat<u32>(M1), m6 = v128.load_splat<u32>(M6), m8 = v128.load_splat<u32>(M8);
  for (; n > 0; n--, block += 224, p += Prepared.bytes) {
    v128.store(p, f32x4.mul(loadF16x4(block), v128.load_splat<u32>(EIGHTH)));
    const low = v128.load(block, 200), bits = v128.load64_zero(block, 216);
    const high = v128.shuffle<i64>(bits, i16x8.shr_u(bits, 4), 0, 2);
    storeScales(p, v128.and(i16x8.shl(low, 1), m6), v128.and(i16x8.shl(high, 3), m8), m1);
    storeScales(p + 16, v128.and(i16x8.shr_u(low, 1), m6), v128.and(i16x8.shl(high, 2), m8), m1);
    storeScales(p + 32, v128.and(i16x8.shr_u(low, 3), m6), v128.and(i16x8.shl(high, 1), m8), m1);
    storeScales(p + 48, v128.and(i16x8.shr_u(low, 5), m6), v128.and(high, m8), m1);
    v128.store(p, v128.load(block, 184), Prepared.deltas);
    prepareTernaryPlaces(p, block + 8, block + 136);
  }
}

/** 2s + 1 of 16 scales; low, high: bits 0-1 and bit 2, doubled. */
// @ts-ignore: decorator
@inline
function storeScales(p: usize, low: v128, high: v128, m1: v128): void {
  v128.store(p, v128.or(v128.or(low, high), m1), Prepared.scales);
}
