// IQ4_K, IQ4_KS and IQ4_KSS (ik_llama.cpp): 256 weights of 4 bits into one of two sets of 16 values. LAYOUTS.md section 3.
//
// IQ4_K, 144 bytes:    0        2            4               8               16           144
//                      | d f16  | extra u16  | scales_h 4 B  | scales_l 8 B  | qs 128 B   |
//   w = d * (sc[g] - 32) * values, g = e / 16: nibble g of scales_l, two bits more from scales_h; bit g of extra: second set
// IQ4_KS, 136 bytes:   0             8            136
//                      | scales 8 B  | qs 128 B   |
//   w = d_row * ((c & 254) - 127) * values, c = scales[e / 32]; bit 0 of c: second set; before each row: d_row f32
// IQ4_KSS, 128 bytes:  64 x u16, 8 for each 32 weights: bit 0 of the k-th is bit k of c, as in IQ4_KS; without it,
//   v ^ (v >> 1) are 16 bits of qs
//   codes as in IQ4_NL, 16 bytes for each 32 weights

import { codes4, nibbleOf, storeScale, storeScale32, storeWeights } from "./side-by-side";

/** iq4k_values of LAYOUTS.md: two sets. */
// prettier-ignore
export const IQ4K_VALUES: usize = memory.data<i8>([
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  -123, -100, -79, -61, -45, -31, -18, -6, 5, 17, 29, 42, 57, 73, 93, 117,
], 16);

/** The scale of sub-block g of IQ4_K and IQ5_K, which agree up to byte 16. */
// @ts-ignore: decorator
@inline
export function scaleOfIQ4_K(block: usize, g: u32): i32 {
  return (nibbleOf(block + 8, g) | (((<i32>load<u8>(block + (g >> 2), 4) >> ((g & 3) << 1)) & 3) << 4)) - 32;
}

export function unpackIQ4_K(block: usize, lane: usize): void {
  const extra = <u32>load<u16>(block, 2);
  for (let g: u32 = 0; g < 16; g++) {
    storeScale(lane, g, scaleOfIQ4_K(block, g));
    storeWeights(lane, g, i8x16.swizzle(v128.load(IQ4K_VALUES + (((extra >> g) & 1) << 4)), codes4(block + 16, g)));
  }
}

export function unpackIQ4_KS(block: usize, lane: usize): void {
  for (let b: u32 = 0; b < 8; b++) {
    const c = <i32>load<u8>(block + b);
    storeScale32(lane, b, (c & 254) - 127);
    const values = v128.load(IQ4K_VALUES + ((c & 1) << 4));
    storeWeights(lane, 2 * b, i8x16.swizzle(values, codes4(block + 8, 2 * b)));
    storeWeights(lane, 2 * b + 1, i8x16.swizzle(values, codes4(block + 8, 2 * b + 1)));
  }
}

export function unpackIQ4_KSS(block: usize, lane: usize): void {
  for (let b: u32 = 0; b < 8; b++) {
    const v = v128.load(block + (b << 4));
    const c = i16x8.bitmask(i16x8.shl(v, 15));
    const even = v128.and(v, i16x8.splat(-2));
    const qs = v128.xor(even, i16x8.shr_u(even, 1));
    storeScale32(lane, b, (c & 254) - 127);
    const values = v128.load(IQ4K_VALUES + ((c & 1) << 4)), m15 = i8x16.splat(15);
    storeWeights(lane, 2 * b, i8x16.swizzle(values, v128.and(qs, m15)));
    storeWeights(lane, 2 * b + 1, i8x16.swizzle(values, v128.and(i16x8.shr_u(qs, 4), m15)));
  }
}
