// Q5_0: 32 weights of 5 bits with one scale, w = d * (q - 16).
//
// GGUF block, 22 bytes:      0        2          6                  22
//                            | d f16  | qh u32   | qs 16 B          |
//   element e: bit 4 is bit e of qh; low bits: e < 16: low nibble of qs[e]; else high of qs[e - 16]
//
// R4 block of 4 rows, 88 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [16 B]     byte 4r + k, bit s: bit 4 of row r, element 4s + k
//   24   [4 x 16 B] vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32, loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { settle } from "../lanes/dots";
import { EVEN, M15, M16, ONES } from "../lanes/masks";
import { fifthBitAt, fifthBits, packFifthBits } from "./fifth-bits";
import { nibbleAt, repackNibbles } from "./nibbles";
import { OffsetSlab } from "./offset-slab";
import { addProduct, addTwoSteps, loadScale } from "./tile-parts";

/**
 * One tile: acc = sum q * y - 16 * sum y, f = f + acc * (d_w * d_y).
 * @tiles 1x1 2x4 1x4
 */
function q5_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const m15 = v128.load_splat<u32>(M15), evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  const m16 = v128.load_splat<u32>(M16), zero = i32x4.splat(0);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const start$c = i32x4.shl(v128.load_splat<u32>(y, 4 * ($C + $c)), 4);
    let a$g$c = start$c, sum$g$c = start$c;
    const h$g = v128.load(w$g, 8);
    for (let $i = 0; $i < 4; $i++) {
      const v$g = v128.load(w$g, 24 + 16 * $i);
      const low$g = v128.or(v128.and(v$g, m15), fifthBits(h$g, 2 * $i, m16));
      const high$g = v128.or(v128.and(i16x8.shr_u(v$g, 4), m15), fifthBits(h$g, 2 * $i + 1, m16));
      addTwoSteps(a$g$c, $i % 2 == 0, low$g, high$g, evenMask, y, $i);
      if ($i % 2 == 1) sum$g$c = settle(sum$g$c, a$g$c, ones);
    }
    let dw$g = zero;
    loadScale(dw$g, w$g);
    addProduct(f$g$c, sum$g$c, dw$g, y);
    w$g += 88;
    y += $C * (8 + 32 * STEP);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks to slabs. */
export function unpackQ5_0(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15), m16 = v128.load_splat<u32>(M16);
  for (; n > 0; n--, block += 88, slab += OffsetSlab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    const h = v128.load(block, 8);
    unpackPair(slab, v128.load(block, 24), m15, fifthBits(h, 0, m16), fifthBits(h, 1, m16));
    unpackPair(slab + 32, v128.load(block, 40), m15, fifthBits(h, 2, m16), fifthBits(h, 3, m16));
    unpackPair(slab + 64, v128.load(block, 56), m15, fifthBits(h, 4, m16), fifthBits(h, 5, m16));
    unpackPair(slab + 96, v128.load(block, 72), m15, fifthBits(h, 6, m16), fifthBits(h, 7, m16));
  }
}

// @ts-ignore: decorator
@inline
function unpackPair(slab: usize, q: v128, m15: v128, low: v128, high: v128): void {
  v128.store(slab, v128.or(v128.and(q, m15), low), OffsetSlab.weights);
  v128.store(slab, v128.or(v128.and(i16x8.shr_u(q, 4), m15), high), OffsetSlab.weights + 16);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ5_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 5;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 22, to += 88) {
      store<u16>(to + (r << 1), load<u16>(block));
      const lane = to + (r << 2);
      store<u32>(lane, packFifthBits(load<u32>(block, 2)), 8);
      repackNibbles(lane + 24, v128.load(block, 6));
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ5_0(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  for (let b: u32 = 0; b < nb; b++, group += 88) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let e: u32 = 0; e < 32; e++, out += 4) {
      store<f32>(out, <f32>((nibbleAt(group + 24, lane, e) | fifthBitAt(group + 8, lane, e)) - 16) * d);
    }
  }
}
