// IQ6_K (ik_llama.cpp): 256 weights of 6 bits into one of two sets of 64 values. LAYOUTS.md section 3.
//
// 212 bytes:   0        2            4                 20           148         212
//              | d f16  | extra u16  | scales 16 x i8  | qs 128 B   | qh 64 B   |
//   codes: nibbles as in Q5_K; b = e / 32: bits 4-5 are bits 2 * (b % 4) and the next of qh[32 * (e / 128) + e % 32]
//   bit g = e / 16 of extra: second set, larger by 1
// ik_llama.cpp's decoder takes the values from a cubic, its products from the table of the rounded ones; so do we.
//
// R4: words.ts; d and extra are leading u16 fields.

import { f16ToF32 } from "../half";
import { M1, M15, select } from "../lanes";
import { Slab } from "./slab";
import { bits, choice, isSet, lookup32, storeScales } from "./words";

/** iq6nl_values of LAYOUTS.md: two sets, the second larger by 1. */
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

/** The values of codes whose lower four bits are in `code`; fifth, sixth: 255 where bit 4, 5 is set. */
// @ts-ignore: decorator
@inline
function lookup64(code: v128, fifth: v128, sixth: v128): v128 {
  const upper = lookup32(v128.load(IQ6NL_VALUES, 32), v128.load(IQ6NL_VALUES, 48), code, fifth);
  return select(upper, lookup32(v128.load(IQ6NL_VALUES), v128.load(IQ6NL_VALUES, 16), code, fifth), sixth);
}

/** As in iq5_k.ts; bits 4 and 5 are bits 4 * (i % 2) and the three above in the words at qh. */
// @ts-ignore: decorator
@inline
function storeHalf(qs: usize, qh: usize, i: u32, to: usize, set0: v128, set1: v128): void {
  const m15 = v128.load_splat<u32>(M15), bit = (i & 1) << 2;
  for (const end = qs + 64; qs < end; qs += 16, qh += 16, to += 16) {
    const v = v128.load(qs), high = v128.load(qh);
    v128.store(to, i8x16.add(lookup64(v128.and(v, m15), isSet(high, bit), isSet(high, bit + 1)), set0));
    v128.store(to, i8x16.add(lookup64(bits(v, 4, m15), isSet(high, bit + 2), isSet(high, bit + 3)), set1), 128);
  }
}

export function unpackIQ6_K(block: usize, slab: usize): void {
  const m1 = v128.load_splat<u32>(M1);
  for (let i: u32 = 0; i < 4; i++) {
    let scales = v128.load(block + (i << 4), 16);
    for (let j = i << 2, end = j + 4; j < end; j++) {
      storeScales(slab, j, i32x4.shr_s(i32x4.shl(scales, 24), 24));
      scales = i32x4.shr_u(scales, 8);
    }
  }
  let extra = v128.load_ext<u16>(block, 8), q = block + 80, to = slab + Slab.weights;
  for (let i: u32 = 0; i < 4; i++, q += 128, to += 256) {
    const qh = block + ((i >> 1) << 7) + 592;
    storeHalf(q, qh, i, to, choice(extra, 0, m1), choice(extra, 2, m1));
    storeHalf(q + 64, qh + 64, i, to + 64, choice(extra, 1, m1), choice(extra, 3, m1));
    extra = i32x4.shr_u(extra, 4);
  }
}

/** One row of an R4 block as 256 f32. */
export function dequantizeIQ6_K(block: usize, lane: u32, out: usize): void {
  const d = f16ToF32(load<u16>(block + (lane << 1))), extra = <u32>load<u16>(block + (lane << 1), 8);
  for (let e: u32 = 0; e < 256; e++, out += 4) {
    const g = e >> 4, inWord = (lane << 2) + (e & 3);
    const scale = d * <f32>load<i8>(block + ((g >> 2) << 4) + (lane << 2) + (g & 3), 16), more: f32 = (extra >> g) & 1 ? 1 : 0;
    // words of 4 elements: 8 of each 64 (nibbles), and of each 128 (the upper bits)
    const word = (e & 31) >> 2;
    const low = (<u32>load<u8>(block + (((e >> 6 << 3) + word) << 4) + inWord, 80) >> ((e & 32) >> 3)) & 15;
    const high = (<u32>load<u8>(block + (((e >> 7 << 3) + word) << 4) + inWord, 592) >> ((e >> 5 & 3) << 1)) & 3;
    const q = <f32>(low | (high << 4));
    const cubic = <f32>-127 + q * (<f32>6.2568 + q * (<f32>-0.11218 + q * <f32>0.0011972));
    store<f32>(out, scale * (cubic + more));
  }
}
