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
// R4 block of IQ4_K, 576 bytes:
//   0    [4 u16]      d
//   8    [4 u16]      extra
//   16   [2 x 16 B]   byte 4r + k of vector i: row r, bits 0-3 of sc[8i + k] (low), of sc[8i + 4 + k] (high)
//   48   [16 B]       byte 4r + k: bits 4-5 of sc[k], sc[4 + k], sc[8 + k], sc[12 + k], in this order from bit 0 on
//   64   [32 x 16 B]  words of qs, rows side by side
// R4 of IQ4_KS and IQ4_KSS: words.ts

import { loadScaleF16x4 } from "../half";
import { lookup } from "../lanes/bytes";
import { SPREAD_BYTE, addFolded, scaledFolded, spreadScales } from "../lanes/folded";
import { M128, M15, M255, M4, ONES } from "../lanes/masks";
import { addSums, setsOfBits } from "./folded";
import { stepIQ5 } from "./iq5_k";
import { Slab } from "./slab";
import { repackHeadIQ4_K, scalesIQ4_K, scalesIQ4_KS, setsIQ4_KS, storeScaleIQ4_KS, storeScalesIQ4_K } from "./two-sets";
import { bits, choice } from "./words";

/** iq4k_values of LAYOUTS.md: two sets, the second larger by 4. */
// prettier-ignore
export const IQ4K_VALUES: usize = memory.data<i8>([
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  -123, -100, -79, -61, -45, -31, -18, -6, 5, 17, 29, 42, 57, 73, 93, 117,
], 16);

/**
 * 32 weights of IQ4_K and its like, by accumulators of the first 16 and the others. (step, m128: as productsIQ5 has them, not used.)
 * @part
 */
export function productsIQ4(
  a0: v128, a1: v128, w: usize, y: usize, k0: v128, k1: v128, values: v128, step: v128, m15: v128, m128: v128,
): void {
  for (let $m = 0; $m < 4; $m++) {
    const q = v128.load(w, 16 * $m);
    const low = lookup(values, v128.and(q, m15)), high = lookup(values, bits(q, 4, m15));
    a0 = scaledFolded(a0, low, v128.load_splat<u32>(y, 8 * $m), v128.load_splat<u32>(y, 8 * $m + 4), k0);
    a1 = scaledFolded(a1, high, v128.load_splat<u32>(y, 8 * $m + 32), v128.load_splat<u32>(y, 8 * $m + 36), k1);
  }
}

/**
 * One column of IQ4_K or IQ5_K: total = sum over sub-blocks of sc * sum w * y (folded.ts), f = f + total * (d_w * d_y). The second set is
 * larger by 2^$shift. |total| <= 256 * 128 * 32 * 127 = 1.4e8.
 * @tiles 1x1
 * @of iq4_k bits=4 values=IQ4K_VALUES products=productsIQ4 shift=2, iq5_k bits=5 values=IQ5NL_VALUES products=productsIQ5 shift=1
 */
function sets16(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m15 = v128.load_splat<u32>(M15), values = v128.load($values);
  const step = $bits == 5 ? stepIQ5(values) : zero, m128 = $bits == 5 ? v128.load_splat<u32>(M128) : zero;
  let f = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, second = zero, sets = v128.load_ext<u16>(w, 8), sums = y + 4;
    const block = w, dy = v128.load_splat<u32>(y);
    w += 64;
    y += 100;
    // loops, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (let i: u32 = 0; i < 4; i++) {
      const scales = scalesIQ4_K(block, i);
      total = addSums(total, scales, sums);
      second = addSums(second, v128.and(scales, setsOfBits(sets)), sums + 8);
      sets = i32x4.shr_u(sets, 4);
      sums += 16;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 32) {
        const k0 = spreadScales(scales, v128.load(spread)), k1 = spreadScales(scales, v128.load(spread, 16));
        let a0 = zero, a1 = zero;
        $products(a0, a1, w, y, k0, k1, values, step, m15, m128);
        total = addFolded(addFolded(total, a0, k0), a1, k1);
        w += 16 * $bits;
        y += 64;
      }
    }
    const d = loadScaleF16x4(block);
    total = i32x4.add(total, i32x4.shl(second, $shift));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/**
 * One column of IQ4_KS or IQ5_KS, |total| <= 256 * 128 * 127 * 127 = 5.3e8.
 * @tiles 1x1
 * @of iq4_ks bits=4 values=IQ4K_VALUES products=productsIQ4 shift=2, iq5_ks bits=5 values=IQ5NL_VALUES products=productsIQ5 shift=1
 */
