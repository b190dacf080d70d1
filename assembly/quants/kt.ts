// The trellis types (ik_llama.cpp): IQ1_KT to IQ4_KT, 256 weights from the generator of LAYOUTS.md section 3.1.
// For an index i the weights are, for j = 1 .. 8 (IQ4_KT: 4): the sum of the bytes of ((i + offset) * 0xCBAC1FED^j mod 2^32)
// & 0x3f3f3f3f, minus 126. b = e / 32; w = d_row * s[b] * that; before each row: d_row f32.
//
// IQ1_KT, 56 bytes:    0        8         40          56       octet t of b: index of 13 bits: ql[4b + t]; a nibble of
//                      | sh 8 B | ql 32 B | qh 16 B   |        qh[4 * (b % 4) + t], low where b < 4; bit 4 + t of sh[b]
//   s = iq4k_values[sh[b] & 15]
// IQ2_KT, 68 bytes:    0            4                  68      octet l: index ql[l]
//                      | scales 4 B | ql 32 x u16      |       s = iq4k_values[nibble b of scales, low ones first]
// IQ3_KT, 100 bytes:   0            4                  68          100
//                      | scales 4 B | ql 32 x u16      | qh 32 B   |   as IQ2_KT, but s is the nibble, the weight's magnitude
//   is the generator's and its sign is bit b of qh[e % 32]
// IQ4_KT, 128 bytes:   0             32        96          128    quad j: index of 15 bits: ql[j]; a nibble of qh[j % 32], low
//                      | sh 8 x u32  | ql 64 B | qh 32 B   |      where j < 32; three bits of sh[b] from 8 + 3 * (j % 8) on
//   s = bits 1-7 of sh[b], minus 64; bit 0: the offset is 4096 + 32768, else, and in the other types, 4096
//
// ik_llama.cpp's products multiply d_row by 1.05 (IQ2_KT) and 1.01 (IQ3_KT), its decoder does not; so do we.
//
// R4: words.ts. A lane of 32 bits is a row, so the generator works on four rows at once. With one column the bytes of its numbers are
// multiplied before they are summed; not so in IQ3_KT, whose magnitudes want the sum.

import { IQ4K_VALUES } from "./iq4_k";
import { STEP } from "../lanes/builds";
import { lookup, pairSums } from "../lanes/bytes";
import { SPREAD_BYTE, addFolded, scaledFolded, spreadScales } from "../lanes/folded";
import { LOW16, M1, M15, M255, M63 } from "../lanes/masks";
import { factorPair, scaledBytes } from "../lanes/scaled";
import { addSums } from "./folded";
import { I1, I15, I7, Slab } from "./slab";
import { I127, field, storeScales32 } from "./words";

const NUMBERS: usize = memory.data<u32>([0xcbac1fed, 0x7e7e7e7e, 4096, 64, 126], 16);
const BY_ROW: usize = memory.data<u8>([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], 16);
/** 0xCBAC1FED to the powers 1 .. 8. */
export const POWERS: usize = memory.data<u32>([0xcbac1fed, 0xc8734169, 0xbd2b4535, 0xe50c7d11,
  0x1220d7bd, 0x94839cf9, 0x58267985, 0x60b19b21], 16);

/** For load_splat<u32>: the generator's factor; its square, for two chains of products at once; every i32 4096, 126; bytes 126; i32 64. */
export const FACTOR: usize = NUMBERS;
export const SQUARE: usize = POWERS + 4;
export const I4096: usize = NUMBERS + 8;
export const I126: usize = NUMBERS + 16;
const M126: usize = NUMBERS + 4, I64: usize = NUMBERS + 12;

/** Four values of the generator, i32x4; powers: those that make them. For the quantisers, which try many indices. */
// @ts-ignore: decorator
@inline
export function generate(x: u32, powers: v128): v128 {
  const bytes = v128.and(i32x4.mul(i32x4.splat(x), powers), i8x16.splat(0x3f));
  return i32x4.sub(i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)), i32x4.splat(126));
}

