// IQ3_K and IQ3_KS (ik_llama.cpp): 256 weights of 3 bits into one of two sets of 8 values. LAYOUTS.md section 3.
//
// IQ3_K, 110 bytes:    0        2            4               6               14          78          110
//                      | d f16  | extra u16  | scales_h u16  | scales_l 8 B  | qs 64 B   | qh 32 B   |
//   w = d * sc[g] * values, g = e / 16: sc = 2 * nibble g of scales_l + 1, negative where bit g of scales_h is set
// IQ3_KS, 102 bytes:   0            2             6           70          102
//                      | extra u16  | scales 4 B  | qs 64 B   | qh 32 B   |
//   w = d_row * (sc[b] - 16) * values, b = e / 32: a nibble of scales (low ones first), bit b of extra; before each row: f16
//   codes: two bits as in Q2_K, the third is bit b of qh[e % 32]; bit g of extra (IQ3_KS: bit 8 + b) chooses the second set

import { codes2, highBit, nibbleOf, nibbleOfHalves, storeScale, storeScale32, storeWeights } from "./side-by-side";

/** iq3nl_values of LAYOUTS.md + 64. */
export const IQ3NL_VALUES: usize = memory.data<u8>([1, 24, 41, 54, 65, 77, 92, 111, 5, 28, 45, 58, 69, 81, 96, 115], 16);

// @ts-ignore: decorator
@inline
function weights(qs: usize, qh: usize, g: u32, set: u32): v128 {
  return i8x16.swizzle(v128.load64_zero(IQ3NL_VALUES + (set << 3)), v128.or(codes2(qs, g), highBit(qh, g, 2)));
}

export function unpackIQ3_K(block: usize, lane: usize): void {
  const extra = <u32>load<u16>(block, 2), signs = <u32>load<u16>(block, 4);
  for (let g: u32 = 0; g < 16; g++) {
    const s = 2 * nibbleOf(block + 6, g) + 1;
    storeScale(lane, g, (signs >> g) & 1 ? -s : s);
    storeWeights(lane, g, weights(block + 14, block + 78, g, (extra >> g) & 1));
  }
}

export function unpackIQ3_KS(block: usize, lane: usize): void {
  const extra = <u32>load<u16>(block);
  for (let b: u32 = 0; b < 8; b++) {
    storeScale32(lane, b, (nibbleOfHalves(block + 2, b) | (((extra >> b) & 1) << 4)) - 16);
    storeWeights(lane, 2 * b, weights(block + 6, block + 70, 2 * b, (extra >> (8 + b)) & 1));
    storeWeights(lane, 2 * b + 1, weights(block + 6, block + 70, 2 * b + 1, (extra >> (8 + b)) & 1));
  }
}
