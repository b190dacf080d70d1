// IQ2_KL (ik_llama.cpp): 256 weights, two for each of 128 codes of 5 bits. LAYOUTS.md section 3.
//
// 86 bytes:    0               2               6           70          86       before each row: d_row f16
//              | scales_h u16  | scales_l 4 B  | qs 64 B   | qh 16 B   |
//   w = d_row * (sc[b] - 32) * values, b = e / 32: a nibble of scales_l (low ones first), bits 2b and 2b + 1 of scales_h
//   pair j of b (elements 2j and 2j + 1): nibble of qs[16 * (b / 2) + j], the low one where b is even, and bit b of qh[j]
//
// R4: words.ts; scales_h is a leading u16 field.

import { Slab } from "./slab";
import { bits, field, lookup32, storeScales32 } from "./words";

/** iq2kl_values of LAYOUTS.md + 64: the first of each pair, then the second. */
// prettier-ignore
const VALUES: usize = memory.data<u8>([
  1, 1, 24, 24, 24, 24, 41, 41, 41, 41, 41, 54, 54, 54, 54, 65,
  65, 65, 65, 65, 77, 77, 77, 77, 77, 92, 92, 92, 92, 92, 111, 111,
  41, 77, 1, 54, 77, 111, 24, 41, 65, 77, 92, 1, 65, 77, 111, 41,
  54, 65, 77, 92, 24, 41, 54, 65, 77, 1, 41, 65, 92, 111, 41, 77,
], 16);

/** The pairs of four codes a row, as two vectors at `to`. */
// @ts-ignore: decorator
@inline
function storePairs(to: usize, code: v128): void {
  const first = lookup32(VALUES, code), second = lookup32(VALUES + 32, code);
  v128.store(to, v128.shuffle<i8>(first, second, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29));
  v128.store(to, v128.shuffle<i8>(first, second, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31), 16);
}

export function unpackIQ2_KL(block: usize, slab: usize): void {
  const scales = v128.load(block, 8), c32 = i32x4.splat(32);
  // low nibbles of the four bytes are 0..3
  let low = v128.and(scales, i32x4.splat(0x0f0f0f0f)), high = v128.load_ext<u16>(block);
  for (let b: u32 = 0; b < 8; b++) {
    if (b == 4) low = v128.and(i32x4.shr_u(scales, 4), i32x4.splat(0x0f0f0f0f));
    storeScales32(slab, b, i32x4.sub(v128.or(field(low, 0, 15), i32x4.shl(field(high, 0, 3), 4)), c32));
    low = i32x4.shr_u(low, 8);
    high = i32x4.shr_u(high, 2);
  }
  for (let m: u32 = 0; m < 4; m++) {
    let fifth = v128.load(block + (m << 4), 280);
    for (let i: u32 = 0; i < 4; i++) {
      const v = v128.load(block + (((i << 2) + m) << 4), 24), to = slab + (i << 8) + (m << 5) + Slab.weights;
      storePairs(to, v128.or(bits(v, 0, 15), v128.and(i16x8.shl(fifth, 4), i8x16.splat(16))));
      storePairs(to + 128, v128.or(bits(v, 4, 15), v128.and(i16x8.shl(fifth, 3), i8x16.splat(16))));
      fifth = i16x8.shr_u(fifth, 2);
    }
  }
}
