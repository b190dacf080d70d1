// IQ6_K (ik_llama.cpp): 256 weights of 6 bits into one of two sets of 64 values. LAYOUTS.md section 3.
//
// 212 bytes:   0        2            4                 20           148         212
//              | d f16  | extra u16  | scales 16 x i8  | qs 128 B   | qh 64 B   |
//   codes: nibbles as in Q5_K; b = e / 32: bits 4-5 are bits 2 * (b % 4) and the next of qh[32 * (e / 128) + e % 32]
//   bit g = e / 16 of extra: second set, larger by 1
// ik_llama.cpp's decoder takes the values from a cubic, its products from the table of the rounded ones; so do we.

import { f16ToF32 } from "../half";
import { codes2, codes4Wide, lookup32, storeScale, storeWeights } from "./side-by-side";

/** iq6nl_values of LAYOUTS.md: two sets. */
// prettier-ignore
export const IQ6NL_VALUES: usize = memory.data<i8>([
  -127, -121, -115, -109, -104, -98, -93, -88, -84, -79, -74, -70, -66, -62, -58, -54,
  -51, -47, -44, -40, -37, -34, -31, -28, -25, -22, -19, -16, -13, -11, -8, -5,
  -2, 0, 3, 6, 9, 12, 14, 17, 20, 23, 27, 30, 33, 36, 40, 44,
  47, 51, 55, 59, 63, 68, 72, 77, 82, 87, 92, 98, 103, 109, 115, 121,
  -126, -120, -114, -108, -103, -97, -92, -87, -83, -78, -73, -69, -65, -61, -57, -53,
  -50, -46, -43, -39, -36, -33, -30, -27, -24, -21, -18, -15, -12, -10, -7, -4,
  -1, 1, 4, 7, 10, 13, 15, 18, 21, 24, 28, 31, 34, 37, 41, 45,
  48, 52, 56, 60, 64, 69, 73, 78, 83, 88, 93, 99, 104, 110, 116, 122,
], 16);

// @ts-ignore: decorator
@inline
function codes(block: usize, g: u32): v128 {
  return v128.or(codes4Wide(block + 20, g), i16x8.shl(codes2(block + 148, g), 4));
}

export function unpackIQ6_K(block: usize, lane: usize): void {
  const extra = <u32>load<u16>(block, 2);
  for (let g: u32 = 0; g < 16; g++) {
    storeScale(lane, g, <i32>load<i8>(block + g, 4));
    const code = codes(block, g), values = IQ6NL_VALUES + (((extra >> g) & 1) << 6);
    storeWeights(lane, g, v128.or(lookup32(values, code), lookup32(values + 32, i8x16.sub(code, i8x16.splat(32)))));
  }
}

/** One block as 256 f32. scratch: 16 bytes. */
export function dequantizeIQ6_K(block: usize, out: usize, scratch: usize): void {
  const d = f16ToF32(load<u16>(block)), extra = <u32>load<u16>(block, 2);
  for (let g: u32 = 0; g < 16; g++) {
    const scale = d * <f32>load<i8>(block + g, 4), more: f32 = (extra >> g) & 1 ? 1 : 0;
    v128.store(scratch, codes(block, g));
    for (let e: u32 = 0; e < 16; e++, out += 4) {
      const q = <f32>load<u8>(scratch + e);
      const cubic = <f32>-127 + q * (<f32>6.2568 + q * (<f32>-0.11218 + q * <f32>0.0011972));
      store<f32>(out, scale * (cubic + more));
    }
  }
}