function sets32(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m15 = v128.load_splat<u32>(M15), values = v128.load($values), d = v128.load(w);
  const step = $bits == 5 ? stepIQ5(values) : zero, m128 = $bits == 5 ? v128.load_splat<u32>(M128) : zero;
  let f = f32x4.splat(0);
  w += 16;
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, second = zero, sums = y + 68, scaleBytes = w;
    const dy = v128.load_splat<u32>(y);
    w += 32;
    y += 100;
    for (let i: u32 = 0; i < 2; i++) {
      const c = v128.load(scaleBytes), scales = scalesIQ4_KS(c);
      total = addSums(total, scales, sums);
      second = addSums(second, v128.and(scales, setsIQ4_KS(c)), sums + 8);
      scaleBytes += 16;
      sums += 16;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 16) {
        const k0 = spreadScales(scales, v128.load(spread));
        let a0 = zero, a1 = zero;
        $products(a0, a1, w, y, k0, k0, values, step, m15, m128);
        total = addFolded(total, i32x4.add(a0, a1), k0);
        w += 16 * $bits;
        y += 64;
      }
    }
    total = i32x4.add(total, i32x4.shl(second, $shift));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** The bits of c that bit 0 of the two u16 of words 0..3 are. */
export const BIT_VALUES: usize = memory.data<u32>([0x00020001, 0x00080004, 0x00200010, 0x00800040], 16);

/**
 * One column of IQ4_KSS, as IQ4_KS: v ^ (v >> 1) is qs but for the bits of c, which are taken out of it again.
 * @tiles 1x1
 */
function iq4_kss(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m15 = v128.load_splat<u32>(M15), values = v128.load(IQ4K_VALUES), one = v128.load_splat<u32>(ONES);
  const d = v128.load(w);
  let f = f32x4.splat(0);
  w += 16;
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, second = zero, sums = y + 68;
    const dy = v128.load_splat<u32>(y);
    y += 100;
    for (let i: u32 = 0; i < 2; i++) {
      let four = zero;
      for (let j: u32 = 0; j < 4; j++) {
        let c = zero, q0 = zero, q1 = zero, q2 = zero, q3 = zero;
        for (let $m = 0; $m < 4; $m++) {
          const v = v128.load(w, 16 * $m);
          const bit = v128.and(v, one);
          q$m = v128.xor(v128.xor(v, i16x8.shr_u(v, 1)), bit);
          c = i32x4.add(c, i32x4.dot_i16x8_s(bit, v128.load_splat<u32>(BIT_VALUES, 4 * $m)));
        }
        c = i32x4.shl(c, 24);
        four = v128.or(i32x4.shr_u(four, 8), c);
        const k0 = spreadScales(scalesIQ4_KS(c), v128.load(SPREAD_BYTE, 48));
        let a0 = zero, a1 = zero;
        for (let $m = 0; $m < 4; $m++) {
          const low = lookup(values, v128.and(q$m, m15)), high = lookup(values, bits(q$m, 4, m15));
          a0 = scaledFolded(a0, low, v128.load_splat<u32>(y, 8 * $m), v128.load_splat<u32>(y, 8 * $m + 4), k0);
          a1 = scaledFolded(a1, high, v128.load_splat<u32>(y, 8 * $m + 32), v128.load_splat<u32>(y, 8 * $m + 36), k0);
        }
        total = addFolded(total, i32x4.add(a0, a1), k0);
        w += 64;
        y += 64;
      }
      const scales = scalesIQ4_KS(four);
      total = addSums(total, scales, sums);
      second = addSums(second, v128.and(scales, setsIQ4_KS(four)), sums + 8);
      sums += 16;
    }
    total = i32x4.add(total, i32x4.shl(second, 2));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** Interleaves nRows (1..4) rows of nb blocks of IQ4_K, rowBytes apart; missing rows must be zero. */
export function repackIQ4_K(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes, to = dst + (r << 2);
    for (let b: u32 = 0; b < nb; b++, block += 144, to += 576) {
      repackHeadIQ4_K(block, to, r);
      for (let i: usize = 0; i < 32; i++) store<u32>(to + (i << 4), load<u32>(block + (i << 2), 16), 64);
    }
  }
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
