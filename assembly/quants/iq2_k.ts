// IQ2_K and IQ2_KS (ik_llama.cpp): 256 weights of 2 bits into one of two sets of 4 values. LAYOUTS.md section 3.
//
// IQ2_K, 76 bytes:     0        2            4             12               76      w = d * (sc[g] - 8) * values
//                      | d f16  | extra u16  | scales 8 B  | qs 64 B        |       sc[g], g = e / 16: nibble g
// IQ2_KS, 70 bytes:    0            2             6                70               w = d_row * (sc[b] - 16) * values
//                      | extra u16  | scales 4 B  | qs 64 B        |                b = e / 32: nibble b, bit 8 + b of extra
//   before each row of IQ2_KS: d_row f16
//   codes as in Q2_K; bit g (IQ2_KS: b) of extra chooses the second set

import { codes2, nibbleOf, storeScale, storeScale32, storeWeights } from "./side-by-side";

/** iq2nl_values of LAYOUTS.md + 64. */
export const IQ2NL_VALUES: usize = memory.data<u8>([33, 51, 65, 81, 38, 56, 70, 86, 0, 0, 0, 0, 0, 0, 0, 0], 16);

export function unpackIQ2_K(block: usize, lane: usize): void {
  const extra = <u32>load<u16>(block, 2);
  for (let g: u32 = 0; g < 16; g++) {
    storeScale(lane, g, nibbleOf(block + 4, g) - 8);
    storeWeights(lane, g, i8x16.swizzle(v128.load32_zero(IQ2NL_VALUES + (((extra >> g) & 1) << 2)), codes2(block + 12, g)));
  }
}

export function unpackIQ2_KS(block: usize, lane: usize): void {
  const extra = <u32>load<u16>(block);
  for (let b: u32 = 0; b < 8; b++) {
    storeScale32(lane, b, (nibbleOf(block + 2, b) | (((extra >> (8 + b)) & 1) << 4)) - 16);
    const values = v128.load32_zero(IQ2NL_VALUES + (((extra >> b) & 1) << 2));
    storeWeights(lane, 2 * b, i8x16.swizzle(values, codes2(block + 6, 2 * b)));
    storeWeights(lane, 2 * b + 1, i8x16.swizzle(values, codes2(block + 6, 2 * b + 1)));
  }
}
