// Q4_0: 32 weights of 4 bits with one scale, w = d * (q - 8).
//
// GGUF block, 18 bytes:      0        2                  18
//                            | d f16  | qs 16 B          |   e < 16: low nibble of qs[e]; else high of qs[e - 16]
//
// R4 group of 4 rows: [16 B] a mark, not 0 where some d is subnormal or zero (half.ts, markGroup), then K / 32 blocks of 72 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [4 x 16 B] vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32, loadFiniteF16x4, loadNormalF16x4, MARK_BYTES, markGroup } from "../half";
import { STEP } from "../lanes/builds";
import { settle } from "../lanes/dots";
import { NIBBLE, highEven, highOdd, lowEven, lowOdd } from "../lanes/even-odd";
import { M15, ONES } from "../lanes/masks";
import { nibbleAt, repackNibbles } from "./nibbles";
import { OffsetSlab } from "./offset-slab";
import { addProduct, addStep } from "./tile-parts";

/**
 * One tile: acc = sum q * y - 8 * sum y, f = f + acc * (d_w * d_y).
 * @tiles 1x1 2x4 1x4
 */
function q4_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const nibble = v128.load_splat<u32>(NIBBLE), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g + MARK_BYTES;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const start$c = i32x4.shl(v128.load_splat<u32>(y, 4 * ($C + $c)), 3);
    let a$g$c = start$c;
    for (let $i = 0; $i < 4; $i++) {
      const v$g = v128.load(w$g, 8 + 16 * $i);
      const lowEven$g = lowEven(v$g, nibble), lowOdd$g = lowOdd(v$g, nibble);
      const highEven$g = highEven(v$g, nibble), highOdd$g = highOdd(v$g);
      addStep(a$g$c, $i == 0, lowEven$g, lowOdd$g, y, 2, 2 * $i);
      addStep(a$g$c, false, highEven$g, highOdd$g, y, 2, 2 * $i + 1);
    }
    const dw$g = $exact ? loadFiniteF16x4(w$g) : loadNormalF16x4(w$g);
    addProduct(f$g$c, settle(start$c, a$g$c, ones), dw$g, y);
    w$g += 72;
    y += $C * (8 + 32 * STEP);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks to slabs. */
export function unpackQ4_0(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15);
  for (; n > 0; n--, block += 72, slab += OffsetSlab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    for (let i: u32 = 0; i < 4; i++) {
      const q = v128.load(block + (i << 4), 8), to = slab + (i << 5);
      v128.store(to, v128.and(q, m15), OffsetSlab.weights);
      v128.store(to, v128.and(i16x8.shr_u(q, 4), m15), OffsetSlab.weights + 16);
    }
  }
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ4_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 5;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst + MARK_BYTES;
    for (let b: u32 = 0; b < nb; b++, block += 18, to += 72) {
      store<u16>(to + (r << 1), load<u16>(block));
      repackNibbles(to + (r << 2) + 8, v128.load(block, 2));
    }
  }
  markGroup(dst, 72, nb);
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ4_0(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  let block = group + MARK_BYTES;
  for (let b: u32 = 0; b < nb; b++, block += 72) {
    const d = f16ToF32(load<u16>(block + (lane << 1)));
    for (let e: u32 = 0; e < 32; e++, out += 4) {
      store<f32>(out, <f32>(nibbleAt(block + 8, lane, e) - 8) * d);
    }
  }
}
