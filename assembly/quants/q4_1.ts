// Q4_1: 32 weights of 4 bits with one scale and one minimum, w = d * q + m.
//
// GGUF block, 20 bytes:      0        2        4                  20
//                            | d f16  | m f16  | qs 16 B          |
//   element e < 16: low nibble of qs[e]; else high of qs[e - 16]
//
// R4 block of 4 rows, 80 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [4 f16]    m
//   16   [4 x 16 B] vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32 } from "../half";
import { STEP } from "../lanes/builds";
import { settle } from "../lanes/dots";
import { EVEN, M15, ONES } from "../lanes/masks";
import { nibbleAt, repackNibbles } from "./nibbles";
import { addProductAndMinimum, addTwoSteps, loadScales } from "./tile-parts";

/**
 * One tile: f = f + (sum q * y) * (d_w * d_y), then f = f + (sum y) * (m_w * d_y).
 * @tiles 1x1 2x4 1x4
 */
function q4_1(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const m15 = v128.load_splat<u32>(M15), evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  const zero = i32x4.splat(0);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let a$g$c = zero;
    for (let $i = 0; $i < 4; $i++) {
      const v$g = v128.load(w$g, 16 + 16 * $i);
      const low$g = v128.and(v$g, m15), high$g = v128.and(i16x8.shr_u(v$g, 4), m15);
      addTwoSteps(a$g$c, $i == 0, low$g, high$g, evenMask, y, $i);
    }
    let dw$g = zero, mw$g = zero;
    loadScales(dw$g, mw$g, w$g);
    addProductAndMinimum(f$g$c, settle(zero, a$g$c, ones), dw$g, mw$g, y);
    w$g += 80;
    y += $C * (8 + 32 * STEP);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ4_1(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 5;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 20, to += 80) {
      store<u16>(to + (r << 1), load<u16>(block));
      store<u16>(to + (r << 1), load<u16>(block, 2), 8);
      repackNibbles(to + (r << 2) + 16, v128.load(block, 4));
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ4_1(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  for (let b: u32 = 0; b < nb; b++, group += 80) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    const m = f16ToF32(load<u16>(group + (lane << 1), 8));
    for (let e: u32 = 0; e < 32; e++, out += 4) store<f32>(out, <f32>nibbleAt(group + 16, lane, e) * d + m);
  }
}
