// IQ2_KL (ik_llama.cpp): 256 weights, two for each of 128 codes of 5 bits. LAYOUTS.md section 3.
//
// 86 bytes:    0               2               6           70          86       before each row: d_row f16
//              | scales_h u16  | scales_l 4 B  | qs 64 B   | qh 16 B   |
//   w = d_row * (sc[b] - 32) * values, b = e / 32: a nibble of scales_l (low ones first), bits 2b and 2b + 1 of scales_h
//   pair j of b (elements 2j and 2j + 1): nibble of qs[16 * (b / 2) + j], the low one where b is even, and bit b of qh[j]
//
// R4 group: [4 f16] d_row, then blocks of 344 bytes:
//   0    [4 u16]      bit b: bit 4 of sc[b]; bit 8 + b: bit 5
//   8    [16 B]       word of scales_l, rows side by side
//   24   [4 x 80 B]   codes of 64 elements: four vectors; byte 4r + k of vector n: row r, bits 0-3 of codes 8n + k (low), 8n + 4 + k
//                     (high); then one: byte 4r + k: the inverse of bit 4 of codes k, 4 + k, 8 + k .. 28 + k, from bit 7 downwards

import { loadF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { even, odd } from "../lanes/even-odd";
import { SPREAD_BYTE, addFolded, spreadScales } from "../lanes/folded";
import { EVEN, M128, M15, M16 } from "../lanes/masks";
import { scaledStep } from "../lanes/scaled";
import { addSums, setsOfBits, storeScaleBytes32 } from "./folded";
import { storeLane } from "./nibbles";
import { Slab } from "./slab";
import { B32, bits } from "./words";

/** iq2kl_values of LAYOUTS.md + 64: the first of each pair, then the second. */
// prettier-ignore
export const IQ2KL_VALUES: usize = memory.data<u8>([
  1, 1, 24, 24, 24, 24, 41, 41, 41, 41, 41, 54, 54, 54, 54, 65,
  65, 65, 65, 65, 77, 77, 77, 77, 77, 92, 92, 92, 92, 92, 111, 111,
  41, 77, 1, 54, 77, 111, 24, 41, 65, 77, 92, 1, 65, 77, 111, 41,
  54, 65, 77, 92, 24, 41, 54, 65, 77, 1, 41, 65, 92, 111, 41, 77,
], 16);

/** Scales of sub-blocks 4h .. 4h + 3 of each row; high: the rows' bits, a lane each. */
// @ts-ignore: decorator
@inline
export function scalesIQ2_KL(block: usize, high: v128, h: u32): v128 {
  const m32 = v128.load_splat<u32>(B32);
  const low = v128.and(i16x8.shr_u(v128.load(block, 8), h << 2), v128.load_splat<u32>(M15));
  const bit4 = v128.and(setsOfBits(i32x4.shr_u(high, h << 2)), v128.load_splat<u32>(M16));
  const bit5 = v128.and(setsOfBits(i32x4.shr_u(high, (h << 2) + 8)), m32);
  return i8x16.sub(v128.or(v128.or(low, bit4), bit5), m32);
}

/** Values of codes with these lower bits: of codes 0..15, and what those of 16..31 are above them where the index has no bit 7. */
// @ts-ignore: decorator
@inline
export function lookupIQ2_KL(values: v128, step: v128, nibbles: v128, index: v128): v128 {
  return i8x16.add(lookup(values, nibbles), lookup(step, index));
}

/**
 * One column: total = sum over sub-blocks of sc * sum w * y (folded.ts), f = f + total * (d_w * d_y). On the way
 * |total| <= 256 * 111 * 32 * 127 = 1.2e8.
 * @tiles 1x1
 */
function iq2_kl(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m15 = v128.load_splat<u32>(M15), m128 = v128.load_splat<u32>(M128), evenMask = v128.load_splat<u32>(EVEN);
  const first = v128.load(IQ2KL_VALUES), second = v128.load(IQ2KL_VALUES, 32), d = loadF16x4(w);
  const firstStep = i8x16.sub(v128.load(IQ2KL_VALUES, 16), first), secondStep = i8x16.sub(v128.load(IQ2KL_VALUES, 48), second);
  let f = f32x4.splat(0);
  w += 8;
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, least = zero, sums = y + 36;
    const block = w, high = v128.load_ext<u16>(w), dy = v128.load_splat<u32>(y);
    w += 24;
    y += 52;
    for (let h: u32 = 0; h < 2; h++) {
      const scales = scalesIQ2_KL(block, high, h);
      least = addSums(least, scales, sums);
      sums += 8;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 32) {
        let absent = v128.load(w, 64);
        for (let $t = 0; $t < 2; $t++) {
          const scale = spreadScales(scales, v128.load(spread, 16 * $t));
          let a = zero;
          for (let $m = 0; $m < 4; $m++) {
            const v = v128.load(w, 16 * ($m / 2 + 2 * $t));
            const nibbles = $m % 2 == 0 ? v128.and(v, m15) : bits(v, 4, m15);
            const index = v128.or(nibbles, v128.and(absent, m128));
            absent = i8x16.add(absent, absent);
            {
              const q = lookupIQ2_KL(first, firstStep, nibbles, index);
              const y0 = v128.load_splat<u32>(y, (32 * $t + 8 * $m) * STEP);
              const y1 = STEP == 2 ? v128.load_splat<u32>(y, (32 * $t + 8 * $m) * STEP + 4) : y0;
              a = scaledStep(a, even(q, evenMask), odd(q), y0, y1, scale);
            }
            {
              const q = lookupIQ2_KL(second, secondStep, nibbles, index);
              const y0 = v128.load_splat<u32>(y, (32 * $t + 8 * $m + 4) * STEP);
              const y1 = STEP == 2 ? v128.load_splat<u32>(y, (32 * $t + 8 * $m + 4) * STEP + 4) : y0;
              a = scaledStep(a, even(q, evenMask), odd(q), y0, y1, scale);
            }
          }
          total = addFolded(total, a, scale);
        }
        w += 80;
        y += 64 * STEP;
      }
    }
    total = i32x4.sub(total, i32x4.shl(least, 6));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** Interleaves nRows (1..4) rows of nb blocks, rowBytes apart; missing rows must be zero. */
export function repackIQ2_KL(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes + 2, to = dst + (r << 2) + 8;
    store<u16>(dst + (r << 1), load<u16>(block - 2));
    for (let b: u32 = 0; b < nb; b++, block += 86, to += 344) {
      const high = <u32>load<u16>(block);
      let bit4: u32 = 0, bit5: u32 = 0;
      for (let j: u32 = 0; j < 8; j++) {
        bit4 |= ((high >> (j << 1)) & 1) << j;
        bit5 |= ((high >> ((j << 1) + 1)) & 1) << j;
      }
      store<u16>(to - (r << 1), bit4 | (bit5 << 8));
      store<u32>(to, load<u32>(block, 2), 8);
      for (let i: u32 = 0; i < 4; i++) repackCodes(block + (i << 4) + 6, block + 70, i << 1, to + 80 * i + 24);
    }
  }
}

