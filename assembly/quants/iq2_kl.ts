// IQ2_KL (ik_llama.cpp): 256 weights, two for each of 128 codes of 5 bits. LAYOUTS.md section 3.
//
// 86 bytes:    0               2               6           70          86       before each row: d_row f16
//              | scales_h u16  | scales_l 4 B  | qs 64 B   | qh 16 B   |
//   w = d_row * (sc[b] - 32) * values, b = e / 32: a nibble of scales_l (low ones first), bits 2b and 2b + 1 of scales_h
//   pair j of b (elements 2j and 2j + 1): nibble of qs[16 * (b / 2) + j], the low one where b is even, and bit b of qh[j]

import { lookup32, nibbleOfHalves, storeScale32, storeWeights } from "./side-by-side";

/** iq2kl_values of LAYOUTS.md + 64: the first of each pair, then the second. */
// prettier-ignore
export const IQ2KL_VALUES: usize = memory.data<u8>([
  1, 1, 24, 24, 24, 24, 41, 41, 41, 41, 41, 54, 54, 54, 54, 65,
  65, 65, 65, 65, 77, 77, 77, 77, 77, 92, 92, 92, 92, 92, 111, 111,
  41, 77, 1, 54, 77, 111, 24, 41, 65, 77, 92, 1, 65, 77, 111, 41,
  54, 65, 77, 92, 24, 41, 54, 65, 77, 1, 41, 65, 92, 111, 41, 77,
], 16);

export function unpackIQ2_KL(block: usize, lane: usize): void {
  const high = <i32>load<u16>(block);
  for (let b: u32 = 0; b < 8; b++) {
    storeScale32(lane, b, (nibbleOfHalves(block + 2, b) | (((high >> (2 * b)) & 3) << 4)) - 32);
    const low = v128.and(i16x8.shr_u(v128.load(block + ((b >> 1) << 4), 6), (b & 1) << 2), i8x16.splat(15));
    const bit = v128.and(i16x8.shr_u(v128.load(block, 70), b), i8x16.splat(1));
    const code = v128.or(low, i16x8.shl(bit, 4));
    const first = lookup32(IQ2KL_VALUES, code), second = lookup32(IQ2KL_VALUES + 32, code);
    storeWeights(lane, 2 * b, v128.shuffle<i8>(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    storeWeights(lane, 2 * b + 1, v128.shuffle<i8>(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
  }
}
