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
// R4 block of IQ3_K, 440 bytes:
//   0    [3 x 4 u16]  d, extra, scales_h
//   24   [2 x 16 B]   byte 4r + k of vector i: row r, nibble 8i + k of scales_l (low), 8i + 4 + k (high)
//   56   [8 x 48 B]   codes of 32 elements: three vectors v0..v2; byte 4r + k of vn: row r, element 8n + k in bits 0-2, 8n + 4 + k in
//                     bits 3-5. The 6 free bits hold elements 24 + k (bits 6-7 of v0, then bit 6 of v2) and 28 + k (v1, bit 7 of v2)
// R4 group of IQ3_KS: [4 f16] d_row, then blocks of 408 bytes:
//   0    [4 u16]      extra
//   8    [16 B]       word of scales, rows side by side
//   24   [8 x 48 B]   codes

import { loadF16x4, loadScaleF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { even, odd } from "../lanes/even-odd";
import { SPREAD_BYTE, addFolded, spreadScales } from "../lanes/folded";
import { EVEN, M1, M15, M16, M3, M4, M7 } from "../lanes/masks";
import { scaledStep } from "../lanes/scaled";
import { addSums, repackScales, scaleNibbles, setsOfBits, storeScaleBytes, storeScaleBytes32 } from "./folded";
import { codes3 } from "./q3_k";
import { Slab } from "./slab";
import { M8, bits, choice } from "./words";

/** iq3nl_values of LAYOUTS.md + 64: two sets, the second larger by 4. */
export const IQ3NL_VALUES: usize = memory.data<u8>([1, 24, 41, 54, 65, 77, 92, 111, 5, 28, 45, 58, 69, 81, 96, 115], 16);

/** Scales of sub-blocks 4i .. 4i + 3 of each row of IQ3_K; signs: scales_h, bits 4i .. 4i + 3 lowest. */
// @ts-ignore: decorator
@inline
export function scalesIQ3_K(block: usize, signs: v128, i: u32): v128 {
  const s = v128.or(i16x8.shl(scaleNibbles(block + 24, i), 1), v128.load_splat<u32>(M1)), negative = setsOfBits(signs);
  return i8x16.sub(v128.xor(s, negative), negative);
}

/** Scales of sub-blocks 4h .. 4h + 3 of IQ3_KS; extra: of the rows, a lane each. */
// @ts-ignore: decorator
@inline
export function scalesIQ3_KS(block: usize, extra: v128, h: u32): v128 {
  const m16 = v128.load_splat<u32>(M16);
  const low = v128.and(i16x8.shr_u(v128.load(block, 8), h << 2), v128.load_splat<u32>(M15));
  return i8x16.sub(v128.or(low, v128.and(setsOfBits(i32x4.shr_u(extra, h << 2)), m16)), m16);
}

/** Codes of elements 24 + k or 28 + k: two bits of v0 (v1), the third from v2, where it is bit 6 (7): moved by 4 (5). */
// @ts-ignore: decorator
@inline
export function spareIQ3(v: v128, v2: v128, shift: i32, m3: v128, m4: v128): v128 {
  return v128.or(bits(v, 6, m3), bits(v2, shift, m4));
}

/**
 * One column: total = sum over sub-blocks of sc * sum w * y (folded.ts), f = f + total * (d_w * d_y). On the way
 * |total| <= 256 * 115 * 32 * 127 = 1.2e8.
 * @tiles 1x1
 */
function iq3_k(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m7 = v128.load_splat<u32>(M7), evenMask = v128.load_splat<u32>(EVEN), values = v128.load(IQ3NL_VALUES);
  const m3 = v128.load_splat<u32>(M3), m4 = v128.load_splat<u32>(M4);
  let f = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, least = zero, second = zero, sums = y + 4;
    let sets = v128.load_ext<u16>(w, 8), signs = v128.load_ext<u16>(w, 16);
    const block = w, dy = v128.load_splat<u32>(y);
    w += 56;
    y += 52;
    for (let i: u32 = 0; i < 4; i++) {
      const scales = scalesIQ3_K(block, signs, i);
      least = addSums(least, scales, sums);
      second = addSums(second, v128.and(scales, setsOfBits(sets)), sums);
      sets = i32x4.shr_u(sets, 4);
      signs = i32x4.shr_u(signs, 4);
      sums += 8;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 32) {
        const k0 = spreadScales(scales, v128.load(spread)), k1 = spreadScales(scales, v128.load(spread, 16));
        const v0 = v128.load(w), v1 = v128.load(w, 16), v2 = v128.load(w, 32);
        const q0 = v128.and(v0, m7), q1 = bits(v0, 3, m7), q2 = v128.and(v1, m7), q3 = bits(v1, 3, m7);
        const q4 = v128.and(v2, m7), q5 = bits(v2, 3, m7), q6 = spareIQ3(v0, v2, 4, m3, m4), q7 = spareIQ3(v1, v2, 5, m3, m4);
        let a0 = zero, a1 = zero;
        for (let $n = 0; $n < 8; $n++) {
          const q = lookup(values, q$n);
          const y0 = v128.load_splat<u32>(y, 4 * $n * STEP), y1 = STEP == 2 ? v128.load_splat<u32>(y, 4 * $n * STEP + 4) : y0;
          if ($n < 4) a0 = scaledStep(a0, even(q, evenMask), odd(q), y0, y1, k0);
          else a1 = scaledStep(a1, even(q, evenMask), odd(q), y0, y1, k1);
        }
        total = addFolded(addFolded(total, a0, k0), a1, k1);
        w += 48;
        y += 32 * STEP;
      }
    }
    const d = loadScaleF16x4(block);
    total = i32x4.add(i32x4.sub(total, i32x4.shl(least, 6)), i32x4.shl(second, 2));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/**
 * One column: as iq3_k.
 * @tiles 1x1
 */
function iq3_ks(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m7 = v128.load_splat<u32>(M7), evenMask = v128.load_splat<u32>(EVEN), values = v128.load(IQ3NL_VALUES);
  const m3 = v128.load_splat<u32>(M3), m4 = v128.load_splat<u32>(M4), d = loadF16x4(w);
  let f = f32x4.splat(0);
  w += 8;
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, least = zero, second = zero, sums = y + 36;
    const block = w, extra = v128.load_ext<u16>(w), dy = v128.load_splat<u32>(y);
    w += 24;
    y += 52;
    for (let h: u32 = 0; h < 2; h++) {
      const scales = scalesIQ3_KS(block, extra, h);
      least = addSums(least, scales, sums);
      second = addSums(second, v128.and(scales, setsOfBits(i32x4.shr_u(extra, (h << 2) + 8))), sums);
      sums += 8;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 16) {
        const scale = spreadScales(scales, v128.load(spread));
        const v0 = v128.load(w), v1 = v128.load(w, 16), v2 = v128.load(w, 32);
        const q0 = v128.and(v0, m7), q1 = bits(v0, 3, m7), q2 = v128.and(v1, m7), q3 = bits(v1, 3, m7);
        const q4 = v128.and(v2, m7), q5 = bits(v2, 3, m7), q6 = spareIQ3(v0, v2, 4, m3, m4), q7 = spareIQ3(v1, v2, 5, m3, m4);
        let a = zero;
        for (let $n = 0; $n < 8; $n++) {
          const q = lookup(values, q$n);
          const y0 = v128.load_splat<u32>(y, 4 * $n * STEP), y1 = STEP == 2 ? v128.load_splat<u32>(y, 4 * $n * STEP + 4) : y0;
          a = scaledStep(a, even(q, evenMask), odd(q), y0, y1, scale);
        }
        total = addFolded(total, a, scale);
        w += 48;
        y += 32 * STEP;
      }
    }
    total = i32x4.add(i32x4.sub(total, i32x4.shl(least, 6)), i32x4.shl(second, 2));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** Interleaves nRows (1..4) rows of nb blocks of IQ3_K, rowBytes apart; missing rows must be zero. */
export function repackIQ3_K(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes, to = dst + (r << 2);
    for (let b: u32 = 0; b < nb; b++, block += 110, to += 440) {
      for (let i: usize = 0; i < 3; i++) store<u16>(to - (r << 1) + (i << 3), load<u16>(block + (i << 1)));
      repackScales(block + 6, to + 24);
      repackCodes(block + 14, to + 56);
    }
  }
}

