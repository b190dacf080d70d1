// Q6_0 (ik_llama.cpp): 32 weights of 6 bits with one scale, w = d * (q - 32).
//
// GGUF block, 26 bytes:      0        2          10                 26
//                            | d f16  | qh 8 B   | qs 16 B          |   e < 16: low nibble of qs[e]; else high of qs[e - 16]
//   bits 4-5 of element e, j = e % 16: bits of qh[j % 8] from 4 * (j / 8) on, two further where e >= 16
//
// R4 block of 4 rows, 104 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [2 x 16 B] bits 4-5: vector h, byte 4r + k: row r, element 16h + 4n + k in bits 2n and 2n + 1
//   40   [4 x 16 B] bits 0-3: vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32, loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { settle } from "../lanes/dots";
import { EVEN, M15, M48, ONES } from "../lanes/masks";
import { nibbleAt, repackNibbles } from "./nibbles";
import { OffsetSlab } from "./offset-slab";
import { addProduct, addTwoSteps } from "./tile-parts";
import { packTwoBits, twoBitsAt } from "./two-bits";

/** Bits 2n and 2n + 1 of every byte, as bits 4-5. */
// @ts-ignore: decorator
@inline
export function highBits6(h: v128, n: i32, m48: v128): v128 {
  return v128.and(n < 2 ? i16x8.shl(h, 4 - 2 * n) : n == 2 ? h : i16x8.shr_u(h, 2), m48);
}

/**
 * One tile: acc = sum q * y - 32 * sum y, f = f + acc * (d_w * d_y).
 * @tiles 1x1 2x4 1x4
 */
function q6_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const m15 = v128.load_splat<u32>(M15), m48 = v128.load_splat<u32>(M48);
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const start$c = i32x4.shl(v128.load_splat<u32>(y, 4 * ($C + $c)), 5);
    let a$g$c = start$c, sum$g$c = start$c;
    for (let $i = 0; $i < 4; $i++) {
      const v$g = v128.load(w$g, 40 + 16 * $i), h$g = v128.load(w$g, 8 + 16 * ($i >> 1));
      const low$g = v128.or(v128.and(v$g, m15), highBits6(h$g, 2 * ($i & 1), m48));
      const high$g = v128.or(v128.and(i16x8.shr_u(v$g, 4), m15), highBits6(h$g, 2 * ($i & 1) + 1, m48));
      addTwoSteps(a$g$c, true, low$g, high$g, evenMask, y, $i);
      sum$g$c = settle(sum$g$c, a$g$c, ones);
    }
    const dw$g = loadFiniteF16x4(w$g);
    addProduct(f$g$c, sum$g$c, dw$g, y);
    w$g += 104;
    y += $C * (8 + 32 * STEP);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks to slabs. */
export function unpackQ6_0(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15), m48 = v128.load_splat<u32>(M48);
  for (; n > 0; n--, block += 104, slab += OffsetSlab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    for (let i: u32 = 0; i < 4; i++) {
      const q = v128.load(block + (i << 4), 40), h = v128.load(block + ((i >> 1) << 4), 8), to = slab + (i << 5);
      const low = i & 1 ? highBits6(h, 2, m48) : highBits6(h, 0, m48);
      const high = i & 1 ? highBits6(h, 3, m48) : highBits6(h, 1, m48);
      v128.store(to, v128.or(v128.and(q, m15), low), OffsetSlab.weights);
      v128.store(to, v128.or(v128.and(i16x8.shr_u(q, 4), m15), high), OffsetSlab.weights + 16);
    }
  }
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ6_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 5;
  const m3 = i8x16.splat(3);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 26, to += 104) {
      store<u16>(to + (r << 1), load<u16>(block));
      const lane = to + (r << 2);
      const qh = v128.load64_zero(block, 2);
      // bytes 0-7: elements 0-7 (16-23), bytes 8-15: the nibbles above
      const both = v128.or(qh, v128.shuffle<i64>(i32x4.splat(0), i16x8.shr_u(qh, 4), 0, 2));
      store<u32>(lane, packTwoBits(v128.and(both, m3)), 8);
      store<u32>(lane, packTwoBits(v128.and(i16x8.shr_u(both, 2), m3)), 24);
      repackNibbles(lane + 40, v128.load(block, 10));
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ6_0(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  for (let b: u32 = 0; b < nb; b++, group += 104) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let e: u32 = 0; e < 32; e++, out += 4) {
      const high = twoBitsAt(group + (lane << 2) + ((e >> 4) << 4) + 8, e & 15);
      store<f32>(out, <f32>((nibbleAt(group + 40, lane, e) | (high << 4)) - 32) * d);
    }
  }
}