/** Codes of sub-blocks b and b + 1 of a row, nibbles at qs and fifth bits at qh, to its lane of an R4 block. */
function repackCodes(qs: usize, qh: usize, b: u32, to: usize): void {
  const m15 = i8x16.splat(15), m1 = i8x16.splat(1), v = v128.load(qs);
  const even = v128.and(v, m15), odd = v128.and(i16x8.shr_u(v, 4), m15);
  const low = v128.shuffle<i32>(even, odd, 0, 2, 4, 6), high = v128.shuffle<i32>(even, odd, 1, 3, 5, 7);
  storeLane(to, v128.or(low, i16x8.shl(high, 4)));
  const bit = v128.load(qh);
  const absent0 = v128.andnot(m1, i16x8.shr_u(bit, b)), absent1 = v128.andnot(m1, i16x8.shr_u(bit, b + 1));
  // word m of the first sub-block has bit 7 - m, of the second bit 3 - m
  const words = v128.or(i16x8.shl(absent0, 4), absent1);
  const first = i32x4.extract_lane(words, 0) << 3 | i32x4.extract_lane(words, 1) << 2;
  store<u32>(to, first | i32x4.extract_lane(words, 2) << 1 | i32x4.extract_lane(words, 3), 64);
}

/**
 * The pairs of four codes a row, as two vectors at `to`. Unpack instructions and shuffles of words cost less than the two
 * shuffles of bytes that would do.
 */
// @ts-ignore: decorator
@inline
function storePairs(to: usize, first: v128, second: v128): void {
  const pairs01 = v128.shuffle<i8>(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const pairs23 = v128.shuffle<i8>(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(to, v128.shuffle<i32>(pairs01, pairs23, 0, 2, 4, 6));
  v128.store(to, v128.shuffle<i32>(pairs01, pairs23, 1, 3, 5, 7), 16);
}

export function unpackIQ2_KL(block: usize, slab: usize): void {
  const high = v128.load_ext<u16>(block), m15 = v128.load_splat<u32>(M15), m128 = v128.load_splat<u32>(M128);
  const first = v128.load(IQ2KL_VALUES), second = v128.load(IQ2KL_VALUES, 32);
  const firstStep = i8x16.sub(v128.load(IQ2KL_VALUES, 16), first), secondStep = i8x16.sub(v128.load(IQ2KL_VALUES, 48), second);
  for (let h: u32 = 0; h < 2; h++) storeScaleBytes32(slab, h << 2, scalesIQ2_KL(block, high, h));
  let to = slab + Slab.weights;
  for (let p = block + 24, last = block + 344; p < last; p += 16) {
    let absent = v128.load(p, 64);
    for (const end = p + 64; p < end; p += 16) {
      const v = v128.load(p);
      for (let half: u32 = 0; half < 2; half++, to += 32) {
        const nibbles = v128.and(i16x8.shr_u(v, half << 2), m15), index = v128.or(nibbles, v128.and(absent, m128));
        absent = i8x16.add(absent, absent);
        storePairs(to, lookupIQ2_KL(first, firstStep, nibbles, index), lookupIQ2_KL(second, secondStep, nibbles, index));
      }
    }
  }
}
