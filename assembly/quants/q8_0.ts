// Q8_0: 32 weights of 8 bits with one scale, w = d * q.
//
// GGUF block, 34 bytes:      0        2                  34
//                            | d f16  | qs 32 x i8       |
//
// R4 group of 4 rows: [16 B] a mark, not 0 where some d is subnormal or zero (half.ts, markGroup), then K / 32 blocks of 136 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [8 x 16 B] vector i, byte 4r + k: row r, element 4i + k

import { f16ToF32, loadFiniteF16x4, loadNormalF16x4, MARK_BYTES, markGroup } from "../half";
import { foldedStart, scaledFolded } from "../lanes/folded";
import { ONES } from "../lanes/masks";
import { OffsetSlab } from "./offset-slab";

/**
 * One column: acc = sum q * y (folded.ts), f = f + acc * (d_w * d_y).
 * @tiles 1x1
 */
function q8_0(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const ones = v128.load_splat<u32>(ONES);
  let f = f32x4.splat(0);
  w += MARK_BYTES;
  for (let b: u32 = 0; b < nb; b++) {
    let a = foldedStart(y + 4);
    for (let $i = 0; $i < 8; $i++) {
      const q = v128.load(w, 8 + 16 * $i);
      a = scaledFolded(a, q, v128.load_splat<u32>(y, 8 * $i + 8), v128.load_splat<u32>(y, 8 * $i + 12), ones);
    }
    const d = $exact ? loadFiniteF16x4(w) : loadNormalF16x4(w);
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(a), f32x4.mul(d, v128.load_splat<u32>(y))));
    w += 136;
    y += 72;
  }
  v128.store(out, f);
}

/** n R4 blocks to slabs. */
export function unpackQ8_0(block: usize, n: u32, slab: usize): void {
  for (; n > 0; n--, block += 136, slab += OffsetSlab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    for (let i: u32 = 0; i < 128; i += 16) v128.store(slab + i, v128.load(block + i, 8), OffsetSlab.weights);
  }
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ8_0(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 5;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst + MARK_BYTES;
    for (let b: u32 = 0; b < nb; b++, block += 34, to += 136) {
      store<u16>(to + (r << 1), load<u16>(block));
      for (let i: u32 = 0; i < 8; i++) store<u32>(to + (r << 2) + (i << 4), load<u32>(block + (i << 2), 2), 8);
    }
  }
  markGroup(dst, 136, nb);
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ8_0(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  let block = group + MARK_BYTES;
  for (let b: u32 = 0; b < nb; b++, block += 136) {
    const d = f16ToF32(load<u16>(block + (lane << 1)));
    let qs = block + (lane << 2) + 8;
    for (let i: u32 = 0; i < 8; i++, qs += 16) {
      for (let j: u32 = 0; j < 4; j++, out += 4) store<f32>(out, <f32>load<i8>(qs + j) * d);
    }
  }
}
