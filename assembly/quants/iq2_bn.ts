// IQ2_BN (ik_llama.cpp): weights of 2 bits with one scale for a row, w = d_row * (q - 1).
//
// GGUF row:  [d_row f32], then blocks of 64 weights in 16 bytes: element e in bits 2 * (e / 16) and the next of byte e % 16
//
// R4 group of 4 rows, nb = K / 64 blocks:
//   [4 f32]        d_row
//   [nb x 64 B]    elements 16i .. 16i + 15: vector i, byte 4r + k: row r, element 4n + k of them in bits 2n and 2n + 1

import { STEP } from "../lanes/builds";
import { EVEN, M3, ONES } from "../lanes/masks";
import { addTwoBits, packTwoBits, twoBitsAt } from "./two-bits";

/**
 * One tile: f = f + (sum (q - 1) * y) * (d_row * d_y) for every 32 weights (two-bits.ts).
 * @tiles 1x1 2x4 1x4
 */
function iq2_bn(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const zero = i32x4.splat(0), m3 = v128.load_splat<u32>(M3);
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let q$g = w + groupBytes * $g;
  const dw$g = v128.load(q$g);
  q$g += 16;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    addTwoBits(f$g$c, q$g, dw$g, y, zero, m3, evenMask, ones);
    q$g += 32;
    y += $C * (8 + 32 * STEP);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ2_BN(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const m3 = i8x16.splat(3);
  for (let r: u32 = 0; r < nRows; r++) {
    const row = src + <usize>r * rowBytes, lane = dst + (r << 2);
    store<f32>(lane, load<f32>(row));
    for (let j: u32 = 0; j < k >> 4; j++) {
      const codes = v128.and(i16x8.shr_u(v128.load(row + ((j >> 2) << 4), 4), (j & 3) << 1), m3);
      store<u32>(lane + (j << 4), packTwoBits(codes), 16);
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeIQ2_BN(group: usize, lane: u32, k: u32, out: usize): void {
  const d = load<f32>(group + (lane << 2));
  for (let e: u32 = 0; e < k; e++, out += 4) {
    store<f32>(out, d * <f32>(twoBitsAt(group + 16 + ((e >> 4) << 4) + (lane << 2), e & 15) - 1));
  }
}
