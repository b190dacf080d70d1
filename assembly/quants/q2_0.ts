// Q2_0: 64 weights of 2 bits with one scale, w = (q - 1) * d.
//
// GGUF block, 18 bytes:      0        2                  18
//                            | d f16  | qs 16 B          |   e: bits 2 * (e % 4) and the next of qs[e / 4]
//
// R4 block of 4 rows, 72 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [4 x 16 B] elements 16i .. 16i + 15: vector i, byte 4r + k: row r, element 4n + k of them in bits 2n and 2n + 1

import { f16ToF32, loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { EVEN, M3, ONES } from "../lanes/masks";
import { addTwoBits, twoBitsAt } from "./two-bits";

/**
 * One tile: f = f + (sum (q - 1) * y) * (d_w * d_y) for every 32 weights (two-bits.ts).
 * @tiles 1x1 2x4 1x4
 */
function q2_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 6;
  const zero = i32x4.splat(0), m3 = v128.load_splat<u32>(M3);
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const dw$g = loadFiniteF16x4(w$g);
    w$g += 8;
    for (let j: u32 = 0; j < 2; j++) {
      addTwoBits(f$g$c, w$g, dw$g, y, zero, m3, evenMask, ones);
      w$g += 32;
      y += $C * (8 + 32 * STEP);
    }
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ2_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 6;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 18, to += 72) {
      store<u16>(to + (r << 1), load<u16>(block));
      const lane = to + (r << 2);
      for (let i: u32 = 0; i < 4; i++) {
        const codes = load<u32>(block + (i << 2), 2);
        // GGUF's byte n holds element 4n + k in bits 2k: a transpose of 4 x 4 codes
        let word: u32 = 0;
        for (let e: u32 = 0; e < 16; e++) word |= ((codes >> (e << 1)) & 3) << (((e & 3) << 3) + ((e >> 2) << 1));
        store<u32>(lane + (i << 4), word, 8);
      }
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ2_0(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 6;
  for (let b: u32 = 0; b < nb; b++, group += 72) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let e: u32 = 0; e < 64; e++, out += 4) {
      store<f32>(out, <f32>(twoBitsAt(group + (lane << 2) + ((e >> 4) << 4) + 8, e & 15) - 1) * d);
    }
  }
}
