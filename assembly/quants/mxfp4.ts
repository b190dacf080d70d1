// MXFP4: 32 weights of 4 bits (E2M1 floats) with a power of two as scale, w = 2^(e - 128) * values[q].
//
// GGUF block, 17 bytes:      0       1                  17
//                            | e u8  | qs 16 B          |   e < 16: low nibble of qs[e]; else high of qs[e - 16]
//
// R4 block of 4 rows, 68 bytes:
//   0    [4 u8]     e of rows 0..3
//   4    [4 x 16 B] vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { settle } from "../lanes/dots";
import { EVEN, M15, ONES } from "../lanes/masks";
import { nibbleAt, repackNibbles } from "./nibbles";
import { OffsetSlab } from "./offset-slab";
import { addProduct, addTwoSteps } from "./tile-parts";

/** Address of the 16 values, i8: twice those of E2M1. LAYOUTS.md section 2, kvalues_mxfp4. */
export const MXFP4_VALUES: usize = memory.data<i8>([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], 16);
/** values + 12: unsigned, 5 bits. */
export const MXFP4_SHIFTED: usize = memory.data<u8>([12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0], 16);
const C: usize = memory.data<u32>([
  12, // 0: the offset of the values
  0x00400000, // 4: 2^-127
  0x3f000000, // 8: 1 / 2
], 16);
export const TWELVE: usize = C;
/** Bytes 0..3 to the tops of four lanes. */
export const TOPS: usize = memory.data<u8>([128, 128, 128, 0, 128, 128, 128, 1, 128, 128, 128, 2, 128, 128, 128, 3], 16);

/**
 * Four exponent bytes at p as f32x4 of 2^(e - 128), subnormal for e < 2. As an f32's exponent, e is 2^(e - 127), but for e = 0,
 * which the maximum with that power's bits mends. tops: load(TOPS).
 */
// @ts-ignore: decorator
@inline
export function loadE8M0x4(p: usize, tops: v128): v128 {
  const doubled = i32x4.max_u(i32x4.shr_u(lookup(v128.load_splat<u32>(p), tops), 1), v128.load_splat<u32>(C + 4));
  return f32x4.mul(doubled, v128.load_splat<u32>(C + 8));
}

/**
 * One tile, with v = values + 12: acc = sum v * y - 12 * sum y, f = f + acc * (d_w * d_y).
 * rel16: four steps of v make at most 4 * 2 * 24 * 127 = 24384.
 * @tiles 1x1 2x4 1x4
 */
function mxfp4(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const m15 = v128.load_splat<u32>(M15), evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  const values = v128.load(MXFP4_SHIFTED), twelve = v128.load_splat<u32>(TWELVE), tops = v128.load(TOPS);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    // a sum of 32 fits i16
    const start$c = i32x4.dot_i16x8_s(v128.load_splat<u32>(y, 4 * ($C + $c)), twelve);
    let a$g$c = start$c, sum$g$c = start$c;
    for (let $i = 0; $i < 4; $i++) {
      const v$g = v128.load(w$g, 4 + 16 * $i);
      const low$g = lookup(values, v128.and(v$g, m15)), high$g = lookup(values, v128.and(i16x8.shr_u(v$g, 4), m15));
      addTwoSteps(a$g$c, $i % 2 == 0, low$g, high$g, evenMask, y, $i);
      if ($i % 2 == 1) sum$g$c = settle(sum$g$c, a$g$c, ones);
    }
    const dw$g = loadE8M0x4(w$g, tops);
    addProduct(f$g$c, sum$g$c, dw$g, y);
    w$g += 68;
    y += $C * (8 + 32 * STEP);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks to slabs. */
export function unpackMXFP4(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15), values = v128.load(MXFP4_SHIFTED), tops = v128.load(TOPS);
  for (; n > 0; n--, block += 68, slab += OffsetSlab.bytes) {
    v128.store(slab, loadE8M0x4(block, tops));
    for (let i: u32 = 0; i < 4; i++) {
      const q = v128.load(block + (i << 4), 4), to = slab + (i << 5);
      v128.store(to, lookup(values, v128.and(q, m15)), OffsetSlab.weights);
      v128.store(to, lookup(values, v128.and(i16x8.shr_u(q, 4), m15)), OffsetSlab.weights + 16);
    }
  }
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackMXFP4(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 5;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 17, to += 68) {
      store<u8>(to + r, load<u8>(block));
      repackNibbles(to + (r << 2) + 4, v128.load(block, 1));
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeMXFP4(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  for (let b: u32 = 0; b < nb; b++, group += 68) {
    const e = <u32>load<u8>(group + lane);
    const d = reinterpret<f32>(e < 2 ? (e + 1) << 21 : (e - 1) << 23);
    for (let i: u32 = 0; i < 32; i++, out += 4) {
      store<f32>(out, d * <f32>load<i8>(MXFP4_VALUES + nibbleAt(group + 4, lane, i)));
    }
  }
}
