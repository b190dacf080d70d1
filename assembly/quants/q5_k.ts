// Q5_K: 256 weights of 5 bits in 8 sub-blocks of 32, w = d * sc[j] * q - dmin * mn[j].
//
// GGUF block, 176 bytes:     0        2           4             16          48                176
//                            | d f16  | dmin f16  | scales 12 B | qh 32 B   | qs 128 B        |
//   scales: 6 bits each, as in Q4_K
//   sub-block j, element e: nibble from byte 32 * (j / 2) + e of qs, low where j is even, else
//   high; bit 4 is bit j of qh[e]
//
// R4 block of 4 rows, 704 bytes:
//   0    [4 f16]   d
//   8    [4 f16]   dmin
//   16   [3 x 16 B] the three words of `scales`, each with rows 0..3 side by side
//   64   [8 x 80 B] sub-block j: five vectors v0..v4; byte 4r + k of vn: element 4n + k of row r in
//                   bits 0-4. The 15 free bits are such that, in i16 lanes, bits 0-4 of
//                   (v0 >> 5) ^ (v1 >> 2) are elements 20 + k, of (v2 >> 5) ^ (v3 >> 2) 24 + k, and of
//                   (v4 >> 5) ^ (v1 >> 4) ^ (v3 >> 3) 28 + k: with one mask each, after the shifts

import { f16ToF32 } from "../half";
import { STEP } from "../lanes/builds";
import { STEPS5, addScaled, factor } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M255, M31 } from "../lanes/masks";
import { headBytes } from "./activation-forms";
import { KSlab } from "./k-slab";
import { min6, repackScales6, scale6, takeMinima, unpackScales6 } from "./q4_k";
import { addStep } from "./tile-parts";

/**
 * One tile: f = f - sum(mn * sum y) * (dmin * d_y), then f = f + sum(sc * acc) * (d * d_y).
 * |sum| <= 256 * 31 * 63 * 127 = 6.4e7.
 * @tiles 1x1 1x4
 */
function q5_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN), m255 = v128.load_splat<u32>(M255);
  const m31 = v128.load_splat<u32>(M31);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let sc$g = zero, scHigh$g = zero, d$g = zero;
    takeMinima(f$g$c, sc$g, scHigh$g, d$g, w$g, y, zero, evenMask);
    let total$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    y += headBytes($C);
    w$g += 64;
    // a loop, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (let j: u32 = 0; j < 8; j++) {
      if (j == 4) {
        sc$g = scHigh$g;
      }
      const k$g = factor(v128.and(sc$g, m255));
      const v0$g = v128.load(w$g), v1$g = v128.load(w$g, 16), v2$g = v128.load(w$g, 32);
      const v3$g = v128.load(w$g, 48), v4$g = v128.load(w$g, 64);
      const q0$g = v128.and(v0$g, m31), q1$g = v128.and(v1$g, m31), q2$g = v128.and(v2$g, m31);
      const q3$g = v128.and(v3$g, m31), q4$g = v128.and(v4$g, m31);
      const q5$g = spareQ5(v0$g, v1$g, m31), q6$g = spareQ5(v2$g, v3$g, m31), q7$g = lastQ5(v4$g, v1$g, v3$g, m31);
      let a$g$c = zero;
      for (let $n = 0; $n < 8; $n++) {
        const qEven$g = even(q$n$g, evenMask), qOdd$g = odd(q$n$g);
        addStep(a$g$c, $n % STEPS5 == 0, qEven$g, qOdd$g, y, 0, $n);
        // rel16: four steps fill an i16, 4 * 2 * 31 * 127 = 31496; elsewhere one sum takes all eight
        if ($n % STEPS5 == STEPS5 - 1) {
          total$g$c = addScaled(total$g$c, a$g$c, k$g);
        }
      }
      sc$g = i32x4.shr_u(sc$g, 8);
      w$g += 80;
      y += 32 * STEP * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** The vector whose bits are free ones of v and w. */
// @ts-ignore: decorator
@inline
export function spareQ5(v: v128, w: v128, m31: v128): v128 {
  return v128.and(v128.xor(i16x8.shr_u(v, 5), i16x8.shr_u(w, 2)), m31);
}

/** The last vector. */
// @ts-ignore: decorator
@inline
export function lastQ5(v4: v128, v1: v128, v3: v128, m31: v128): v128 {
  return v128.and(v128.xor(v128.xor(i16x8.shr_u(v4, 5), i16x8.shr_u(v1, 4)), i16x8.shr_u(v3, 3)), m31);
}

