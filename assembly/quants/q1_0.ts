// Q1_0: 128 weights of 1 bit with one scale, w = bit ? d : -d.
//
// GGUF block, 18 bytes:      0        2                  18
//                            | d f16  | qs 16 B          |   e: bit e % 8 of qs[e / 8]
//
// R4 block of 4 rows, 72 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [4 x 16 B] elements 32i .. 32i + 31: vector i, byte 4r + k: row r, element 4n + k of them in bit n

import { f16ToF32, loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { settle } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M1, ONES } from "../lanes/masks";
import { packFifthBits } from "./fifth-bits";
import { addProduct, addStep } from "./tile-parts";

/**
 * One tile, per 32 weights: acc = 2 * sum bit * y - sum y, f = f + acc * (d_w * d_y).
 * @tiles 1x1 2x4 1x4
 */
function q1_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 7;
  const zero = i32x4.splat(0), m1 = v128.load_splat<u32>(M1);
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const dw$g = loadFiniteF16x4(w$g);
    w$g += 8;
    for (let j: u32 = 0; j < 4; j++) {
      const v$g = v128.load(w$g);
      let a$g$c = zero;
      for (let $n = 0; $n < 8; $n++) {
        const u$g = v128.and($n == 0 ? v$g : i16x8.shr_u(v$g, $n), m1);
        const qEven$g = even(u$g, evenMask), qOdd$g = odd(u$g);
        addStep(a$g$c, $n == 0, qEven$g, qOdd$g, y, 2, $n);
      }
      {
        const sum$c = v128.load_splat<u32>(y, 4 * ($C + $c));
        addProduct(f$g$c, i32x4.add(i32x4.shl(settle(zero, a$g$c, ones), 1), sum$c), dw$g, y);
      }
      w$g += 16;
      y += $C * (8 + 32 * STEP);
    }
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ1_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 7;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 18, to += 72) {
      store<u16>(to + (r << 1), load<u16>(block));
      const lane = to + (r << 2);
      for (let i: u32 = 0; i < 4; i++) store<u32>(lane + (i << 4), packFifthBits(load<u32>(block + (i << 2), 2)), 8);
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ1_0(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 7;
  for (let b: u32 = 0; b < nb; b++, group += 72) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let e: u32 = 0; e < 128; e++, out += 4) {
      const bit = (<u32>load<u8>(group + (lane << 2) + ((e >> 5) << 4) + (e & 3), 8) >> ((e >> 2) & 7)) & 1;
      store<f32>(out, bit ? d : -d);
    }
  }
}
