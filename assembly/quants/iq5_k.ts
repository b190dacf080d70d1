// IQ5_K and IQ5_KS (ik_llama.cpp): 256 weights of 5 bits into one of two sets of 32 values. LAYOUTS.md section 3.
//
// IQ5_K, 176 bytes:    0                                      16           144         176
//                      | d, extra, scales as in IQ4_K         | qs 128 B   | qh 32 B   |
// IQ5_KS, 168 bytes:   0             8            136         168
//                      | scales 8 B  | qs 128 B   | qh 32 B   |       scales and d_row as in IQ4_KS
//   codes: nibbles as in Q5_K, the fifth bit is bit e / 32 of qh[e % 32]
//
// R4 block of IQ5_K, 704 bytes:    0                                        64
//                                  | d, extra, scales as R4 of IQ4_K has it | 8 x 80 B: codes   |
// R4 group of IQ5_KS: [4 f32] d_row, then blocks of 672 bytes:
//                                  0                                        32
//                                  | 2 x 16 B: words 0, 1 of scales         | 8 x 80 B: codes   |
//   codes of 32 elements: four vectors; byte 4r + k of vector m: row r, bits 0-3 of element 4m + k (low), 16 + 4m + k (high);
//   then one: byte 4r + k: the inverse of bit 4 of elements k, 16 + k, 4 + k, 20 + k, 8 + k .. 28 + k, from bit 7 downwards

import { lookup } from "../lanes/bytes";
import { scaledFolded } from "../lanes/folded";
import { M128, M15 } from "../lanes/masks";
import { storeLane } from "./nibbles";
import { Slab } from "./slab";
import { repackHeadIQ4_K, storeScaleIQ4_KS, storeScalesIQ4_K } from "./two-sets";
import { M2, bits, choice } from "./words";

/** iq5nl_values of LAYOUTS.md: two sets, the second larger by 2. */
// prettier-ignore
export const IQ5NL_VALUES: usize = memory.data<i8>([
  -126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36, -30, -24, -18, -12, -6,
  -1, 5, 11, 17, 23, 29, 36, 43, 51, 59, 68, 77, 87, 97, 109, 121,
  -124, -112, -101, -90, -81, -72, -63, -55, -48, -41, -34, -28, -22, -16, -10, -4,
  1, 7, 13, 19, 25, 31, 38, 45, 53, 61, 70, 79, 89, 99, 111, 123,
], 16);

/** What the values of codes 16..31 are above those of codes 0..15. */
// @ts-ignore: decorator
@inline
export function stepIQ5(values: v128): v128 {
  return i8x16.sub(v128.load(IQ5NL_VALUES, 16), values);
}

/** Values of the codes with these four bits; absent: bit 7 is set where bit 4 of the code is not: a lookup then gives 0. */
// @ts-ignore: decorator
@inline
export function lookupIQ5(values: v128, step: v128, nibbles: v128, absent: v128, m128: v128): v128 {
  return i8x16.add(lookup(values, nibbles), lookup(step, v128.or(nibbles, v128.and(absent, m128))));
}

/**
 * 32 weights, by accumulators of the first 16 and the others: for the templates of iq4_k.ts. step: stepIQ5(values).
 * @part
 */
export function productsIQ5(
  a0: v128, a1: v128, w: usize, y: usize, k0: v128, k1: v128, values: v128, step: v128, m15: v128, m128: v128,
): void {
  let absent = v128.load(w, 64);
  for (let $m = 0; $m < 4; $m++) {
    const q = v128.load(w, 16 * $m);
    const low = lookupIQ5(values, step, v128.and(q, m15), absent, m128);
    absent = i8x16.add(absent, absent);
    a0 = scaledFolded(a0, low, v128.load_splat<u32>(y, 8 * $m), v128.load_splat<u32>(y, 8 * $m + 4), k0);
    const high = lookupIQ5(values, step, bits(q, 4, m15), absent, m128);
    absent = i8x16.add(absent, absent);
    a1 = scaledFolded(a1, high, v128.load_splat<u32>(y, 8 * $m + 32), v128.load_splat<u32>(y, 8 * $m + 36), k1);
  }
}