/** n R4 blocks to slabs. */
export function unpackQ5_K(block: usize, n: u32, slab: usize): void {
  const m31 = v128.load_splat<u32>(M31);
  for (; n > 0; n--, slab += KSlab.bytes) {
    unpackScales6(block, slab);
    block += 64;
    for (let to = slab, end = slab + 1024; to < end; to += 128, block += 80) {
      const v0 = v128.load(block), v1 = v128.load(block, 16), v2 = v128.load(block, 32), v3 = v128.load(block, 48);
      const v4 = v128.load(block, 64);
      v128.store(to, v128.and(v0, m31), KSlab.weights);
      v128.store(to, v128.and(v1, m31), KSlab.weights + 16);
      v128.store(to, v128.and(v2, m31), KSlab.weights + 32);
      v128.store(to, v128.and(v3, m31), KSlab.weights + 48);
      v128.store(to, v128.and(v4, m31), KSlab.weights + 64);
      v128.store(to, spareQ5(v0, v1, m31), KSlab.weights + 80);
      v128.store(to, spareQ5(v2, v3, m31), KSlab.weights + 96);
      v128.store(to, lastQ5(v4, v1, v3, m31), KSlab.weights + 112);
    }
  }
}

/**
 * Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group, which the caller has
 * zeroed where rows are missing.
 */
export function repackQ5_K(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 176, to += 704) {
      const lane = to + (r << 2);
      repackScales6(block, lane, r);
      for (let j: u32 = 0; j < 8; j++) {
        const qs = block + ((j >> 1) << 5);
        const first = codes5(v128.load(qs, 48), v128.load(block, 16), j);
        const second = codes5(v128.load(qs, 64), v128.load(block, 32), j);
        store160(lane + 80 * j + 64, first, second);
      }
    }
  }
}

/** 16 codes of sub-block j from their bytes of qs and qh. */
// @ts-ignore: decorator
@inline
function codes5(qs: v128, qh: v128, j: u32): v128 {
  const low = v128.and(i16x8.shr_u(qs, (j & 1) << 2), i8x16.splat(15));
  return v128.or(low, i16x8.shl(v128.and(i16x8.shr_u(qh, j), i8x16.splat(1)), 4));
}

/**
 * 32 codes of a row as five words of its lane, 16 bytes apart: the bits of the last three words
 * fill the free ones.
 */
// @ts-ignore: decorator
@inline
function store160(p: usize, first: v128, second: v128): void {
  const m31 = v128.load_splat<u32>(M31);
  // words 0 and 2, 1 and 3; their free bits make 5 and 6
  const even = v128.shuffle<i32>(first, first, 0, 2, 0, 2), odd = v128.shuffle<i32>(first, first, 1, 3, 1, 3);
  const free = v128.xor(v128.shuffle<i32>(second, second, 1, 2, 1, 2), spareQ5(even, odd, m31));
  const evens = v128.or(even, i16x8.shl(v128.and(free, i8x16.splat(7)), 5));
  const odds = v128.or(odd, i16x8.shl(v128.and(free, i8x16.splat(24)), 2));
  const v1 = i32x4.extract_lane(odds, 0), v3 = i32x4.extract_lane(odds, 1), w4 = i32x4.extract_lane(second, 0);
  const free7 = i32x4.extract_lane(second, 3) ^ lastWord(w4, v1, v3);
  v128.store32_lane(p, evens, 0);
  store<u32>(p, v1 | ((free7 & 0x08080808) << 4), 16);
  v128.store32_lane(p, evens, 1, 32);
  store<u32>(p, v3 | ((free7 & 0x10101010) << 3), 48);
  store<u32>(p, w4 | ((free7 & 0x07070707) << 5), 64);
}

/** `spareQ5` of one lane. */
// @ts-ignore: decorator
@inline
function spareWord(v: u32, w: u32): u32 {
  return (((v >> 5) & 0x07ff07ff) ^ ((w >> 2) & 0x3fff3fff)) & 0x1f1f1f1f;
}

/** `lastQ5` of one lane. */
// @ts-ignore: decorator
@inline
function lastWord(v4: u32, v1: u32, v3: u32): u32 {
  return (((v4 >> 5) & 0x07ff07ff) ^ ((v1 >> 4) & 0x0fff0fff) ^ ((v3 >> 3) & 0x1fff1fff)) & 0x1f1f1f1f;
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ5_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 704) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    const dmin = f16ToF32(load<u16>(group + (lane << 1), 8));
    for (let j: u32 = 0; j < 8; j++, out += 128) {
      const scale = d * <f32>scale6(group + 16, lane, j);
      const minimum = dmin * <f32>min6(group + 16, lane, j);
      const p = group + 80 * j + (lane << 2);
      const v0 = load<u32>(p, 64), v1 = load<u32>(p, 80), v2 = load<u32>(p, 96), v3 = load<u32>(p, 112);
      const v4 = load<u32>(p, 128);
      store4(out, scale, minimum, v0);
      store4(out + 16, scale, minimum, v1);
      store4(out + 32, scale, minimum, v2);
      store4(out + 48, scale, minimum, v3);
      store4(out + 64, scale, minimum, v4);
      store4(out + 80, scale, minimum, spareWord(v0, v1));
      store4(out + 96, scale, minimum, spareWord(v2, v3));
      store4(out + 112, scale, minimum, lastWord(v4, v1, v3));
    }
  }
}

// @ts-ignore: decorator
@inline
function store4(out: usize, scale: f32, minimum: f32, codes: u32): void {
  for (let i: u32 = 0; i < 4; i++) store<f32>(out + (i << 2), scale * <f32>((codes >> (i << 3)) & 31) - minimum);
}
