// Q8_KV (ik_llama.cpp): weights of 8 bits with one scale for a row, w = d_row * q.
//
// GGUF row:  [d_row f32][sum of the row's q, i32][K x i8]
//
// R4 group of 4 rows, nb = K / 32:
//   [4 f32]        d_row
//   [4 i32]        the sums, unused
//   [nb x 128 B]   eight vectors; vector i, byte 4r + k: row r, element 4i + k

import { foldedStart, scaledFolded } from "../lanes/folded";
import { ONES } from "../lanes/masks";
import { OffsetSlab } from "./offset-slab";

/**
 * One column, per 32 weights: acc = sum q * y (folded.ts), f = f + acc * (d_row * d_y).
 * @tiles 1x1
 */
function q8_KV(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const ones = v128.load_splat<u32>(ONES), d = v128.load(w);
  let f = f32x4.splat(0);
  w += 32;
  for (let b: u32 = 0; b < nb; b++) {
    let a = foldedStart(y + 4);
    for (let $i = 0; $i < 8; $i++) {
      const q = v128.load(w, 16 * $i);
      a = scaledFolded(a, q, v128.load_splat<u32>(y, 8 * $i + 8), v128.load_splat<u32>(y, 8 * $i + 12), ones);
    }
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(a), f32x4.mul(d, v128.load_splat<u32>(y))));
    w += 128;
    y += 72;
  }
  v128.store(out, f);
}

/** n blocks of 32 weights a row, from `first` on, to slabs. */
export function unpackQ8_KV(group: usize, first: u32, n: u32, slab: usize): void {
  const d = v128.load(group);
  for (let q = group + 32 + (<usize>first << 7); n > 0; n--, q += 128, slab += OffsetSlab.bytes) {
    v128.store(slab, d);
    for (let i: u32 = 0; i < 128; i += 16) v128.store(slab + i, v128.load(q + i), OffsetSlab.weights);
  }
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ8_KV(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    const row = src + <usize>r * rowBytes, lane = dst + (r << 2);
    store<u32>(lane, load<u32>(row));
    store<u32>(lane, load<u32>(row, 4), 16);
    for (let i: u32 = 0; i < k; i += 4) store<u32>(lane + (i << 2), load<u32>(row + i, 8), 32);
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ8_KV(group: usize, lane: u32, k: u32, out: usize): void {
  const d = load<f32>(group + (lane << 2)), q = group + (lane << 2) + 32;
  for (let e: u32 = 0; e < k; e++, out += 4) store<f32>(out, d * <f32>load<i8>(q + ((e >> 2) << 4) + (e & 3)));
}
