// Q2_K: 256 weights of 2 bits in 16 sub-blocks of 16, w = d * sc[j] * q - dmin * mn[j].
//
// GGUF block, 84 bytes:      0             16          80       82          84
//                            | scales 16 B | qs 64 B   | d f16  | dmin f16  |
//   scales[j]: sc in the low nibble, mn in the high one
//   element e: h = e / 128, s = (e % 128) / 32: bits 2s and 2s + 1 of qs[32h + e % 32]
//
// R4 block of 4 rows, 336 bytes:
//   0    [4 f16]     d
//   8    [4 f16]     dmin
//   16   [4 x 16 B]  scales: vector i, byte 4r + k: row r, sub-block 4i + k
//   80   [16 x 16 B] sub-block j, byte 4r + k: row r, element 4n + k in bits 2n, 2n + 1, n = 0..3

import { ALL_NORMAL, f16ToF32, loadFiniteF16x4, loadNormalF16x4, normal } from "../half";
import { EVEN, M15, M255, M3, STEP, dot, even, factor, odd } from "../lanes";
import { Q2Slab } from "./k-slab";

/**
 * One tile: f = f - sum(mn * sum y) * (dmin * d_y), then f = f + sum(sc * acc) * (d * d_y).
 * An acc is at most 16 * 3 * 127 = 6096 and fits i16, so that dot_i16x8 multiplies it;
 * |sum| <= 256 * 3 * 15 * 127 = 1.5e6.
 * Rejected: spreading the scale bytes with a swizzle (rel16 +8%, base -5%).
 * @tiles 1x1
 */
function q2_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN), m255 = v128.load_splat<u32>(M255);
  const m3 = v128.load_splat<u32>(M3), m15 = v128.load_splat<u32>(M15);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero, least$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    let d$g = loadNormalF16x4(w$g), dmin$g = loadNormalF16x4(w$g + 8);
    let allNormal = ALL_NORMAL;
    allNormal &= normal(w$g) & normal(w$g + 8);
    if (allNormal != ALL_NORMAL) {
      d$g = loadFiniteF16x4(w$g);
      dmin$g = loadFiniteF16x4(w$g + 8);
    }
    let scales$g = w$g + 16;
    let sums = y + 20 * $C;
    y += 84 * $C;
    w$g += 80;
    // loops, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (let i: u32 = 0; i < 4; i++) {
      const both$g = v128.load(scales$g);
      let sc$g = v128.and(both$g, m15), mn$g = v128.and(i16x8.shr_u(both$g, 4), m15);
      scales$g += 16;
      for (let j: u32 = 0; j < 4; j++) {
        const q$g = v128.load(w$g);
        const q0$g = v128.and(q$g, m3), q1$g = v128.and(i16x8.shr_u(q$g, 2), m3);
        const q2$g = v128.and(i16x8.shr_u(q$g, 4), m3), q3$g = v128.and(i16x8.shr_u(q$g, 6), m3);
        let a$g$c = zero;
        for (let $n = 0; $n < 4; $n++) {
          const qEven$g = even(q$n$g, evenMask), qOdd$g = odd(q$n$g);
          {
            const y$c = v128.load_splat<u32>(y, 4 * ($C * $n * STEP + $c));
            const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * ($n * STEP + 1) + $c)) : y$c;
            a$g$c = dot($n == 0, a$g$c, qEven$g, qOdd$g, y$c, z$c);
          }
        }
        const k$g = factor(v128.and(sc$g, m255)), m$g = v128.and(mn$g, m255);
        {
          // the packing holds -sum y; its upper half meets a zero
          const sum$c = v128.load_splat<u32>(sums, 4 * $c);
          least$g$c = i32x4.sub(least$g$c, i32x4.dot_i16x8_s(m$g, sum$c));
          total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(a$g$c, k$g));
        }
        sc$g = i32x4.shr_u(sc$g, 8);
        mn$g = i32x4.shr_u(mn$g, 8);
        w$g += 16;
        sums += 4 * $C;
        y += 16 * STEP * $C;
      }
    }
    f$g$c = f32x4.sub(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(least$g$c), f32x4.mul(dmin$g, dy$c)));
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks to slabs. */
export function unpackQ2_K(block: usize, n: u32, slab: usize): void {
  const m255 = v128.load_splat<u32>(M255), m15 = v128.load_splat<u32>(M15), m3 = v128.load_splat<u32>(M3);
  for (; n > 0; n--, slab += Q2Slab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    v128.store(slab, loadFiniteF16x4(block + 8), 16);
    block += 16;
    for (let to = slab, end = slab + 256; to < end; block += 16) {
      const both = v128.load(block);
      let sc = v128.and(both, m15);
      const mn = v128.and(i16x8.shr_u(both, 4), m15);
      const pairs = v128.shuffle<i8>(mn, mn, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
      const pair = (to - slab) >> 1;
      for (const four = to + 64; to < four; to += 16) {
        v128.store(to, factor(v128.and(sc, m255)), Q2Slab.scales);
        sc = i32x4.shr_u(sc, 8);
      }
      v128.store(slab + pair, i16x8.extend_low_i8x16_u(pairs), Q2Slab.minima);
      v128.store(slab + pair, i16x8.extend_high_i8x16_u(pairs), Q2Slab.minima + 16);
    }
    for (let to = slab, end = slab + 1024; to < end; to += 64, block += 16) {
      const q = v128.load(block);
      v128.store(to, v128.and(q, m3), Q2Slab.weights);
      v128.store(to, v128.and(i16x8.shr_u(q, 2), m3), Q2Slab.weights + 16);
      v128.store(to, v128.and(i16x8.shr_u(q, 4), m3), Q2Slab.weights + 32);
      v128.store(to, v128.and(i16x8.shr_u(q, 6), m3), Q2Slab.weights + 48);
    }
  }
}

/**
 * Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group, which the caller has
 * zeroed where rows are missing.
 */
export function repackQ2_K(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  const m3 = i8x16.splat(3);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 84, to += 336) {
      store<u16>(to + (r << 1), load<u16>(block, 80));
      store<u16>(to + (r << 1), load<u16>(block, 82), 8);
      const lane = to + (r << 2);
      for (let i: u32 = 0; i < 4; i++) store<u32>(lane + (i << 4), load<u32>(block + (i << 2)), 16);
      for (let j: u32 = 0; j < 16; j++) {
        // sub-block j: 16 elements from e = 16j on
        const qs = v128.load(block + ((j >> 3) << 5) + ((j & 1) << 4), 16);
        const q = v128.and(i16x8.shr_u(qs, j & 6), m3);
        const low = i32x4.extract_lane(q, 0) | (i32x4.extract_lane(q, 1) << 2);
        const high = (i32x4.extract_lane(q, 2) << 4) | (i32x4.extract_lane(q, 3) << 6);
        store<u32>(lane + (j << 4), low | high, 80);
      }
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ2_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 336) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    const dmin = f16ToF32(load<u16>(group + (lane << 1), 8));
    for (let j: u32 = 0; j < 16; j++) {
      const both = <u32>load<u8>(group + ((j >> 2) << 4) + (lane << 2) + (j & 3), 16);
      const scale = d * <f32>(both & 15), minimum = dmin * <f32>(both >> 4);
      const codes = load<u32>(group + (j << 4) + (lane << 2), 80);
      for (let e: u32 = 0; e < 16; e++, out += 4) {
        store<f32>(out, scale * <f32>((codes >> (((e & 3) << 3) + ((e >> 2) << 1))) & 3) - minimum);
      }
    }
  }
}