/** Four values of four rows from the generator's numbers: byte 4r + k from lane r of the k-th. m63: every byte 63; m1: every byte 1. */
// @ts-ignore: decorator
@inline
function values(x0: v128, x1: v128, x2: v128, x3: v128, m63: v128, m1: v128): v128 {
  const p0 = pairSums(v128.and(x0, m63), m1), p1 = pairSums(v128.and(x1, m63), m1);
  const p2 = pairSums(v128.and(x2, m63), m1), p3 = pairSums(v128.and(x3, m63), m1);
  // bytes: two halves of a sum for rows 0..3 of x0, then of x1
  const s01 = i8x16.narrow_i16x8_u(p0, p1), s23 = i8x16.narrow_i16x8_u(p2, p3);
  const sums = i8x16.narrow_i16x8_u(pairSums(s01, m1), pairSums(s23, m1));
  return i8x16.sub(lookup(sums, v128.load(BY_ROW)), v128.load_splat<u32>(M126));
}

/** Four scales of each row from codes in the low halves of their bytes: iq4k_values. */
// @ts-ignore: decorator
@inline
export function tableScales(codes: v128): v128 {
  return lookup(v128.load(IQ4K_VALUES), v128.and(codes, v128.load_splat<u32>(M15)));
}

/** acc and four values of four rows times elements of y; x: the generator's number before the first; scale: as in scaledBytes. */
// @ts-ignore: decorator
@inline
export function scaledQuad(acc: v128, x: v128, factor: v128, m63: v128, y: usize, scale: v128): v128 {
  const square = v128.load_splat<u32>(SQUARE);
  const x0 = i32x4.mul(x, factor), x1 = i32x4.mul(x, square), x2 = i32x4.mul(x0, square), x3 = i32x4.mul(x1, square);
  acc = scaledBytes(acc, v128.and(x0, m63), v128.and(x1, m63), y, 0, scale);
  return scaledBytes(acc, v128.and(x2, m63), v128.and(x3, m63), y, 2, scale);
}

/** The same of eight values. */
// @ts-ignore: decorator
@inline
export function scaledOctet(acc: v128, x: v128, factor: v128, m63: v128, y: usize, scale: v128): v128 {
  const square = v128.load_splat<u32>(SQUARE);
  const x0 = i32x4.mul(x, factor), x1 = i32x4.mul(x, square), x2 = i32x4.mul(x0, square), x3 = i32x4.mul(x1, square);
  acc = scaledBytes(acc, v128.and(x0, m63), v128.and(x1, m63), y, 0, scale);
  acc = scaledBytes(acc, v128.and(x2, m63), v128.and(x3, m63), y, 2, scale);
  return scaledQuad(acc, x3, factor, m63, y + 4 * STEP, scale);
}

/**
 * One column of IQ2_KT: total = sum over sub-blocks of s * (sum of bytes * y - 126 * sum y), f = f + total * (1.05 * d_w * d_y).
 * On the way |total| <= 256 * (252 + 126) * 127 * 127 = 1.6e9.
 * @tiles 1x1
 */
function iq2_kt(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), offset = v128.load_splat<u32>(I4096), factor = v128.load_splat<u32>(FACTOR);
  const m63 = v128.load_splat<u32>(M63), low16 = v128.load_splat<u32>(LOW16);
  const d = f32x4.mul(v128.load(w), f32x4.splat(1.05));
  let f = f32x4.splat(0);
  w += 16;
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, least = zero, sums = y + 36;
    const codes = v128.load(w), dy = v128.load_splat<u32>(y);
    w += 16;
    y += 52;
    for (let h: u32 = 0; h < 2; h++) {
      const scales = tableScales(i16x8.shr_u(codes, h << 2));
      least = addSums(least, scales, sums);
      sums += 8;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 16) {
        const scale = spreadScales(scales, v128.load(spread));
        let a = zero;
        for (const last = w + 32; w < last; w += 16) {
          const two = v128.load(w);
          a = scaledOctet(a, i32x4.add(v128.and(two, low16), offset), factor, m63, y, scale);
          a = scaledOctet(a, i32x4.add(i32x4.shr_u(two, 16), offset), factor, m63, y + 8 * STEP, scale);
          y += 16 * STEP;
        }
        total = addFolded(total, a, scale);
      }
    }
    total = i32x4.sub(total, i32x4.mul(least, v128.load_splat<u32>(I126)));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/**
 * One column of IQ1_KT: as IQ2_KT, f = f + total * (d_w * d_y).
 * @tiles 1x1
 */