/** Interleaves nRows (1..4) rows of nb blocks of IQ5_K, rowBytes apart; missing rows must be zero. */
export function repackIQ5_K(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes, to = dst + (r << 2);
    for (let b: u32 = 0; b < nb; b++, block += 176, to += 704) {
      repackHeadIQ4_K(block, to, r);
      repackCodes(block + 16, to + 64);
    }
  }
}

/** The same of IQ5_KS. */
export function repackIQ5_KS(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes, to = dst + (r << 2);
    store<u32>(to, load<u32>(block));
    block += 4;
    to += 16;
    for (let b: u32 = 0; b < nb; b++, block += 168, to += 672) {
      store<u32>(to, load<u32>(block));
      store<u32>(to, load<u32>(block, 4), 16);
      repackCodes(block + 8, to + 32);
    }
  }
}

/** A row's qs and qh to its lane of an R4 block's codes. */
function repackCodes(qs: usize, to: usize): void {
  const m15 = i8x16.splat(15), m1 = i8x16.splat(1), qh = qs + 128;
  for (let b: u32 = 0; b < 8; b++, to += 80) {
    const from = qs + (b >> 1 << 5), shift = (b & 1) << 2;
    const low = v128.and(i16x8.shr_u(v128.load(from), shift), m15), high = v128.and(i16x8.shr_u(v128.load(from, 16), shift), m15);
    storeLane(to, v128.or(low, i16x8.shl(high, 4)));
    // bits of word m: 7 - 2m of the low nibbles, 6 - 2m of the high ones
    const absent0 = v128.andnot(m1, i16x8.shr_u(v128.load(qh), b)), absent1 = v128.andnot(m1, i16x8.shr_u(v128.load(qh, 16), b));
    const pairs = v128.or(i16x8.shl(absent0, 1), absent1);
    const even = i32x4.extract_lane(pairs, 0) << 6 | i32x4.extract_lane(pairs, 1) << 4;
    store<u32>(to, even | i32x4.extract_lane(pairs, 2) << 2 | i32x4.extract_lane(pairs, 3), 64);
  }
}

/** Codes of 32 elements to a slab; set0, set1: what is added to the values of the first 16 and of the others. */
// @ts-ignore: decorator
@inline
function storeCodes(q: usize, to: usize, set0: v128, set1: v128): void {
  const values = v128.load(IQ5NL_VALUES), m15 = v128.load_splat<u32>(M15), m128 = v128.load_splat<u32>(M128);
  const step = stepIQ5(values);
  let absent = v128.load(q, 64);
  for (const end = q + 64; q < end; q += 16, to += 16) {
    const v = v128.load(q);
    v128.store(to, i8x16.add(lookupIQ5(values, step, v128.and(v, m15), absent, m128), set0));
    absent = i8x16.add(absent, absent);
    v128.store(to, i8x16.add(lookupIQ5(values, step, bits(v, 4, m15), absent, m128), set1), 64);
    absent = i8x16.add(absent, absent);
  }
}

export function unpackIQ5_K(block: usize, slab: usize): void {
  const m2 = v128.load_splat<u32>(M2);
  storeScalesIQ4_K(block, slab);
  let extra = v128.load_ext<u16>(block, 8), q = block + 64, to = slab + Slab.weights;
  for (let b: u32 = 0; b < 8; b++, q += 80, to += 128) {
    storeCodes(q, to, choice(extra, 0, m2), choice(extra, 1, m2));
    extra = i32x4.shr_u(extra, 2);
  }
}

export function unpackIQ5_KS(block: usize, slab: usize): void {
  const m2 = v128.load_splat<u32>(M2);
  let scales = v128.load(block), q = block + 32, to = slab + Slab.weights;
  for (let b: u32 = 0; b < 8; b++, q += 80, to += 128) {
    if (b == 4) scales = v128.load(block, 16);
    const set = choice(scales, 0, m2);
    storeScaleIQ4_KS(slab, b, scales);
    scales = i32x4.shr_u(scales, 8);
    storeCodes(q, to, set, set);
  }
}
