// IQ5_K and IQ5_KS (ik_llama.cpp): 256 weights of 5 bits into one of two sets of 32 values. LAYOUTS.md section 3.
//
// IQ5_K, 176 bytes:    0                                      16           144         176
//                      | d, extra, scales as in IQ4_K         | qs 128 B   | qh 32 B   |
// IQ5_KS, 168 bytes:   0             8            136         168
//                      | scales 8 B  | qs 128 B   | qh 32 B   |       scales and d_row as in IQ4_KS
//   codes: nibbles as in Q5_K, the fifth bit is bit e / 32 of qh[e % 32]
//
// R4: words.ts; d and extra are leading u16 fields.

import { M15 } from "../lanes";
import { storeScaleIQ4_KS, storeScalesIQ4_K } from "./iq4_k";
import { Slab } from "./slab";
import { M2, bits, choice, isSet, lookup32 } from "./words";

/** iq5nl_values of LAYOUTS.md: two sets, the second larger by 2. */
// prettier-ignore
export const IQ5NL_VALUES: usize = memory.data<i8>([
  -126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36, -30, -24, -18, -12, -6,
  -1, 5, 11, 17, 23, 29, 36, 43, 51, 59, 68, 77, 87, 97, 109, 121,
  -124, -112, -101, -90, -81, -72, -63, -55, -48, -41, -34, -28, -22, -16, -10, -4,
  1, 7, 13, 19, 25, 31, 38, 45, 53, 61, 70, 79, 89, 99, 111, 123,
], 16);

/**
 * Words 4c .. 4c + 3 of the 8 that hold elements 64i .. 64i + 63 (c = 0, 1), and of their fifth bits; set0, set1: what is added
 * to the low and to the high nibbles' values.
 */
// @ts-ignore: decorator
@inline
function storeHalf(qs: usize, qh: usize, i: u32, to: usize, set0: v128, set1: v128): void {
  const low = v128.load(IQ5NL_VALUES), high = v128.load(IQ5NL_VALUES, 16), m15 = v128.load_splat<u32>(M15);
  for (const end = qs + 64; qs < end; qs += 16, qh += 16, to += 16) {
    const v = v128.load(qs), fifth = v128.load(qh);
    v128.store(to, i8x16.add(lookup32(low, high, v128.and(v, m15), isSet(fifth, 2 * i)), set0));
    v128.store(to, i8x16.add(lookup32(low, high, bits(v, 4, m15), isSet(fifth, 2 * i + 1)), set1), 128);
  }
}

export function unpackIQ5_K(block: usize, slab: usize): void {
  const m2 = v128.load_splat<u32>(M2);
  storeScalesIQ4_K(block, slab);
  let extra = v128.load_ext<u16>(block, 8), q = block + 64, to = slab + Slab.weights;
  for (let i: u32 = 0; i < 4; i++, q += 128, to += 256) {
    storeHalf(q, block + 576, i, to, choice(extra, 0, m2), choice(extra, 2, m2));
    storeHalf(q + 64, block + 640, i, to + 64, choice(extra, 1, m2), choice(extra, 3, m2));
    extra = i32x4.shr_u(extra, 4);
  }
}

export function unpackIQ5_KS(block: usize, slab: usize): void {
  const m2 = v128.load_splat<u32>(M2);
  let scales = v128.load(block), q = block + 32, to = slab + Slab.weights;
  for (let i: u32 = 0; i < 4; i++, q += 128, to += 256) {
    if (i == 2) scales = v128.load(block, 16);
    const set0 = choice(scales, 0, m2), set1 = choice(scales, 8, m2);
    storeScaleIQ4_KS(slab, 2 * i, scales);
    storeScaleIQ4_KS(slab, 2 * i + 1, i32x4.shr_u(scales, 8));
    scales = i32x4.shr_u(scales, 16);
    storeHalf(q, block + 544, i, to, set0, set1);
    storeHalf(q + 64, block + 608, i, to + 64, set0, set1);
  }
}