function iq1_kt(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), offset = v128.load_splat<u32>(I4096), factor = v128.load_splat<u32>(FACTOR);
  const m63 = v128.load_splat<u32>(M63), m15 = v128.load_splat<u32>(I15), m255 = v128.load_splat<u32>(M255), d = v128.load(w);
  let f = f32x4.splat(0);
  w += 16;
  for (let b: u32 = 0; b < nb; b++, w += 224) {
    let total = zero, least = zero, sums = y + 36;
    const dy = v128.load_splat<u32>(y);
    y += 52;
    for (let h: u32 = 0; h < 2; h++) {
      let shs = v128.load(w + (h << 4)), ql = w + (h << 6) + 32, qh = w + 160;
      const scales = tableScales(shs);
      least = addSums(least, scales, sums);
      sums += 8;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 16) {
        const scale = spreadScales(scales, v128.load(spread));
        let a = zero, low = v128.load(ql), high = i32x4.shr_u(v128.load(qh), h << 2), top = i32x4.shl(shs, 8);
        for (const last = y + 32 * STEP; y < last; y += 8 * STEP) {
          const index = v128.or(v128.or(v128.and(low, m255), i32x4.shl(v128.and(high, m15), 8)), v128.and(top, offset));
          a = scaledOctet(a, i32x4.add(index, offset), factor, m63, y, scale);
          low = i32x4.shr_u(low, 8);
          high = i32x4.shr_u(high, 8);
          top = i32x4.shr_u(top, 1);
        }
        total = addFolded(total, a, scale);
        shs = i32x4.shr_u(shs, 8);
        ql += 16;
        qh += 16;
      }
    }
    total = i32x4.sub(total, i32x4.mul(least, v128.load_splat<u32>(I126)));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/**
 * One column of IQ4_KT: as IQ1_KT.
 * @tiles 1x1
 */
function iq4_kt(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), factor = v128.load_splat<u32>(FACTOR), m63 = v128.load_splat<u32>(M63), d = v128.load(w);
  const m15 = v128.load_splat<u32>(I15), m255 = v128.load_splat<u32>(M255), m7 = v128.load_splat<u32>(I7);
  let f = f32x4.splat(0);
  w += 16;
  for (let b: u32 = 0; b < nb; b++, w += 512) {
    let total = zero, least = zero, sums = y + 36, shs = w, ql = w + 128;
    const dy = v128.load_splat<u32>(y);
    y += 52;
    for (let h: u32 = 0; h < 2; h++) {
      let scales = zero;
      for (let qh = w + 384, end = w + 512; qh < end; ) {
        const sh = v128.load(shs), s = scaleIQ4_KT(sh), scale = factorPair(s), offset = offsetIQ4_KT(sh);
        // the fourth leaves the four in their order
        scales = v128.or(i32x4.shr_u(scales, 8), i32x4.shl(s, 24));
        let a = zero, top = i32x4.shr_u(sh, 8);
        for (const half = qh + 32; qh < half; qh += 16, ql += 16) {
          let low = v128.load(ql), high = i32x4.shr_u(v128.load(qh), h << 2);
          for (const last = y + 16 * STEP; y < last; y += 4 * STEP) {
            const index = v128.or(v128.or(v128.and(low, m255), i32x4.shl(v128.and(high, m15), 8)), i32x4.shl(v128.and(top, m7), 12));
            a = scaledQuad(a, i32x4.add(index, offset), factor, m63, y, scale);
            low = i32x4.shr_u(low, 8);
            high = i32x4.shr_u(high, 8);
            top = i32x4.shr_u(top, 3);
          }
        }
        total = addFolded(total, a, scale);
        shs += 16;
      }
      least = addSums(least, scales, sums);
      sums += 8;
    }
    total = i32x4.sub(total, i32x4.mul(least, v128.load_splat<u32>(I126)));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** Weights of IQ3_KT from the generator's values: qh, a byte each, has `bit` where a weight is negative. */
// @ts-ignore: decorator
@inline
function signedMagnitudes(values: v128, qh: v128, bit: v128): v128 {
  const sign = i8x16.eq(v128.and(qh, bit), bit);
  return i8x16.sub(v128.xor(i8x16.abs(values), sign), sign);
}

/** scaledFolded of an octet of IQ3_KT; x: the generator's number before the first; qh: two vectors; y: 8 elements. */
// @ts-ignore: decorator
@inline
export function foldedOctet(acc: v128, x: v128, factor: v128, m63: v128, m1: v128, qh: usize, bit: v128, y: usize, scale: v128): v128 {
  const square = v128.load_splat<u32>(SQUARE);
  const x0 = i32x4.mul(x, factor), x1 = i32x4.mul(x, square), x2 = i32x4.mul(x0, square), x3 = i32x4.mul(x1, square);
  const first = signedMagnitudes(values(x0, x1, x2, x3, m63, m1), v128.load(qh), bit);
  acc = scaledFolded(acc, first, v128.load_splat<u32>(y), v128.load_splat<u32>(y, 4), scale);
  const x4 = i32x4.mul(x2, square), x5 = i32x4.mul(x3, square), x6 = i32x4.mul(x4, square), x7 = i32x4.mul(x5, square);
  const second = signedMagnitudes(values(x4, x5, x6, x7, m63, m1), v128.load(qh, 16), bit);
  return scaledFolded(acc, second, v128.load_splat<u32>(y, 8), v128.load_splat<u32>(y, 12), scale);
}

/**
 * One column of IQ3_KT: total = sum over sub-blocks of s * sum w * y (folded.ts), f = f + total * (1.01 * d_w * d_y).
 * |total| <= 256 * 128 * 15 * 127 = 6.3e7.
 * @tiles 1x1
 */
function iq3_kt(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), offset = v128.load_splat<u32>(I4096), factor = v128.load_splat<u32>(FACTOR);
  const m63 = v128.load_splat<u32>(M63), low16 = v128.load_splat<u32>(LOW16), m1 = v128.load_splat<u32>(M1);
  const d = f32x4.mul(v128.load(w), f32x4.splat(1.01));
  let f = f32x4.splat(0);
  w += 16;
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, sums = y + 68, bit = m1;
    const codes = v128.load(w), dy = v128.load_splat<u32>(y), signs = w + 272;
    w += 16;
    y += 100;
    for (let h: u32 = 0; h < 2; h++) {
      const scales = v128.and(i16x8.shr_u(codes, h << 2), v128.load_splat<u32>(M15));
      total = addSums(total, scales, sums);
      sums += 16;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 16) {
        const scale = spreadScales(scales, v128.load(spread));
        let a = zero, qh = signs;
        for (const last = w + 32; w < last; w += 16) {
          const two = v128.load(w);
          a = foldedOctet(a, i32x4.add(v128.and(two, low16), offset), factor, m63, m1, qh, bit, y, scale);
          a = foldedOctet(a, i32x4.add(i32x4.shr_u(two, 16), offset), factor, m63, m1, qh + 32, bit, y + 16, scale);
          qh += 64;
          y += 32;
        }
        total = addFolded(total, a, scale);
        bit = i8x16.add(bit, bit);
      }
    }
    w += 128;
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** Scales of IQ4_KT from the four rows' words. */
// @ts-ignore: decorator
@inline
export function scaleIQ4_KT(sh: v128): v128 {
  return i32x4.sub(field(sh, 1, v128.load_splat<u32>(I127)), v128.load_splat<u32>(I64));
}

