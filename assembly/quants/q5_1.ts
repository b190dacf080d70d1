// Q5_1: 32 weights of 5 bits with one scale and one minimum, w = d * q + m.
//
// GGUF block, 24 bytes:      0        2        4          8                  24
//                            | d f16  | m f16  | qh u32   | qs 16 B          |
//   element e: bit 4 is bit e of qh; low bits: e < 16: low nibble of qs[e]; else high of qs[e - 16]
//
// R4 block of 4 rows, 96 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [4 f16]    m
//   16   [16 B]     byte 4r + k, bit s: bit 4 of row r, element 4s + k
//   32   [4 x 16 B] vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32 } from "../half";
import { STEP } from "../lanes/builds";
import { settle } from "../lanes/dots";
import { EVEN, M15, M16, ONES } from "../lanes/masks";
import { fifthBitAt, fifthBits, packFifthBits } from "./fifth-bits";
import { nibbleAt, repackNibbles } from "./nibbles";
import { addProductAndMinimum, addTwoSteps, loadScales } from "./tile-parts";

/**
 * One tile: f = f + (sum q * y) * (d_w * d_y), then f = f + (sum y) * (m_w * d_y).
 * @tiles 1x1 2x4 1x4
 */
function q5_1(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const m15 = v128.load_splat<u32>(M15), evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  const m16 = v128.load_splat<u32>(M16), zero = i32x4.splat(0);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let a$g$c = zero, sum$g$c = zero;
    const h$g = v128.load(w$g, 16);
    for (let $i = 0; $i < 4; $i++) {
      const v$g = v128.load(w$g, 32 + 16 * $i);
      const low$g = v128.or(v128.and(v$g, m15), fifthBits(h$g, 2 * $i, m16));
      const high$g = v128.or(v128.and(i16x8.shr_u(v$g, 4), m15), fifthBits(h$g, 2 * $i + 1, m16));
      addTwoSteps(a$g$c, $i % 2 == 0, low$g, high$g, evenMask, y, $i);
      if ($i % 2 == 1) sum$g$c = settle(sum$g$c, a$g$c, ones);
    }
    let dw$g = zero, mw$g = zero;
    loadScales(dw$g, mw$g, w$g);
    addProductAndMinimum(f$g$c, sum$g$c, dw$g, mw$g, y);
    w$g += 96;
    y += $C * (8 + 32 * STEP);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ5_1(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 5;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 24, to += 96) {
      store<u16>(to + (r << 1), load<u16>(block));
      store<u16>(to + (r << 1), load<u16>(block, 2), 8);
      const lane = to + (r << 2);
      store<u32>(lane, packFifthBits(load<u32>(block, 4)), 16);
      repackNibbles(lane + 32, v128.load(block, 8));
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ5_1(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  for (let b: u32 = 0; b < nb; b++, group += 96) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    const m = f16ToF32(load<u16>(group + (lane << 1), 8));
    for (let e: u32 = 0; e < 32; e++, out += 4) {
      store<f32>(out, <f32>(nibbleAt(group + 32, lane, e) | fifthBitAt(group + 16, lane, e)) * d + m);
    }
  }
}
