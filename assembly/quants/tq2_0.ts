// TQ2_0: 256 weights of 2 bits with one scale, w = (q - 1) * d.
//
// GGUF block, 66 bytes:      0                  64       66
//                            | qs 64 B          | d f16  |
//   element e: h = e / 128, s = (e % 128) / 32: bits 2s and 2s + 1 of qs[32h + e % 32]
//
// R4 block of 4 rows, 264 bytes:
//   0    [4 f16]     d
//   8    [16 x 16 B] elements 16j .. 16j + 15: vector j, byte 4r + k: row r, element 4n + k of them in bits 2n and 2n + 1

import { f16ToF32, loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { addQuarter, dot, settle, sumOf256 } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M12, M3, ONES } from "../lanes/masks";
import { headBytes } from "./activation-forms";
import { addStep } from "./tile-parts";
import { packTwoBits, twoBitsAt } from "./two-bits";

/**
 * One column: total = sum q * y - sum y, f = f + total * (d_w * d_y).
 * Every other code is multiplied where it is, as 4q: one shift for four codes. rel16: eight steps make at most
 * 8 * 2 * 12 * 127 = 24384, and 16 of q 12192.
 * @tiles 1x1
 */
function tq2_0Column(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m3 = v128.load_splat<u32>(M3), m12 = v128.load_splat<u32>(M12);
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let f = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const start = i32x4.neg(sumOf256(y, 4, ones));
    let total = start;
    const dy = v128.load_splat<u32>(y);
    const d = loadFiniteF16x4(w);
    y += 84;
    w += 8;
    // loops, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (let i: u32 = 0; i < 4; i++) {
      let a = total, e = zero;
      for (let $j = 0; $j < 4; $j++) {
        const v = v128.load(w, 16 * $j), u = i16x8.shr_u(v, 4);
        for (let $n = 0; $n < 2; $n++) {
          const first = v128.and($n == 0 ? v : u, m3), second = v128.and($n == 0 ? v : u, m12);
          const firstEven = even(first, evenMask), firstOdd = odd(first);
          const secondEven = even(second, evenMask), secondOdd = odd(second);
          const y0 = v128.load_splat<u32>(y, 8 * $n * STEP);
          const z0 = STEP == 2 ? v128.load_splat<u32>(y, 16 * $n + 4) : y0;
          const y1 = v128.load_splat<u32>(y, (8 * $n + 4) * STEP);
          const z1 = STEP == 2 ? v128.load_splat<u32>(y, 16 * $n + 12) : y1;
          a = dot($j + $n == 0, a, firstEven, firstOdd, y0, z0);
          e = dot($j + $n == 0, e, secondEven, secondOdd, y1, z1);
        }
        // here, not in the offsets above: V8 makes an instruction of most offsets of a splat
        y += 16 * STEP;
      }
      a = addQuarter(a, e);
      total = settle(total, a, ones);
      w += 64;
    }
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/**
 * One tile: total = sum q * y - sum y, f = f + total * (d_w * d_y).
 * rel16: 16 steps of q make at most 16 * 2 * 3 * 127 = 12192.
 * @tiles 2x4 1x4
 */
function tq2_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m3 = v128.load_splat<u32>(M3);
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const start$c = i32x4.neg(sumOf256(y + 4 * $c, 4 * $C, ones));
    let total$g$c = start$c;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    const d$g = loadFiniteF16x4(w$g);
    y += headBytes($C);
    w$g += 8;
    // loops, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (let i: u32 = 0; i < 4; i++) {
      let a$g$c = total$g$c;
      for (let $j = 0; $j < 4; $j++) {
        const v$g = v128.load(w$g, 16 * $j);
        for (let $n = 0; $n < 4; $n++) {
          const u$g = v128.and($n == 0 ? v$g : i16x8.shr_u(v$g, 2 * $n), m3);
          const qEven$g = even(u$g, evenMask), qOdd$g = odd(u$g);
          addStep(a$g$c, $j + $n == 0, qEven$g, qOdd$g, y, 0, 4 * $j + $n);
        }
      }
      total$g$c = settle(total$g$c, a$g$c, ones);
      w$g += 64;
      y += 64 * STEP * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackTQ2_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  const m3 = i8x16.splat(3);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 66, to += 264) {
      store<u16>(to + (r << 1), load<u16>(block, 64));
      for (let j: u32 = 0; j < 16; j++) {
        const qs = v128.load(block + ((j >> 3) << 5) + ((j & 1) << 4));
        store<u32>(to + (r << 2) + (j << 4), packTwoBits(v128.and(i16x8.shr_u(qs, j & 6), m3)), 8);
      }
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeTQ2_0(group: usize, lane: u32, k: u32, out: usize): void {
  for (let e: u32 = 0; e < k; e++, out += 4) {
    const block = group + 264 * (e >> 8);
    const d = f16ToF32(load<u16>(block + (lane << 1)));
    store<f32>(out, <f32>(twoBitsAt(block + (((e >> 4) & 15) << 4) + (lane << 2) + 8, e & 15) - 1) * d);
  }
}
