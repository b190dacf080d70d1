// TQ1_0: 256 weights of three values, five in a byte, with one scale, w = (trit - 1) * d.
//
// GGUF block, 54 bytes:      0          48       52       54
//                            | qs 48 B  | qh 4 B | d f16  |
//   a byte holds the trits t0 .. t4 as ceil((81 t0 + 27 t1 + 9 t2 + 3 t3 + t4) * 256 / 243): tn = ((byte * 3^n) & 255) * 3 >> 8
//   e < 160: trit e / 32 of qs[e % 32]; e < 240: trit (e - 160) / 16 of qs[32 + e % 16]; else trit (e - 240) / 4 of qh[e % 4]
//
// R4 block of 4 rows, 216 bytes:
//   0    [4 f16]     d
//   8    [13 x 16 B] elements 20j .. 20j + 19: vector j, byte 4r + k: row r, element 4n + k of them is trit n; the last
//                    vector holds 16 elements. Bytes less 128: V8 takes three instructions to compare unsigned ones, one for signed

import { f16ToF32, loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { settle, sumOf256 } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { BELOW1, BELOW2, EVEN, ONES } from "../lanes/masks";
import { headBytes } from "./activation-forms";
import { addStep } from "./tile-parts";

/**
 * One tile: total = sum trit * y - sum y, f = f + total * (d_w * d_y). A trit is the number of thresholds (a third and
 * two thirds of 256, less 128) that its byte reaches; times 3 mod 256 brings the next one.
 * @tiles 1x1 2x4 1x4
 */
function tq1_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), below1 = v128.load_splat<u32>(BELOW1), below2 = v128.load_splat<u32>(BELOW2);
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
    for (let j: u32 = 0; j < 13; j++) {
      let v$g = v128.load(w$g);
      let a$g$c = total$g$c;
      for (let $n = 0; $n < 4; $n++) {
        const u$g = trits(v$g, below1, below2);
        v$g = i8x16.add(v$g, i8x16.add(v$g, v$g));
        const qEven$g = even(u$g, evenMask), qOdd$g = odd(u$g);
        addStep(a$g$c, $n == 0, qEven$g, qOdd$g, y, 0, $n);
      }
      if (j < 12) {
        const u$g = trits(v$g, below1, below2);
        const qEven$g = even(u$g, evenMask), qOdd$g = odd(u$g);
        addStep(a$g$c, false, qEven$g, qOdd$g, y, 0, 4);
        y += 4 * STEP * $C;
      }
      total$g$c = settle(total$g$c, a$g$c, ones);
      w$g += 16;
      y += 16 * STEP * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** The first trits of bytes less 128; below1, below2: load_splat(BELOW1), load_splat(BELOW2). */
// @ts-ignore: decorator
@inline
export function trits(v: v128, below1: v128, below2: v128): v128 {
  return i8x16.sub(i8x16.neg(i8x16.gt_s(v, below1)), i8x16.gt_s(v, below2));
}

/** Trit n of a byte. */
// @ts-ignore: decorator
@inline
export function trit(byte: u32, n: u32): u32 {
  const power: u32 = n == 0 ? 1 : n == 1 ? 3 : n == 2 ? 9 : n == 3 ? 27 : 81;
  return (((byte * power) & 255) * 3) >> 8;
}

/** Trit of element e of a GGUF block. */
function tritOfBlock(block: usize, e: u32): u32 {
  if (e < 160) return trit(load<u8>(block + (e & 31)), e >> 5);
  if (e < 240) return trit(load<u8>(block + 32 + (e & 15)), (e - 160) >> 4);
  return trit(load<u8>(block + 48 + (e & 3)), (e - 240) >> 2);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackTQ1_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 54, to += 216) {
      store<u16>(to + (r << 1), load<u16>(block, 52));
      for (let j: u32 = 0; j < 13; j++) {
        for (let i: u32 = 0; i < 4; i++) {
          let value: u32 = 0;
          for (let n: u32 = 0; n < 5; n++) {
            const e = 20 * j + 4 * n + i;
            value = value * 3 + (e < 256 ? tritOfBlock(block, e) : 0);
          }
          store<u8>(to + (j << 4) + (r << 2) + i, (((value << 8) + 242) / 243) ^ 128, 8);
        }
      }
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeTQ1_0(group: usize, lane: u32, k: u32, out: usize): void {
  for (let e: u32 = 0; e < k; e++, out += 4) {
    const block = group + 216 * (e >> 8), place = (e & 255) / 20, within = (e & 255) % 20;
    const d = f16ToF32(load<u16>(block + (lane << 1)));
    const t = trit(load<u8>(block + (place << 4) + (lane << 2) + (within & 3), 8) ^ 128, within >> 2);
    store<f32>(out, <f32>(<i32>t - 1) * d);
  }
}
