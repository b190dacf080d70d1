// IQ3_K and IQ3_KS (ik_llama.cpp): 256 weights of 3 bits into one of two sets of 8 values. LAYOUTS.md section 3.
//
// IQ3_K, 110 bytes:    0        2            4               6               14          78          110
//                      | d f16  | extra u16  | scales_h u16  | scales_l 8 B  | qs 64 B   | qh 32 B   |
//   w = d * sc[g] * values, g = e / 16: sc = 2 * nibble g of scales_l + 1, negative where bit g of scales_h is set
// IQ3_KS, 102 bytes:   0            2             6           70          102
//                      | extra u16  | scales 4 B  | qs 64 B   | qh 32 B   |
//   w = d_row * (sc[b] - 16) * values, b = e / 32: a nibble of scales (low ones first), bit b of extra; before each row: f16
//   codes: two bits as in Q2_K, the third is bit b of qh[e % 32]; bit g of extra (IQ3_KS: bit 8 + b) chooses the second set
//
// R4: words.ts; d, extra and scales_h are leading u16 fields.

import { M15, M3, M4, lookup } from "../lanes";
import { I1, I15, Slab } from "./slab";
import { M8, bits, choice, storeScales, storeScales32 } from "./words";

/** iq3nl_values of LAYOUTS.md + 64: two sets. */
export const IQ3NL_VALUES: usize = memory.data<u8>([1, 24, 41, 54, 65, 77, 92, 111, 5, 28, 45, 58, 69, 81, 96, 115], 16);

/** As in iq2_k.ts; the third bits, from bit 0 of the bytes at qh on; sets: bytes of 0 or 8. */
// @ts-ignore: decorator
@inline
function storeQuarter(
  qs: usize, qh: usize, h: u32, to: usize, values: v128, set0: v128, set1: v128, set2: v128, set3: v128,
): void {
  const m3 = v128.load_splat<u32>(M3), m4 = v128.load_splat<u32>(M4);
  for (const end = qs + 64; qs < end; qs += 16, qh += 16, to += 16) {
    const v = v128.load(qs), high = i16x8.shr_u(v128.load(qh), h << 2);
    const q0 = v128.or(v128.and(v, m3), set0), q1 = v128.or(bits(v, 2, m3), set1);
    const q2 = v128.or(bits(v, 4, m3), set2), q3 = v128.or(bits(v, 6, m3), set3);
    v128.store(to, lookup(values, v128.or(q0, v128.and(i16x8.shl(high, 2), m4))));
    v128.store(to, lookup(values, v128.or(q1, v128.and(i16x8.shl(high, 1), m4))), 128);
    v128.store(to, lookup(values, v128.or(q2, v128.and(high, m4))), 256);
    v128.store(to, lookup(values, v128.or(q3, bits(high, 1, m4))), 384);
  }
}

export function unpackIQ3_K(block: usize, slab: usize): void {
  const values = v128.load(IQ3NL_VALUES), extra = v128.load_ext<u16>(block, 8);
  const one = v128.load_splat<u32>(I1), m15 = v128.load_splat<u32>(I15), m8 = v128.load_splat<u32>(M8);
  let signs = v128.load_ext<u16>(block, 16);
  for (let i: u32 = 0; i < 2; i++) {
    let scales = v128.load(block + (i << 4), 24);
    for (let j = i << 3, end = j + 8; j < end; j++) {
      const s = v128.or(i32x4.shl(v128.and(scales, m15), 1), one);
      const sign = i32x4.neg(v128.and(signs, one));
      storeScales(slab, j, i32x4.sub(v128.xor(s, sign), sign));
      scales = i32x4.shr_u(scales, 4);
      signs = i32x4.shr_u(signs, 1);
    }
  }
  for (let i: u32 = 0; i < 4; i++) {
    const h = i >> 1, c = i & 1;
    const g = (h << 3) + c;
    const sets = i32x4.shr_u(extra, g);
    storeQuarter(
      block + (i << 6) + 56, block + (c << 6) + 312, h, slab + (g << 6) + Slab.weights, values, choice(sets, 0, m8),
      choice(sets, 2, m8), choice(sets, 4, m8), choice(sets, 6, m8),
    );
  }
}

export function unpackIQ3_KS(block: usize, slab: usize): void {
  const values = v128.load(IQ3NL_VALUES), extra = v128.load_ext<u16>(block), sixteen = i32x4.splat(16);
  const m15 = v128.load_splat<u32>(I15), nibbles = v128.load_splat<u32>(M15), m8 = v128.load_splat<u32>(M8);
  const scales = v128.load(block, 8);
  // low nibbles of the four bytes are 0..3
  let low = v128.and(scales, nibbles), high = i32x4.shl(extra, 4);
  for (let b: u32 = 0; b < 8; b++) {
    if (b == 4) low = v128.and(i32x4.shr_u(scales, 4), nibbles);
    storeScales32(slab, b, i32x4.sub(v128.or(v128.and(low, m15), v128.and(high, sixteen)), sixteen));
    low = i32x4.shr_u(low, 8);
    high = i32x4.shr_u(high, 1);
  }
  for (let i: u32 = 0; i < 4; i++) {
    const h = i >> 1, c = i & 1;
    const sets = i32x4.shr_u(extra, 8 + (h << 2));
    storeQuarter(
      block + (i << 6) + 24, block + (c << 6) + 280, h, slab + (h << 9) + (c << 6) + Slab.weights, values, choice(sets, 0, m8),
      choice(sets, 1, m8), choice(sets, 2, m8), choice(sets, 3, m8),
    );
  }
}
