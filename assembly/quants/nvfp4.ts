// NVFP4: 64 weights of 4 bits (E2M1 floats) in 4 sub-blocks of 16 with a scale each, w = s[j] * values[q].
//
// GGUF block, 36 bytes:      0               4                  36
//                            | scales 4 x u8 | qs 32 B          |
//   s[j]: unsigned E4M3 (exponent in bits 3-6, bias 7, mantissa in bits 0-2), halved; bit 7 means nothing, but the
//   byte 0x7f is 0 and 0xff is not
//   sub-block j, element e < 8: low nibble of qs[8j + e]; else high of qs[8j + e - 8]
//
// R4 block of 4 rows, 144 bytes:
//   0    [16 B]     scales, byte 4r + j: row r, sub-block j: exponent + 11 in bits 3-7, 0 for s = 0, mantissa: none is subnormal
//   16   [4 x 32 B] sub-block j: two vectors; vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { dot, settled } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M15, ONES } from "../lanes/masks";
import { MXFP4_VALUES } from "./mxfp4";
import { HalfSlab } from "./offset-slab";

const C: usize = memory.data<u32>([
  0x0ff00000, // 0: a scale byte where an f32 has its exponent, less 116
  0x79800000, // 4: 2^116
], 16);
export const SCALE_BITS: usize = C;
export const SCALE_UNIT: usize = C + 4;
/** Scale bytes of mantissas 0..7 with exponent 0, m * 2^-10. */
const SUBNORMAL: usize = memory.data<u8>([0, 8, 16, 20, 24, 26, 28, 30]);

/** Scales of the sub-block whose bytes are `at` bits above the lowest of each lane, as f32x4; at: 0 or 8. */
// @ts-ignore: decorator
@inline
export function scalesNVFP4(bytes: v128, at: i32, bits: v128, unit: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(bytes, 20 - at), bits), unit);
}

/** The values and 16 more, which are 7 bits. */
// @ts-ignore: decorator
@inline
export function valuesNVFP4(): v128 {
  return i8x16.add(v128.load(MXFP4_VALUES), i8x16.splat(16));
}

/**
 * One column, per sub-block, with v = values + 16: acc = sum v * y - 16 * sum y, where it begins, f = f + acc * (s * d_y).
 * rel16: in the end |acc| <= 4 * 2 * 12 * 127 in each i16; what wraps before comes back.
 * @tiles 1x1
 */
function nvfp4(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 6;
  const ones = v128.load_splat<u32>(ONES), m15 = v128.load_splat<u32>(M15), evenMask = v128.load_splat<u32>(EVEN);
  const values = valuesNVFP4(), bits = v128.load_splat<u32>(SCALE_BITS), unit = v128.load_splat<u32>(SCALE_UNIT);
  let f = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let scales = v128.load(w);
    w += 16;
    // a block of the activations is half a block of weights
    for (const end = w + 128; w < end; w += 64) {
      const dy = v128.load_splat<u32>(y);
      for (let $j = 0; $j < 2; $j++) {
        let a = v128.load_splat<u32>(y, 4 + (4 + 16 * STEP) * $j);
        for (let $i = 0; $i < 2; $i++) {
          const q = v128.load(w, 32 * $j + 16 * $i);
          const low = lookup(values, v128.and(q, m15)), high = lookup(values, v128.and(i16x8.shr_u(q, 4), m15));
          const y0 = v128.load_splat<u32>(y, 8 + (4 + 16 * STEP) * $j + 8 * STEP * $i);
          const z0 = STEP == 2 ? v128.load_splat<u32>(y, 12 + (4 + 16 * STEP) * $j + 8 * STEP * $i) : y0;
          a = dot(false, a, even(low, evenMask), odd(low), y0, z0);
          const y1 = v128.load_splat<u32>(y, 8 + (4 + 16 * STEP) * $j + 8 * STEP * $i + 4 * STEP);
          const z1 = STEP == 2 ? v128.load_splat<u32>(y, 12 + (4 + 16 * STEP) * $j + 8 * STEP * $i + 4 * STEP) : y1;
          a = dot(false, a, even(high, evenMask), odd(high), y1, z1);
        }
        const s = scalesNVFP4(scales, 8 * $j, bits, unit);
        f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(settled(a, ones)), f32x4.mul(s, dy)));
      }
      scales = i32x4.shr_u(scales, 16);
      y += 12 + 32 * STEP;
    }
  }
  v128.store(out, f);
}

/** n R4 blocks of 64 weights to slabs, two each, as values + 16. */
export function unpackNVFP4(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15), values = valuesNVFP4();
  const bits = v128.load_splat<u32>(SCALE_BITS), unit = v128.load_splat<u32>(SCALE_UNIT);
  for (; n > 0; n--, block += 144) {
    for (let j: u32 = 0; j < 4; j++, slab += HalfSlab.bytes) {
      v128.store(slab, scalesNVFP4(i32x4.shr_u(v128.load(block), j << 3), 0, bits, unit));
      const v0 = v128.load(block + (j << 5), 16), v1 = v128.load(block + (j << 5), 32);
      v128.store(slab, lookup(values, v128.and(v0, m15)), HalfSlab.weights);
      v128.store(slab, lookup(values, v128.and(i16x8.shr_u(v0, 4), m15)), HalfSlab.weights + 16);
      v128.store(slab, lookup(values, v128.and(v1, m15)), HalfSlab.weights + 32);
      v128.store(slab, lookup(values, v128.and(i16x8.shr_u(v1, 4), m15)), HalfSlab.weights + 48);
    }
  }
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackNVFP4(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 6;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 36, to += 144) {
      const q = to + (r << 2) + 16;
      for (let j: u32 = 0; j < 4; j++) {
        store<u8>(to + (r << 2) + j, scaleByte(load<u8>(block + j)));
        const first = load<u32>(block + (j << 3), 4), second = load<u32>(block + (j << 3), 8);
        store<u32>(q + (j << 5), (first & 0x0f0f0f0f) | ((second & 0x0f0f0f0f) << 4));
        store<u32>(q + (j << 5), ((first >> 4) & 0x0f0f0f0f) | (second & 0xf0f0f0f0), 16);
      }
    }
  }
}

/** A group's scale byte for one of the file. */
function scaleByte(byte: u32): u32 {
  const b = byte & 127;
  if (b < 8) return load<u8>(SUBNORMAL + b);
  return byte == 127 ? 0 : b + 24;
}

/** Row `lane` of a group as k f32. */
export function dequantizeNVFP4(group: usize, lane: u32, k: u32, out: usize): void {
  const nSubBlocks = k >> 4;
  for (let j: u32 = 0; j < nSubBlocks; j++) {
    const block = group + <usize>(j >> 2) * 144;
    const q = block + ((j & 3) << 5) + (lane << 2) + 16;
    const s = reinterpret<f32>(<u32>load<u8>(block + (lane << 2) + (j & 3)) << 20) * load<f32>(SCALE_UNIT);
    for (let e: u32 = 0; e < 16; e++, out += 4) {
      const code = (<u32>load<u8>(q + ((e >> 3) << 4) + (e & 3)) >> (e & 4)) & 15;
      store<f32>(out, s * <f32>load<i8>(MXFP4_VALUES + code));
    }
  }
}
