// NVFP4: 64 weights of 4 bits (E2M1 floats) in 4 sub-blocks of 16 with a scale each, w = s[j] * values[q].
//
// GGUF block, 36 bytes:      0               4                  36
//                            | scales 4 x u8 | qs 32 B          |
//   s[j]: unsigned E4M3 (exponent in bits 3-6, bias 7, mantissa in bits 0-2), halved; bit 7 means nothing, but the
//   byte 0x7f is 0 and 0xff is not
//   sub-block j, element e < 8: low nibble of qs[8j + e]; else high of qs[8j + e - 8]
//
// R4 block of 4 rows, 144 bytes:
//   0    [16 B]     scales, byte 4j + r: row r, sub-block j
//   16   [4 x 32 B] sub-block j: two vectors; vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { M15, ONES, dotMinus, dotSigned, evenSigned, lookup, oddSigned, settleSigned } from "../lanes";
import { MXFP4_VALUES } from "./mxfp4";
import { HalfSlab } from "./offset-slab";

const C: usize = memory.data<u32>([
  0x7f, // 0: the byte without its top bit
  0x3b800000, // 4: 119 << 23, the difference of the exponent biases, less 1 for the halving
  0x3c000000, // 8: 2^-7
], 16);

/**
 * Four scale bytes at p as f32x4. v is 2^(exponent - 8) * (1 + mantissa / 8); with exponent 0 the value is
 * mantissa * 2^-10 = v + (v - 2^-7). Every step is exact, no operand subnormal.
 */
// @ts-ignore: decorator
@inline
export function loadUE4M3x4(p: usize): v128 {
  const m127 = v128.load_splat<u32>(C);
  const b = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p)));
  const v = i32x4.add(i32x4.shl(v128.and(b, m127), 20), v128.load_splat<u32>(C + 4));
  const value = f32x4.add(v, f32x4.pmin(i32x4.splat(0), f32x4.sub(v, v128.load_splat<u32>(C + 8))));
  return v128.andnot(value, i32x4.eq(b, m127));
}

/**
 * One tile, per sub-block: acc = sum values[q] * y, f = f + acc * (s * d_y).
 * @tiles 1x1
 */
function nvfp4(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const zero = i32x4.splat(0), ones = v128.load_splat<u32>(ONES), m15 = v128.load_splat<u32>(M15);
  const values = v128.load(MXFP4_VALUES);
  let w$g = w + groupBytes * $g, d$g = w$g;
  let f$g$c = f32x4.splat(0);
  // a block of the activations is half a block of weights
  for (let b: u32 = 0; b < nb; b++) {
    if ((b & 1) == 0) {
      d$g = w$g;
      w$g += 16;
    }
    for (let $j = 0; $j < 2; $j++) {
      let plus$g$c = zero, minus$g$c = zero;
      for (let $i = 0; $i < 2; $i++) {
        const v$g = v128.load(w$g, 32 * $j + 16 * $i);
        const low$g = i8x16.swizzle(values, v128.and(v$g, m15));
        const high$g = i8x16.swizzle(values, v128.and(i16x8.shr_u(v$g, 4), m15));
        const lowEven$g = evenSigned(low$g), lowOdd$g = oddSigned(low$g);
        const highEven$g = evenSigned(high$g), highOdd$g = oddSigned(high$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * (1 + 8 * $j + 4 * $i) + $c));
          const z$c = v128.load_splat<u32>(y, 4 * ($C * (2 + 8 * $j + 4 * $i) + $c));
          plus$g$c = dotSigned(plus$g$c, lowEven$g, lowOdd$g, y$c, z$c, ones);
          minus$g$c = dotMinus(minus$g$c, low$g, z$c);
        }
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * (3 + 8 * $j + 4 * $i) + $c));
          const z$c = v128.load_splat<u32>(y, 4 * ($C * (4 + 8 * $j + 4 * $i) + $c));
          plus$g$c = dotSigned(plus$g$c, highEven$g, highOdd$g, y$c, z$c, ones);
          minus$g$c = dotMinus(minus$g$c, high$g, z$c);
        }
      }
      const dw$g = loadUE4M3x4(d$g + 4 * $j);
      {
        const dy$c = v128.load_splat<u32>(y, 4 * $c);
        const total$g$c = f32x4.convert_i32x4_s(settleSigned(plus$g$c, minus$g$c));
        f$g$c = f32x4.add(f$g$c, f32x4.mul(total$g$c, f32x4.mul(dw$g, dy$c)));
      }
    }
    d$g += 8;
    w$g += 64;
    y += $C * 68;
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks of 64 weights to slabs, two each, as values + 16. */
export function unpackNVFP4(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15), values = i8x16.add(v128.load(MXFP4_VALUES), i8x16.splat(16));
  for (; n > 0; n--, block += 144) {
    for (let j: u32 = 0; j < 4; j++, slab += HalfSlab.bytes) {
      v128.store(slab, loadUE4M3x4(block + (j << 2)));
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
        store<u8>(to + (j << 2) + r, load<u8>(block + j));
        const first = load<u32>(block + (j << 3), 4), second = load<u32>(block + (j << 3), 8);
        store<u32>(q + (j << 5), (first & 0x0f0f0f0f) | ((second & 0x0f0f0f0f) << 4));
        store<u32>(q + (j << 5), ((first >> 4) & 0x0f0f0f0f) | (second & 0xf0f0f0f0), 16);
      }
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeNVFP4(group: usize, lane: u32, k: u32, out: usize): void {
  const nSubBlocks = k >> 4;
  for (let j: u32 = 0; j < nSubBlocks; j++) {
    const block = group + <usize>(j >> 2) * 144;
    const q = block + ((j & 3) << 5) + (lane << 2) + 16;
    const byte = <u32>load<u8>(block + ((j & 3) << 2) + lane), b = byte & 127, mantissa = b & 7;
    const s: f32 = byte == 127 ? 0
      : b < 8 ? <f32>mantissa * <f32>0.0009765625
      : reinterpret<f32>((b << 20) + 0x3b800000);
    for (let e: u32 = 0; e < 16; e++, out += 4) {
      const code = (<u32>load<u8>(q + ((e >> 3) << 4) + (e & 3)) >> (e & 4)) & 15;
      store<f32>(out, s * <f32>load<i8>(MXFP4_VALUES + code));
    }
  }
}
