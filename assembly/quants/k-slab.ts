// Slabs of k-quants: for many columns, four rows by 256 weights are unpacked once into plain bytes in cache (matmul/unpacked.ts),
// which saves every tile the unpacking and leaves it registers. (Against multiplying the blocks as they are: Q2_K 88 to 107, Q3_K 90 to 112,
// Q4_K 124 to 138, Q5_K 93 to 127, Q6_K 80 to 95 GOP/s.) The sums are those of q2_K to q6_K, in the same order.
//
// Slab of Q4_K and Q5_K, 1248 bytes:
//   0    [4 f32]      d
//   16   [4 f32]      dmin
//   32   [4 x 4 x 2 i16]  mn of sub-blocks (0, 2), (1, 3), (4, 6), (5, 7), a pair a lane: as the packed sums of y
//   96   [8 x 4 i32]  sc[j], as `factor` gives it
//   224  [64 x 16 B]  vector n, byte 4r + k: row r, element 4n + k
// Slab of Q2_K, 1568 bytes:
//   0    [4 f32]      d
//   16   [4 f32]      dmin
//   32   [16 x 4 i32] sc[j], as `factor` gives it
//   288  [16 x 4 i32] mn[j]
//   544  [64 x 16 B]  vector n, byte 4r + k: row r, element 4n + k
// Slab of Q3_K and Q6_K, 1296 bytes, as in slab.ts:
//   0    [4 f32]      d
//   16   [16 x 4 i32] scales[j], as `factorPair` gives it
//   272  [64 x 16 B]  vector n, byte 4r + k: row r, element 4n + k, with its offset of 4 or 32

import { EVEN, LOW16, STEP, STEPS5, STEPS6, STEPS7, addScaled, dot, even, odd } from "../lanes";

export enum KSlab { bytes = 1248, minima = 32, scales = 96, weights = 224 }
export enum Q2Slab { bytes = 1568, scales = 32, minima = 288, weights = 544 }

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
    y += 84 * $C;
    w$g += 224;
    for (let j: u32 = 0; j < 8; j++) {
      let a$g$c = zero;
      for (let $n = 0; $n < 8; $n++) {
        const q$g = v128.load(w$g, 16 * $n);
        const qEven$g = even(q$g, evenMask), qOdd$g = odd(q$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * $c);
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C + $c)) : y$c;
          a$g$c = dot($n % $steps == 0, a$g$c, qEven$g, qOdd$g, y$c, z$c);
        }
        // here, not in the offsets above: V8 makes an instruction of each offset of a splat
        y += 4 * STEP * $C;
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
 * One tile of slabs with an offset, added to what `out` holds: total = sum over sub-blocks of
 * scale * (sum q * y - 2^shift * sum y), f = f + total * (d_w * d_y). rel16: two steps of Q6_K make at most
 * 2 * 2 * 63 * 127 = 32004, four of weights of 5 bits (slab5Tiles) 31496, one of 7 bits 32258. The offsets come first, apart: eight accumulators fewer while the codes are multiplied (93 to
 * 101 GOP/s).
 * @tiles 2x4 1x4
 * @of slabQ6_K steps=STEPS6 shift=5, slabQ3_K steps=4 shift=2, slab5Tiles steps=4 shift=4, slab7Tiles steps=STEPS7 shift=6
 */
function offsetSlab(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN), low16 = v128.load_splat<u32>(LOW16);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    const d$g = v128.load(w$g);
    let scales$g = w$g + 16;
    let sums = y + 20 * $C;
    y += 84 * $C;
    w$g += 272;
    for (let j: u32 = 0; j < 16; j++) {
      // the packing holds -sum y; its upper half meets a zero
      const k$g = v128.and(v128.load(scales$g), low16);
      const sum$c = v128.load_splat<u32>(sums, 4 * $c);
      total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(k$g, sum$c));
      scales$g += 16;
      sums += 4 * $C;
    }
    scales$g -= 256;
    total$g$c = i32x4.shl(total$g$c, $shift);
    for (let j: u32 = 0; j < 16; j++) {
      const k$g = v128.load(scales$g);
      let a$g$c = zero;
      for (let $n = 0; $n < 4; $n++) {
        const q$g = v128.load(w$g, 16 * $n);
        const qEven$g = even(q$g, evenMask), qOdd$g = odd(q$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * $c);
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C + $c)) : y$c;
          a$g$c = dot($n % $steps == 0, a$g$c, qEven$g, qOdd$g, y$c, z$c);
        }
        y += 4 * STEP * $C;
        if ($n % $steps == $steps - 1) {
          total$g$c = addScaled(total$g$c, a$g$c, k$g);
        }
      }
      scales$g += 16;
      w$g += 64;
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
    y += 84 * $C;
    w$g += 32;
    for (let j: u32 = 0; j < 16; j++) {
      // the packing holds -sum y; its upper half meets a zero
      const m$g = v128.load(w$g, 256);
      const sum$c = v128.load_splat<u32>(sums, 4 * $c);
      total$g$c = i32x4.sub(total$g$c, i32x4.dot_i16x8_s(m$g, sum$c));
      w$g += 16;
      sums += 4 * $C;
    }
    f$g$c = f32x4.sub(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(dmin$g, dy$c)));
    total$g$c = zero;
    let scales$g = w$g - 256;
    w$g += 256;
    for (let j: u32 = 0; j < 16; j++) {
      let a$g$c = zero;
      for (let $n = 0; $n < 4; $n++) {
        const q$g = v128.load(w$g, 16 * $n);
        const qEven$g = even(q$g, evenMask), qOdd$g = odd(q$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * $c);
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C + $c)) : y$c;
          a$g$c = dot($n == 0, a$g$c, qEven$g, qOdd$g, y$c, z$c);
        }
        y += 4 * STEP * $C;
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