/** What is added to its indices. */
// @ts-ignore: decorator
@inline
export function offsetIQ4_KT(sh: v128): v128 {
  return i32x4.add(v128.load_splat<u32>(I4096), i32x4.shl(v128.and(sh, v128.load_splat<u32>(I1)), 15));
}

/** The octets of four indices, to two vectors. */
// @ts-ignore: decorator
@inline
function storeOctet(to: usize, index: v128, offset: v128, factor: v128, m63: v128, m1: v128): void {
  const x = i32x4.add(index, offset), square = v128.load_splat<u32>(SQUARE);
  const x0 = i32x4.mul(x, factor), x1 = i32x4.mul(x, square), x2 = i32x4.mul(x0, square), x3 = i32x4.mul(x1, square);
  v128.store(to, values(x0, x1, x2, x3, m63, m1));
  const x4 = i32x4.mul(x2, square), x5 = i32x4.mul(x3, square), x6 = i32x4.mul(x4, square), x7 = i32x4.mul(x5, square);
  v128.store(to, values(x4, x5, x6, x7, m63, m1), 16);
}

/** Scales from codes of 4 bits, an i32 a row: iq4k_values. */
// @ts-ignore: decorator
@inline
function storeTableScales(slab: usize, b: u32, codes: v128): void {
  const found = lookup(v128.load(IQ4K_VALUES), codes);
  storeScales32(slab, b, i32x4.shr_s(i32x4.shl(found, 24), 24));
}

