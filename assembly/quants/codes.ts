// Codes: the larger and faster form of types whose weights take at most 16 values of 7 bits (the grid types IQ1, IQ2, IQ3 and
// those of ik_llama.cpp with codes of up to 3 bits): 4.63 bits a weight, looked up by a swizzle, with the type's own scales,
// so that products have the same bits. The load option `weights: "fast"` asks for it; its type number is FAST + the file's type.
//
// R4 group:
//   0    [16 B]            the values + 64
//   16   [nb x 592 B]      blocks
// R4 block of 4 rows by 256 weights:
//   0    [4 f32]           d
//   16   [16 x 4 i8]       scale of elements 16j .. 16j + 15, rows 0..3
//   80   [16 x 2 x 16 B]   sub-block j, vector i, byte 4r + k: row r, elements 16j + 8i + k (low), 16j + 8i + 4 + k (high)

import { REL16, STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { even, odd } from "../lanes/even-odd";
import { SPREAD, spreadScales } from "../lanes/folded";
import { EVEN, LOW16, M15 } from "../lanes/masks";
import { addLeast, scaledEnd, scaledLeast, scaledStart, scaledStep } from "../lanes/scaled";
import { Slab } from "./slab";

export enum Codes { bytes = 592, scales = 16, codes = 80, values = 16 }

const VALUES: usize = memory.data<u8>([
  // IQ2_XXS, IQ2_XS, IQ2_S: +-8, 25, 43
  21, 39, 56, 72, 89, 107, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  // IQ3_XXS: +-4, 12, 20, 28, 36, 44, 52, 62
  2, 12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 92, 100, 108, 116, 126,
  // IQ3_S: +-1, 3 .. 15
  49, 51, 53, 55, 57, 59, 61, 63, 65, 67, 69, 71, 73, 75, 77, 79,
  // IQ1_S, IQ1_M: 8 * grid + 1 and - 1
  55, 57, 63, 65, 71, 73, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
], 16);

/** Addresses of 16 values + 64; others are IQ2NL_VALUES and IQ3NL_VALUES. */
export const VALUES_IQ2: usize = VALUES, VALUES_IQ3_XXS: usize = VALUES + 16, VALUES_IQ3_S: usize = VALUES + 32,
  VALUES_IQ1: usize = VALUES + 48;

/**
 * One tile: total = sum over sub-blocks of scale * (sum (w + 64) * y - 64 * sum y), f = f + total * (d_w * d_y).
 * The sums are those of slab7 (slab.ts), and so are their limits.
 * @tiles 1x1
 */
function codes(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN), low16 = v128.load_splat<u32>(LOW16);
  const m15 = v128.load_splat<u32>(M15), values = v128.load(w), spread = v128.load(SPREAD);
  let w$g = w + groupBytes * $g + 16;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero, least$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    const d$g = v128.load(w$g);
    let scales$g = w$g + 16;
    let sums = y + 20 * $C;
    y += 84 * $C;
    w$g += 80;
    for (let j: u32 = 0; j < 16; j++) {
      const k$g = spreadScales(v128.load32_zero(scales$g), spread);
      const sum$c = v128.load_splat<u32>(sums, 4 * $c);
      let a$g$c = scaledStart(total$g$c, sum$c);
      for (let $i = 0; $i < 2; $i++) {
        const q$g = v128.load(w$g, 16 * $i);
        const low$g = lookup(values, v128.and(q$g, m15)), high$g = lookup(values, v128.and(i16x8.shr_u(q$g, 4), m15));
        const lowEven$g = even(low$g, evenMask), lowOdd$g = odd(low$g);
        const highEven$g = even(high$g, evenMask), highOdd$g = odd(high$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * (2 * $i * STEP) + $c));
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * (2 * $i * STEP + 1) + $c)) : y$c;
          a$g$c = scaledStep(a$g$c, lowEven$g, lowOdd$g, y$c, z$c, k$g);
        }
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * ((2 * $i + 1) * STEP) + $c));
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * ((2 * $i + 1) * STEP + 1) + $c)) : y$c;
          a$g$c = scaledStep(a$g$c, highEven$g, highOdd$g, y$c, z$c, k$g);
        }
      }
      total$g$c = scaledEnd(total$g$c, a$g$c, k$g);
      const kLow$g = v128.and(k$g, low16);
      least$g$c = scaledLeast(least$g$c, kLow$g, sum$c);
      scales$g += 4;
      w$g += 32;
      sums += 4 * $C;
      y += 16 * STEP * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(addLeast(total$g$c, least$g$c)), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n blocks of a group, from `first` on, to slabs (unsigned7): the way for many columns. */
export function unpackCodes(group: usize, first: u32, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15), values = v128.load(group), spread = v128.load(SPREAD);
  let block = group + Codes.values + <usize>first * Codes.bytes;
  for (; n > 0; n--, slab += Slab.bytes) {
    v128.store(slab, v128.load(block));
    block += Codes.scales;
    for (let to = slab, end = slab + 256; to < end; to += 16, block += 4) {
      v128.store(to, spreadScales(v128.load32_zero(block), spread), Slab.scales);
    }
    for (let to = slab, end = slab + 1024; to < end; to += 32, block += 16) {
      const q = v128.load(block);
      v128.store(to, lookup(values, v128.and(q, m15)), Slab.weights);
      v128.store(to, lookup(values, v128.and(i16x8.shr_u(q, 4), m15)), Slab.weights + 16);
    }
  }
}

/** A slab (unsigned7) to a block of codes. */
export function encodeSlab(slab: usize, values: usize, block: usize): void {
  v128.store(block, v128.load(slab));
  for (let j: u32 = 0; j < 16; j++) {
    for (let r: u32 = 0; r < 4; r++) {
      store<u8>(block + (j << 2) + r, load<u8>(slab + (j << 4) + (r << 2), Slab.scales), Codes.scales);
    }
  }
  for (let i: u32 = 0; i < 32; i++) {
    const low = codesOf(v128.load(slab + (i << 5), Slab.weights), values);
    const high = codesOf(v128.load(slab + (i << 5), Slab.weights + 16), values);
    v128.store(block + (i << 4), v128.or(low, i16x8.shl(high, 4)), Codes.codes);
  }
}

/** Places of 16 weights + 64 among the values. */
function codesOf(weights: v128, values: usize): v128 {
  let codes = i32x4.splat(0);
  for (let i: u32 = 1; i < 16; i++) {
    const same = i8x16.eq(weights, v128.load_splat<u8>(values + i));
    codes = v128.or(codes, v128.and(same, i8x16.splat(<i8>i)));
  }
  return codes;
}

/** Row `lane` of a group as k f32. */
export function dequantizeCodes(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  let block = group + Codes.values;
  for (let b: u32 = 0; b < nb; b++, block += Codes.bytes) {
    const d = load<f32>(block + (lane << 2));
    for (let e: u32 = 0; e < 256; e++, out += 4) {
      const scale = d * <f32>load<i8>(block + ((e >> 4) << 2) + lane, Codes.scales);
      const both = <u32>load<u8>(block + ((e >> 3) << 4) + (lane << 2) + (e & 3), Codes.codes);
      const code = (both >> (e & 4)) & 15;
      store<f32>(out, scale * <f32>(<i32>load<u8>(group + code) - 64));
    }
  }
}