/** The same of IQ3_KS. */
export function repackIQ3_KS(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes + 2, to = dst + (r << 2) + 8;
    store<u16>(dst + (r << 1), load<u16>(block - 2));
    for (let b: u32 = 0; b < nb; b++, block += 102, to += 408) {
      store<u16>(to - (r << 1), load<u16>(block));
      store<u32>(to, load<u32>(block, 2), 8);
      repackCodes(block + 6, to + 24);
    }
  }
}

/** A row's qs and qh to its lane of an R4 block's codes. */
function repackCodes(qs: usize, to: usize): void {
  const qh = qs + 64;
  for (let b: u32 = 0; b < 8; b++, to += 48) {
    const from = qs + (b >> 2 << 5);
    store96(to, codes3(v128.load(from), v128.load(qh), b), codes3(v128.load(from, 16), v128.load(qh, 16), b));
  }
}

/** Codes of 32 elements to a slab; set0, set1: bytes of 0 or 8 for the first 16 and the others. */
// @ts-ignore: decorator
@inline
function storeCodes(p: usize, to: usize, set0: v128, set1: v128): void {
  const values = v128.load(IQ3NL_VALUES), m7 = v128.load_splat<u32>(M7), m3 = v128.load_splat<u32>(M3), m4 = v128.load_splat<u32>(M4);
  const v0 = v128.load(p), v1 = v128.load(p, 16), v2 = v128.load(p, 32);
  v128.store(to, lookup(values, v128.or(v128.and(v0, m7), set0)));
  v128.store(to, lookup(values, v128.or(bits(v0, 3, m7), set0)), 16);
  v128.store(to, lookup(values, v128.or(v128.and(v1, m7), set0)), 32);
  v128.store(to, lookup(values, v128.or(bits(v1, 3, m7), set0)), 48);
  v128.store(to, lookup(values, v128.or(v128.and(v2, m7), set1)), 64);
  v128.store(to, lookup(values, v128.or(bits(v2, 3, m7), set1)), 80);
  v128.store(to, lookup(values, v128.or(spareIQ3(v0, v2, 4, m3, m4), set1)), 96);
  v128.store(to, lookup(values, v128.or(spareIQ3(v1, v2, 5, m3, m4), set1)), 112);
}