export function unpackIQ1_KT(block: usize, slab: usize): void {
  const offset = v128.load_splat<u32>(I4096), factor = v128.load_splat<u32>(FACTOR);
  const m63 = v128.load_splat<u32>(M63), m1 = v128.load_splat<u32>(M1);
  const m15 = v128.load_splat<u32>(I15), m255 = v128.load_splat<u32>(M255);
  let to = slab + Slab.weights, shs = v128.load(block);
  for (let b: u32 = 0; b < 8; b++) {
    if (b == 4) shs = v128.load(block, 16);
    storeTableScales(slab, b, v128.and(shs, m15));
    let low = v128.load(block + (b << 4), 32), high = i32x4.shr_u(v128.load(block + ((b & 3) << 4), 160), b & 4);
    let top = i32x4.shl(shs, 8);
    shs = i32x4.shr_u(shs, 8);
    for (const end = to + 128; to < end; to += 32) {
      const index = v128.or(v128.or(v128.and(low, m255), i32x4.shl(v128.and(high, m15), 8)), v128.and(top, offset));
      storeOctet(to, index, offset, factor, m63, m1);
      low = i32x4.shr_u(low, 8);
      high = i32x4.shr_u(high, 8);
      top = i32x4.shr_u(top, 1);
    }
  }
}

/** The octets of IQ2_KT and IQ3_KT. */
// @ts-ignore: decorator
@inline
function storeAllOctets(block: usize, slab: usize): void {
  const offset = v128.load_splat<u32>(I4096), factor = v128.load_splat<u32>(FACTOR);
  const m63 = v128.load_splat<u32>(M63), m1 = v128.load_splat<u32>(M1);
  const low16 = v128.load_splat<u32>(LOW16);
  let to = slab + Slab.weights;
  for (let q = block + 16, end = block + 272; q < end; q += 16, to += 64) {
    const two = v128.load(q);
    storeOctet(to, v128.and(two, low16), offset, factor, m63, m1);
    storeOctet(to + 32, i32x4.shr_u(two, 16), offset, factor, m63, m1);
  }
}

/** Code b of four rows' scales: low nibbles of the four bytes are 0..3. */
// @ts-ignore: decorator
@inline
function scaleCode(scales: v128, b: u32): v128 {
  return field(scales, ((b & 3) << 3) | (b & 4), v128.load_splat<u32>(I15));
}

export function unpackIQ2_KT(block: usize, slab: usize): void {
  const scales = v128.load(block);
  for (let b: u32 = 0; b < 8; b++) storeTableScales(slab, b, scaleCode(scales, b));
  storeAllOctets(block, slab);
}

export function unpackIQ3_KT(block: usize, slab: usize): void {
  const scales = v128.load(block);
  for (let b: u32 = 0; b < 8; b++) storeScales32(slab, b, scaleCode(scales, b));
  storeAllOctets(block, slab);
  let to = slab + Slab.weights, bit = v128.load_splat<u32>(M1);
  for (let b: u32 = 0; b < 8; b++) {
    for (let qh = block + 272, end = block + 400; qh < end; qh += 16, to += 16) {
      v128.store(to, signedMagnitudes(v128.load(to), v128.load(qh), bit));
    }
    bit = i8x16.add(bit, bit);
  }
}

export function unpackIQ4_KT(block: usize, slab: usize): void {
  const m15 = v128.load_splat<u32>(I15), m255 = v128.load_splat<u32>(M255), m7 = v128.load_splat<u32>(I7);
  const factor = v128.load_splat<u32>(FACTOR), m63 = v128.load_splat<u32>(M63), m1 = v128.load_splat<u32>(M1);
  const square = v128.load_splat<u32>(SQUARE);
  let to = slab + Slab.weights;
  for (let b: u32 = 0; b < 8; b++) {
    const sh = v128.load(block + (b << 4));
    storeScales32(slab, b, scaleIQ4_KT(sh));
    const offset = offsetIQ4_KT(sh);
    let top = i32x4.shr_u(sh, 8);
    for (let i: u32 = 0; i < 2; i++) {
      let low = v128.load(block + (b << 5) + (i << 4), 128);
      let high = i32x4.shr_u(v128.load(block + ((b & 3) << 5) + (i << 4), 384), b & 4);
      for (let t: u32 = 0; t < 4; t++, to += 16) {
        const index = v128.or(v128.or(v128.and(low, m255), i32x4.shl(v128.and(high, m15), 8)), i32x4.shl(v128.and(top, m7), 12));
        const x = i32x4.add(index, offset), x0 = i32x4.mul(x, factor), x1 = i32x4.mul(x, square);
        v128.store(to, values(x0, x1, i32x4.mul(x0, square), i32x4.mul(x1, square), m63, m1));
        low = i32x4.shr_u(low, 8);
        high = i32x4.shr_u(high, 8);
        top = i32x4.shr_u(top, 3);
      }
    }
  }
}
