// IQ2_K and IQ2_KS (ik_llama.cpp): 256 weights of 2 bits into one of two sets of 4 values. LAYOUTS.md section 3.
//
// IQ2_K, 76 bytes:     0        2            4             12               76      w = d * (sc[g] - 8) * values
//                      | d f16  | extra u16  | scales 8 B  | qs 64 B        |       sc[g], g = e / 16: nibble g
// IQ2_KS, 70 bytes:    0            2             6                70               w = d_row * (sc[b] - 16) * values
//                      | extra u16  | scales 4 B  | qs 64 B        |                b = e / 32: nibble b, bit 8 + b of extra
//   before each row of IQ2_KS: d_row f16
//   codes as in Q2_K; bit g (IQ2_KS: b) of extra chooses the second set
//
// R4: words.ts; d and extra are leading u16 fields.

import { M3, M4, lookup } from "../lanes";
import { I15, Slab } from "./slab";
import { bits, choice, storeScales, storeScales32 } from "./words";

/** iq2nl_values of LAYOUTS.md + 64: two sets. */
export const IQ2NL_VALUES: usize = memory.data<u8>([33, 51, 65, 81, 38, 56, 70, 86, 0, 0, 0, 0, 0, 0, 0, 0], 16);

/** Sub-block 8h + 2s + c has words 8h + 4c .. of qs, bits 2s and 2s + 1; set0 .. set3: for s = 0..3, bytes of 0 or 4. */
// @ts-ignore: decorator
@inline
function storeQuarter(
  qs: usize, to: usize, values: v128, m3: v128, set0: v128, set1: v128, set2: v128, set3: v128,
): void {
  for (const end = qs + 64; qs < end; qs += 16, to += 16) {
    const v = v128.load(qs);
    v128.store(to, lookup(values, v128.or(v128.and(v, m3), set0)));
    v128.store(to, lookup(values, v128.or(bits(v, 2, m3), set1)), 128);
    v128.store(to, lookup(values, v128.or(bits(v, 4, m3), set2)), 256);
    v128.store(to, lookup(values, v128.or(bits(v, 6, m3), set3)), 384);
  }
}

export function unpackIQ2_K(block: usize, slab: usize): void {
  const values = v128.load(IQ2NL_VALUES), m3 = v128.load_splat<u32>(M3), m4 = v128.load_splat<u32>(M4);
  const m15 = v128.load_splat<u32>(I15), extra = v128.load_ext<u16>(block, 8), eight = i32x4.splat(8);
  for (let i: u32 = 0; i < 2; i++) {
    let scales = v128.load(block + (i << 4), 16);
    for (let j = i << 3, end = j + 8; j < end; j++) {
      storeScales(slab, j, i32x4.sub(v128.and(scales, m15), eight));
      scales = i32x4.shr_u(scales, 4);
    }
  }
  for (let i: u32 = 0; i < 4; i++) {
    const g = ((i >> 1) << 3) + (i & 1);
    const sets = i32x4.shr_u(extra, g);
    storeQuarter(
      block + (i << 6) + 48, slab + (g << 6) + Slab.weights, values, m3, choice(sets, 0, m4), choice(sets, 2, m4),
      choice(sets, 4, m4), choice(sets, 6, m4),
    );
  }
}

export function unpackIQ2_KS(block: usize, slab: usize): void {
  const values = v128.load(IQ2NL_VALUES), m3 = v128.load_splat<u32>(M3), m4 = v128.load_splat<u32>(M4);
  const m15 = v128.load_splat<u32>(I15), extra = v128.load_ext<u16>(block), sixteen = i32x4.splat(16);
  let scales = v128.load(block, 8), high = i32x4.shr_u(extra, 4);
  for (let b: u32 = 0; b < 8; b++) {
    storeScales32(slab, b, i32x4.sub(v128.or(v128.and(scales, m15), v128.and(high, sixteen)), sixteen));
    scales = i32x4.shr_u(scales, 4);
    high = i32x4.shr_u(high, 1);
  }
  for (let i: u32 = 0; i < 4; i++) {
    const h = i >> 1;
    const sets = i32x4.shr_u(extra, h << 2);
    storeQuarter(
      block + (i << 6) + 24, slab + (h << 9) + ((i & 1) << 6) + Slab.weights, values, m3, choice(sets, 0, m4),
      choice(sets, 1, m4), choice(sets, 2, m4), choice(sets, 3, m4),
    );
  }
}
