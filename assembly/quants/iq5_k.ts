// IQ5_K and IQ5_KS (ik_llama.cpp): 256 weights of 5 bits into one of two sets of 32 values. LAYOUTS.md section 3.
//
// IQ5_K, 176 bytes:    0                                      16           144         176
//                      | d, extra, scales as in IQ4_K         | qs 128 B   | qh 32 B   |
// IQ5_KS, 168 bytes:   0             8            136         168
//                      | scales 8 B  | qs 128 B   | qh 32 B   |       scales and d_row as in IQ4_KS
//   codes: nibbles as in Q5_K, the fifth bit is bit e / 32 of qh[e % 32]

import { scaleOfIQ4_K } from "./iq4_k";
import { codes4Wide, highBit, lookup32, storeScale, storeScale32, storeWeights } from "./side-by-side";

/** iq5nl_values of LAYOUTS.md: two sets. */
// prettier-ignore
export const IQ5NL_VALUES: usize = memory.data<i8>([
  -126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36, -30, -24, -18, -12, -6,
  -1, 5, 11, 17, 23, 29, 36, 43, 51, 59, 68, 77, 87, 97, 109, 121,
  -124, -112, -101, -90, -81, -72, -63, -55, -48, -41, -34, -28, -22, -16, -10, -4,
  1, 7, 13, 19, 25, 31, 38, 45, 53, 61, 70, 79, 89, 99, 111, 123,
], 16);

// @ts-ignore: decorator
@inline
function weights(qs: usize, qh: usize, g: u32, set: u32): v128 {
  return lookup32(IQ5NL_VALUES + (set << 5), v128.or(codes4Wide(qs, g), highBit(qh, g, 4)));
}

export function unpackIQ5_K(block: usize, lane: usize): void {
  const extra = <u32>load<u16>(block, 2);
  for (let g: u32 = 0; g < 16; g++) {
    storeScale(lane, g, scaleOfIQ4_K(block, g));
    storeWeights(lane, g, weights(block + 16, block + 144, g, (extra >> g) & 1));
  }
}

export function unpackIQ5_KS(block: usize, lane: usize): void {
  for (let b: u32 = 0; b < 8; b++) {
    const c = <i32>load<u8>(block + b);
    storeScale32(lane, b, (c & 254) - 127);
    storeWeights(lane, 2 * b, weights(block + 8, block + 136, 2 * b, c & 1));
    storeWeights(lane, 2 * b + 1, weights(block + 8, block + 136, 2 * b + 1, c & 1));
  }
}
