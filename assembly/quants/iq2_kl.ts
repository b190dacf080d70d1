// IQ2_KL (ik_llama.cpp): 256 weights, two for each of 128 codes of 5 bits. LAYOUTS.md section 3.
//
// 86 bytes:    0               2               6           70          86       before each row: d_row f16
//              | scales_h u16  | scales_l 4 B  | qs 64 B   | qh 16 B   |
//   w = d_row * (sc[b] - 32) * values, b = e / 32: a nibble of scales_l (low ones first), bits 2b and 2b + 1 of scales_h
//   pair j of b (elements 2j and 2j + 1): nibble of qs[16 * (b / 2) + j], the low one where b is even, and bit b of qh[j]
//
// R4: words.ts; scales_h is a leading u16 field.

import { M15, M32 } from "../lanes";
import { I15, Slab } from "./slab";
import { I3, bits, isSet, lookup32, storeScales32 } from "./words";

/** iq2kl_values of LAYOUTS.md + 64: the first of each pair, then the second. */
// prettier-ignore
export const IQ2KL_VALUES: usize = memory.data<u8>([
  1, 1, 24, 24, 24, 24, 41, 41, 41, 41, 41, 54, 54, 54, 54, 65,
  65, 65, 65, 65, 77, 77, 77, 77, 77, 92, 92, 92, 92, 92, 111, 111,
  41, 77, 1, 54, 77, 111, 24, 41, 65, 77, 92, 1, 65, 77, 111, 41,
  54, 65, 77, 92, 24, 41, 54, 65, 77, 1, 41, 65, 92, 111, 41, 77,
], 16);

/**
 * The pairs of four codes a row, as two vectors at `to`; fifth: 255 where bit 4 is set. Unpack
 * instructions and shuffles of words cost less than the two shuffles of bytes that would do.
 */
// @ts-ignore: decorator
@inline
function storePairs(to: usize, code: v128, fifth: v128): void {
  const first = lookup32(v128.load(IQ2KL_VALUES), v128.load(IQ2KL_VALUES, 16), code, fifth);
  const second = lookup32(v128.load(IQ2KL_VALUES, 32), v128.load(IQ2KL_VALUES, 48), code, fifth);
  const pairs01 = v128.shuffle<i8>(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const pairs23 = v128.shuffle<i8>(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(to, v128.shuffle<i32>(pairs01, pairs23, 0, 2, 4, 6));
  v128.store(to, v128.shuffle<i32>(pairs01, pairs23, 1, 3, 5, 7), 16);
}

export function unpackIQ2_KL(block: usize, slab: usize): void {
  const scales = v128.load(block, 8), c32 = v128.load_splat<u32>(M32), m15 = v128.load_splat<u32>(M15);
  const i15 = v128.load_splat<u32>(I15), i3 = v128.load_splat<u32>(I3);
  // low nibbles of the four bytes are 0..3
  let low = v128.and(scales, m15), high = v128.load_ext<u16>(block);
  for (let b: u32 = 0; b < 8; b++) {
    if (b == 4) low = v128.and(i32x4.shr_u(scales, 4), m15);
    storeScales32(slab, b, i32x4.sub(v128.or(v128.and(low, i15), i32x4.shl(v128.and(high, i3), 4)), c32));
    low = i32x4.shr_u(low, 8);
    high = i32x4.shr_u(high, 2);
  }
  for (let m: u32 = 0; m < 4; m++) {
    const fifth = v128.load(block + (m << 4), 280);
    for (let i: u32 = 0; i < 4; i++) {
      const v = v128.load(block + (((i << 2) + m) << 4), 24), to = slab + (i << 8) + (m << 5) + Slab.weights;
      storePairs(to, v128.and(v, m15), isSet(fifth, 2 * i));
      storePairs(to + 128, bits(v, 4, m15), isSet(fifth, 2 * i + 1));
    }
  }
}