export function unpackIQ3_K(block: usize, slab: usize): void {
  const m8 = v128.load_splat<u32>(M8);
  let sets = v128.load_ext<u16>(block, 8), signs = v128.load_ext<u16>(block, 16);
  for (let i: u32 = 0; i < 4; i++) {
    storeScaleBytes(slab, i << 2, scalesIQ3_K(block, signs, i));
    signs = i32x4.shr_u(signs, 4);
  }
  let to = slab + Slab.weights;
  for (let p = block + 56, end = block + 440; p < end; p += 48, to += 128) {
    storeCodes(p, to, choice(sets, 0, m8), choice(sets, 1, m8));
    sets = i32x4.shr_u(sets, 2);
  }
}

export function unpackIQ3_KS(block: usize, slab: usize): void {
  const m8 = v128.load_splat<u32>(M8), extra = v128.load_ext<u16>(block);
  for (let h: u32 = 0; h < 2; h++) storeScaleBytes32(slab, h << 2, scalesIQ3_KS(block, extra, h));
  let sets = i32x4.shr_u(extra, 8), to = slab + Slab.weights;
  for (let p = block + 24, end = block + 408; p < end; p += 48, to += 128) {
    const set = choice(sets, 0, m8);
    storeCodes(p, to, set, set);
    sets = i32x4.shr_u(sets, 1);
  }
}

/**
 * 32 codes of a row as three words of its lane, 16 bytes apart: the bits of the last two words fill
 * the free ones.
 */
// @ts-ignore: decorator
@inline
function store96(p: usize, first: v128, second: v128): void {
  const w6 = i32x4.extract_lane(second, 2), w7 = i32x4.extract_lane(second, 3);
  const pair0 = i32x4.extract_lane(first, 0) | (i32x4.extract_lane(first, 1) << 3);
  const pair1 = i32x4.extract_lane(first, 2) | (i32x4.extract_lane(first, 3) << 3);
  const pair2 = i32x4.extract_lane(second, 0) | (i32x4.extract_lane(second, 1) << 3);
  store<u32>(p, pair0 | ((w6 & 0x03030303) << 6));
  store<u32>(p, pair1 | ((w7 & 0x03030303) << 6), 16);
  store<u32>(p, pair2 | ((w6 & 0x04040404) << 4) | ((w7 & 0x04040404) << 5), 32);
}
