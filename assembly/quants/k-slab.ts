// Slabs of k-quants with minima: for many columns, four rows by 256 weights are unpacked once into plain bytes in cache
// (matmul/unpacked.ts), which saves every tile the unpacking and leaves it registers. (Against multiplying the blocks as they are: Q2_K 88
// to 118, Q4_K 124 to 138, Q5_K 93 to 127 GOP/s.) The sums are those of q2_K to q5_K, in the same order. Q3_K and Q6_K have the slabs and
// products of slab.ts.
//
// Slab of Q4_K and Q5_K, 1248 bytes:
//   0    [4 f32]      d
//   16   [4 f32]      dmin
//   32   [4 x 4 x 2 i16]  mn of sub-blocks (0, 2), (1, 3), (4, 6), (5, 7), a pair a lane: as the packed sums of y
//   96   [8 x 4 i32]  sc[j], as `factor` gives it
//   224  [64 x 16 B]  vector n, byte 4r + k: row r, element 4n + k
// Slab of Q2_K, 1440 bytes:
//   0    [4 f32]      d
//   16   [4 f32]      dmin
//   32   [8 x 4 x 2 i16]  mn of sub-blocks (2i, 2i + 1), a pair a lane: as the packed sums of y
//   160  [16 x 4 i32] sc[j], as `factor` gives it
//   416  [64 x 16 B]  vector n, byte 4r + k: row r, element 4n + k

import { STEPS5, addScaled } from "../lanes/dots";
import { EVEN } from "../lanes/masks";
import { headBytes } from "./activation-forms";
import { addSlabStep } from "./tile-parts";

export enum KSlab { bytes = 1248, minima = 32, scales = 96, weights = 224 }
export enum Q2Slab { bytes = 1440, minima = 32, scales = 160, weights = 416 }

/**
 * One tile of slabs with minima, added to what `out` holds: f = f - sum(mn * sum y) * (dmin * d_y), then
 * f = f + sum(sc * acc) * (d * d_y). rel16: eight steps of Q4_K make at most 8 * 2 * 15 * 127 = 30480, four of Q5_K
 * 4 * 2 * 31 * 127 = 31496.
 * @tiles 2x4 1x4
 * @of slabQ4_K steps=8, slabQ5_K steps=STEPS5
 */
function minimaSlab(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    {
      let m$g$c = i32x4.dot_i16x8_s(v128.load(w$g, 32), v128.load_splat<u32>(y, 4 * ($C + $c)));
      m$g$c = i32x4.add(m$g$c, i32x4.dot_i16x8_s(v128.load(w$g, 48), v128.load_splat<u32>(y, 4 * (2 * $C + $c))));
      m$g$c = i32x4.add(m$g$c, i32x4.dot_i16x8_s(v128.load(w$g, 64), v128.load_splat<u32>(y, 4 * (3 * $C + $c))));
      m$g$c = i32x4.add(m$g$c, i32x4.dot_i16x8_s(v128.load(w$g, 80), v128.load_splat<u32>(y, 4 * (4 * $C + $c))));
      f$g$c = f32x4.sub(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(m$g$c), f32x4.mul(v128.load(w$g, 16), dy$c)));
    }
    let total$g$c = zero;
    const d$g = v128.load(w$g);
    let scales$g = w$g + 96;
    y += headBytes($C);
    w$g += 224;
    for (let j: u32 = 0; j < 8; j++) {
      let a$g$c = zero;
      for (let $n = 0; $n < 8; $n++) {
        addSlabStep(a$g$c, $n % $steps == 0, w$g, 16 * $n, evenMask, y);
        if ($n % $steps == $steps - 1) {
          const k$g = v128.load(scales$g);
          total$g$c = addScaled(total$g$c, a$g$c, k$g);
        }
      }
      scales$g += 16;
      w$g += 128;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/**
 * One tile of Q2_K slabs, added to what `out` holds: f = f - sum(mn * sum y) * (dmin * d_y), then
 * f = f + sum(sc * acc) * (d * d_y).
 * @tiles 2x4 1x4
 */
function slabQ2_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    const d$g = v128.load(w$g), dmin$g = v128.load(w$g, 16);
    let sums = y + 20 * $C;
    let scales$g = w$g + 160;
    y += headBytes($C);
    w$g += 32;
    for (let j: u32 = 0; j < 8; j++) {
      const m$g = v128.load(w$g);
      const sum$c = v128.load_splat<u32>(sums, 4 * $c);
      total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(m$g, sum$c));
      w$g += 16;
      sums += 4 * $C;
    }
    f$g$c = f32x4.sub(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(dmin$g, dy$c)));
    total$g$c = zero;
    w$g += 256;
    for (let j: u32 = 0; j < 16; j++) {
      let a$g$c = zero;
      for (let $n = 0; $n < 4; $n++) {
        addSlabStep(a$g$c, $n == 0, w$g, 16 * $n, evenMask, y);
      }
      const k$g = v128.load(scales$g);
      total$g$c = addScaled(total$g$c, a$g$c, k$g);
      scales$g += 16;
      w$g += 64;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}
