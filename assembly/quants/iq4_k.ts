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
//
// R4: words.ts; d and extra are leading u16 fields.

import { M15, M255, M32, M4, ONES, lookup } from "../lanes";
import { I15, Slab } from "./slab";
import { I127, I254, I3, bits, choice, storeScales, storeScales32 } from "./words";

/** iq4k_values of LAYOUTS.md: two sets, the second larger by 4. */
// prettier-ignore
export const IQ4K_VALUES: usize = memory.data<i8>([
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  -123, -100, -79, -61, -45, -31, -18, -6, 5, 17, 29, 42, 57, 73, 93, 117,
], 16);

/** The scales of IQ4_K and IQ5_K, which agree up to byte 16. */
// @ts-ignore: decorator
@inline
export function storeScalesIQ4_K(block: usize, slab: usize): void {
  const c32 = v128.load_splat<u32>(M32), m15 = v128.load_splat<u32>(I15), m3 = v128.load_splat<u32>(I3);
  let high = v128.load(block, 16);
  for (let i: u32 = 0; i < 2; i++) {
    let low = v128.load(block + (i << 4), 32);
    for (let j = i << 3, end = j + 8; j < end; j++) {
      storeScales(slab, j, i32x4.sub(v128.or(v128.and(low, m15), i32x4.shl(v128.and(high, m3), 4)), c32));
      low = i32x4.shr_u(low, 4);
      high = i32x4.shr_u(high, 2);
    }
  }
}

/** The scale of a sub-block of IQ4_KS, IQ4_KSS and IQ5_KS, from its byte c. */
// @ts-ignore: decorator
@inline
export function storeScaleIQ4_KS(slab: usize, b: u32, c: v128): void {
  storeScales32(slab, b, i32x4.sub(v128.and(c, v128.load_splat<u32>(I254)), v128.load_splat<u32>(I127)));
}

export function unpackIQ4_K(block: usize, slab: usize): void {
  storeScalesIQ4_K(block, slab);
  const values = v128.load(IQ4K_VALUES), m15 = v128.load_splat<u32>(M15), m4 = v128.load_splat<u32>(M4);
  let extra = v128.load_ext<u16>(block, 8), q = block + 64, to = slab + Slab.weights;
  for (let b: u32 = 0; b < 8; b++, to += 64) {
    const set0 = choice(extra, 0, m4), set1 = choice(extra, 1, m4);
    extra = i32x4.shr_u(extra, 2);
    for (const end = q + 64; q < end; q += 16, to += 16) {
      const v = v128.load(q);
      v128.store(to, i8x16.add(lookup(values, v128.and(v, m15)), set0));
      v128.store(to, i8x16.add(lookup(values, bits(v, 4, m15)), set1), 64);
    }
  }
}

export function unpackIQ4_KS(block: usize, slab: usize): void {
  const values = v128.load(IQ4K_VALUES), m15 = v128.load_splat<u32>(M15), m4 = v128.load_splat<u32>(M4);
  let scales = v128.load(block), q = block + 32, to = slab + Slab.weights;
  for (let b: u32 = 0; b < 8; b++, to += 64) {
    if (b == 4) scales = v128.load(block, 16);
    const set = choice(scales, 0, m4);
    storeScaleIQ4_KS(slab, b, scales);
    scales = i32x4.shr_u(scales, 8);
    for (const end = q + 64; q < end; q += 16, to += 16) {
      const v = v128.load(q);
      v128.store(to, i8x16.add(lookup(values, v128.and(v, m15)), set));
      v128.store(to, i8x16.add(lookup(values, bits(v, 4, m15)), set), 64);
    }
  }
}

export function unpackIQ4_KSS(block: usize, slab: usize): void {
  const values = v128.load(IQ4K_VALUES), m15 = v128.load_splat<u32>(M15), m4 = v128.load_splat<u32>(M4);
  const one = v128.load_splat<u32>(ONES), m255 = v128.load_splat<u32>(M255);
  let q = block, to = slab + Slab.weights;
  for (let b: u32 = 0; b < 8; b++, to += 64) {
    let c = i32x4.splat(0);
    for (let i: u32 = 0; i < 8; i += 2) {
      // bits 0 and 16 of a word are two bits of c
      const two = v128.and(v128.load(q + (i << 3)), one);
      c = v128.or(c, i32x4.shl(v128.or(two, i32x4.shr_u(two, 15)), i));
    }
    c = v128.and(c, m255);
    const set = choice(c, 0, m4);
    storeScaleIQ4_KS(slab, b, c);
    for (const end = q + 64; q < end; q += 16, to += 16) {
      const even = v128.andnot(v128.load(q), one);
      const v = v128.xor(even, i16x8.shr_u(even, 1));
      v128.store(to, i8x16.add(lookup(values, v128.and(v, m15)), set));
      v128.store(to, i8x16.add(lookup(values, bits(v, 4, m15)), set), 64);
    }
  }
}
