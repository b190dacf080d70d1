// IQ1_S: 256 weights in octets from a grid of 2048 (values -1, 0, 1), 8 scales and shifts of an eighth;
// w = d * (2 * s[b] + 1) * (grid + delta[b]).
//
// GGUF block, 50 bytes:      0        2           34              50
//                            | d f16  | grid 32 B | qh 8 x u16    |
//   sub-block b of 32: octet l's place in the grid is byte 4b + l of grid and, as bits 8-10, bits 3l .. 3l + 2 of qh[b];
//   s[b] are its bits 12-14; delta[b] is -1/8 where bit 15 is set, else 1/8
//
// R4 block of 4 rows, 200 bytes (grid-rows.ts):
//   0    [4 f16]        d
//   8    [8 x 16 B]     places, 8 bits
//   136  [3 x 16 B]     bits 8-10 of the places (ternary places, below)
//   184  [16 B]         the upper four bits of qh as scales of 32: s and, as bit 3, delta
//
// Prepared: deltas are [8 x 4 u8] (2s + 1) * (16 - 8 delta), then [8 x 4 u8] 48 + 8 delta, of sub-blocks of 32 and rows.
//
// Ternary places: three bits of each octet, those of vectors 2v and 2v + 1 in bits 3-5 and 0-2 of vector v = 0, 1, 2; of vector 6 in bits
// 6-7 of the first, bit 6 of the second; of vector 7 in bit 7 of the second, bits 6-7 of the third.

import { loadFiniteF16x4 } from "../half";
import { M1, M24 } from "../lanes/masks";
import { M2, M248, M49, Prepared, octetPlace, prepareWide, storeScale } from "./grid-rows";
import { EIGHTH } from "./slab";

const MASKS: usize = memory.data<u32>([
  0x38383838, 0x30303030, 0x20202020, 0x08080808, 0x0e0e0e0e, 0xf0f0f0f0,
], 16);
const M56: usize = MASKS, M48: usize = MASKS + 4, M32: usize = MASKS + 8, M8: usize = MASKS + 12, M14: usize = MASKS + 16;
const M240: usize = MASKS + 20;

/** Adds octet l of row r, whose place is `place`, to the places and their upper bits at `high`, which were zero. */
export function storeTernaryPlace(places: usize, high: usize, l: u32, r: u32, place: u32): void {
  const at = (l << 2) + r, v = at >> 4, bits = place >> 8;
  store<u8>(places + at, octetPlace(place));
  high += at & 15;
  if (v < 6) return addBits(high + ((v >> 1) << 4), bits << (v & 1 ? 0 : 3));
  if (v == 6) {
    addBits(high, (bits >> 1) << 6);
    return addBits(high + 16, (bits & 1) << 6);
  }
  addBits(high + 16, (bits >> 2) << 7);
  addBits(high + 32, (bits & 3) << 6);
}

function addBits(p: usize, bits: u32): void {
  store<u8>(p, load<u8>(p) | bits);
}

/** Offsets of a block's octets from places and high. */
export function prepareTernaryPlaces(p: usize, places: usize, high: usize): void {
  const m56 = v128.load_splat<u32>(M56), m24 = v128.load_splat<u32>(M24), m48 = v128.load_splat<u32>(M48);
  const m8 = v128.load_splat<u32>(M8), m32 = v128.load_splat<u32>(M32), m248 = v128.load_splat<u32>(M248);
  const a = v128.load(high), b = v128.load(high, 16), c = v128.load(high, 32);
  prepareWide(p, v128.load(places), v128.and(a, m56), m248);
  prepareWide(p + 32, v128.load(places, 16), v128.and(i16x8.shl(a, 3), m56), m248);
  prepareWide(p + 64, v128.load(places, 32), v128.and(b, m56), m248);
  prepareWide(p + 96, v128.load(places, 48), v128.and(i16x8.shl(b, 3), m56), m248);
  prepareWide(p + 128, v128.load(places, 64), v128.and(c, m56), m248);
  prepareWide(p + 160, v128.load(places, 80), v128.and(i16x8.shl(c, 3), m56), m248);
  const sixth = v128.or(v128.and(i16x8.shr_u(a, 2), m48), v128.and(i16x8.shr_u(b, 3), m8));
  prepareWide(p + 192, v128.load(places, 96), sixth, m248);
  const seventh = v128.or(v128.and(i16x8.shr_u(b, 2), m32), v128.and(i16x8.shr_u(c, 3), m24));
  prepareWide(p + 224, v128.load(places, 112), seventh, m248);
}

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
        for (let i: u32 = 0; i < 4; i++) {
          const l = (j << 2) + i;
          storeTernaryPlace(to + 8, to + 136, l, r, <u32>load<u8>(block + l, 2) | (((qh >> (3 * i)) & 7) << 8));
        }
        storeScale(to + 184, j, r, qh >> 12);
      }
    }
  }
}

/** n blocks: d = d / 8, 2s + 1. */
export function prepareIQ1_S(block: usize, n: u32, p: usize): void {
  for (; n > 0; n--, block += 200, p += Prepared.bytes) {
    v128.store(p, f32x4.mul(loadFiniteF16x4(block), v128.load_splat<u32>(EIGHTH)));
    const h = v128.load(block, 184);
    prepareShared(p, h);
    prepareShared(p + 16, i16x8.shr_u(h, 4));
    prepareTernaryPlaces(p, block + 8, block + 136);
  }
}

/** Scales, products of scale and shift, shifts, of 16 lower nibbles. */
// @ts-ignore: decorator
@inline
function prepareShared(p: usize, h: v128): void {
  const m8 = v128.load_splat<u32>(M8);
  const scale = v128.or(v128.and(i16x8.shl(h, 1), v128.load_splat<u32>(M14)), v128.load_splat<u32>(M1));
  const down = i8x16.eq(v128.and(h, m8), m8);
  // 8 delta * scale is scale, or - scale where down
  const shift = i8x16.sub(v128.xor(scale, down), down);
  v128.store(p, scale, Prepared.scales);
  v128.store(p, i8x16.sub(v128.and(i16x8.shl(scale, 4), v128.load_splat<u32>(M240)), shift), Prepared.deltas);
  const two = v128.load_splat<u32>(M2);
  v128.store(p, i8x16.sub(v128.load_splat<u32>(M49), v128.and(down, two)), Prepared.deltas + 32);
}
