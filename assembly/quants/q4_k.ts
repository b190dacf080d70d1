// Q4_K: 256 weights of 4 bits in 8 sub-blocks of 32, w = d * sc[j] * q - dmin * mn[j].
//
// GGUF block, 144 bytes:     0        2           4             16                144
//                            | d f16  | dmin f16  | scales 12 B | qs 128 B        |
//   scales, 6 bits each: j < 4: sc = s[j] & 63, mn = s[j + 4] & 63
//                        j >= 4: sc = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4, mn = (s[j + 4] >> 4) | (s[j] >> 6) << 4
//   sub-block j, element e: byte 32 * (j / 2) + e of qs, low nibble where j is even, else high
//
// R4 block of 4 rows, 576 bytes:
//   0    [4 f16]   d
//   8    [4 f16]   dmin
//   16   [3 x 16 B] the three words of `scales`, each with rows 0..3 side by side
//   64   [8 x 64 B] sub-block j: four vectors; vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32, loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { addScaled, factor } from "../lanes/dots";
import { NIBBLE, highEven, highOdd, lowEven, lowOdd } from "../lanes/even-odd";
import { EVEN, M15, M255, M48, M63 } from "../lanes/masks";
import { headBytes } from "./activation-forms";
import { KSlab } from "./k-slab";
import { nibbleAt, pairNibbles, storeLane } from "./nibbles";
import { addStep, loadScales } from "./tile-parts";

/**
 * The start of a block of Q4_K or Q5_K: its scales of sub-blocks, first four and others, and d; f = f - sum(mn * sum y) * (dmin * d_y).
 * @part
 */
export function takeMinima(
  f$g$c: v128, sc$g: v128, scHigh$g: v128, d$g: v128, w$g: usize, y: usize, zero: v128, evenMask: v128,
): void {
  const m15 = v128.load_splat<u32>(M15), m63 = v128.load_splat<u32>(M63), m48 = v128.load_splat<u32>(M48);
  const u$g = v128.load(w$g, 16), v$g = v128.load(w$g, 32), x$g = v128.load(w$g, 48);
  sc$g = v128.and(u$g, m63);
  scHigh$g = v128.or(v128.and(x$g, m15), v128.and(i32x4.shr_u(u$g, 2), m48));
  const mn$g = v128.and(v$g, m63);
  const mnHigh$g = v128.or(v128.and(i32x4.shr_u(x$g, 4), m15), v128.and(i32x4.shr_u(v$g, 2), m48));
  let dmin$g = zero;
  loadScales(d$g, dmin$g, w$g);
  {
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    let m$g$c = i32x4.dot_i16x8_s(v128.and(mn$g, evenMask), v128.load_splat<u32>(y, 4 * ($C + $c)));
    m$g$c = i32x4.add(m$g$c, i32x4.dot_i16x8_s(i16x8.shr_u(mn$g, 8), v128.load_splat<u32>(y, 4 * (2 * $C + $c))));
    m$g$c = i32x4.add(m$g$c, i32x4.dot_i16x8_s(v128.and(mnHigh$g, evenMask), v128.load_splat<u32>(y, 4 * (3 * $C + $c))));
    m$g$c = i32x4.add(m$g$c, i32x4.dot_i16x8_s(i16x8.shr_u(mnHigh$g, 8), v128.load_splat<u32>(y, 4 * (4 * $C + $c))));
    f$g$c = f32x4.sub(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(m$g$c), f32x4.mul(dmin$g, dy$c)));
  }
}

/**
 * One tile: f = f - sum(mn * sum y) * (dmin * d_y), then f = f + sum(sc * acc) * (d * d_y).
 * @tiles 1x1 2x4 1x4
 */
function q4_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), nibble = v128.load_splat<u32>(NIBBLE), evenMask = v128.load_splat<u32>(EVEN);
  const m255 = v128.load_splat<u32>(M255);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let sc$g = zero, scHigh$g = zero, d$g = zero;
    takeMinima(f$g$c, sc$g, scHigh$g, d$g, w$g, y, zero, evenMask);
    let total$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    y += headBytes($C);
    w$g += 64;
    // a loop, not unrolled: older V8 collapses on a whole block in a row (measured: 4x)
    for (let j: u32 = 0; j < 8; j++) {
      if (j == 4) {
        sc$g = scHigh$g;
      }
      let a$g$c = zero;
      for (let $i = 0; $i < 4; $i++) {
        const q$g = v128.load(w$g, 16 * $i);
        const lowEven$g = lowEven(q$g, nibble), lowOdd$g = lowOdd(q$g, nibble);
        const highEven$g = highEven(q$g, nibble), highOdd$g = highOdd(q$g);
        addStep(a$g$c, $i == 0, lowEven$g, lowOdd$g, y, 0, 2 * $i);
        addStep(a$g$c, false, highEven$g, highOdd$g, y, 0, 2 * $i + 1);
      }
      const k$g = factor(v128.and(sc$g, m255));
      total$g$c = addScaled(total$g$c, a$g$c, k$g);
      sc$g = i32x4.shr_u(sc$g, 8);
      w$g += 64;
      y += 32 * STEP * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** d, dmin, minima and scales of an R4 block of Q4_K or Q5_K to its slab. */
export function unpackScales6(block: usize, slab: usize): void {
  const evenMask = v128.load_splat<u32>(EVEN), m255 = v128.load_splat<u32>(M255);
  const m15 = v128.load_splat<u32>(M15), m63 = v128.load_splat<u32>(M63), m48 = v128.load_splat<u32>(M48);
  v128.store(slab, loadFiniteF16x4(block));
  v128.store(slab, loadFiniteF16x4(block + 8), 16);
  const u = v128.load(block, 16), v = v128.load(block, 32), x = v128.load(block, 48);
  const mn = v128.and(v, m63), mnHigh = v128.or(v128.and(i32x4.shr_u(x, 4), m15), v128.and(i32x4.shr_u(v, 2), m48));
  v128.store(slab, v128.and(mn, evenMask), KSlab.minima);
  v128.store(slab, i16x8.shr_u(mn, 8), KSlab.minima + 16);
  v128.store(slab, v128.and(mnHigh, evenMask), KSlab.minima + 32);
  v128.store(slab, i16x8.shr_u(mnHigh, 8), KSlab.minima + 48);
  let sc = v128.and(u, m63), scHigh = v128.or(v128.and(x, m15), v128.and(i32x4.shr_u(u, 2), m48));
  for (const end = slab + 64; slab < end; slab += 16) {
    v128.store(slab, factor(v128.and(sc, m255)), KSlab.scales);
    v128.store(slab, factor(v128.and(scHigh, m255)), KSlab.scales + 64);
    sc = i32x4.shr_u(sc, 8);
    scHigh = i32x4.shr_u(scHigh, 8);
  }
}

/** n R4 blocks to slabs. */
export function unpackQ4_K(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15);
  for (; n > 0; n--, slab += KSlab.bytes) {
    unpackScales6(block, slab);
    block += 64;
    for (let to = slab, end = slab + 1024; to < end; to += 32, block += 16) {
      const q = v128.load(block);
      v128.store(to, v128.and(q, m15), KSlab.weights);
      v128.store(to, v128.and(i16x8.shr_u(q, 4), m15), KSlab.weights + 16);
    }
  }
}

/** d, dmin and scales of a block of Q4_K or Q5_K to lane r of an R4 block. */
export function repackScales6(block: usize, lane: usize, r: u32): void {
  store<u16>(lane - (r << 1), load<u16>(block));
  store<u16>(lane - (r << 1), load<u16>(block, 2), 8);
  for (let i: u32 = 0; i < 3; i++) store<u32>(lane + (i << 4), load<u32>(block + (i << 2), 4), 16);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ4_K(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  const m15 = v128.load_splat<u32>(M15);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 144, to += 576) {
      const lane = to + (r << 2);
      repackScales6(block, lane, r);
      for (let pair: u32 = 0; pair < 4; pair++) {
        const v0 = v128.load(block + (pair << 5), 16), v1 = v128.load(block + (pair << 5), 32);
        const qs = lane + (pair << 7) + 64;
        storeLane(qs, pairNibbles(v128.and(v0, m15), v128.and(v1, m15)));
        storeLane(qs + 64, pairNibbles(v128.and(i16x8.shr_u(v0, 4), m15), v128.and(i16x8.shr_u(v1, 4), m15)));
      }
    }
  }
}

/** Byte j of the 12 scale bytes of a lane; p: offset 16 of an R4 block. Q5_K has the same. */
// @ts-ignore: decorator
@inline
function scaleByte(p: usize, lane: u32, j: u32): u32 {
  return load<u8>(p + ((j >> 2) << 4) + (lane << 2) + (j & 3));
}

/** 6-bit scale of sub-block j of a lane. */
export function scale6(p: usize, lane: u32, j: u32): u32 {
  if (j < 4) return scaleByte(p, lane, j) & 63;
  return (scaleByte(p, lane, j + 4) & 15) | ((scaleByte(p, lane, j - 4) >> 6) << 4);
}

/** 6-bit minimum of sub-block j of a lane. */
export function min6(p: usize, lane: u32, j: u32): u32 {
  if (j < 4) return scaleByte(p, lane, j + 4) & 63;
  return (scaleByte(p, lane, j + 4) >> 4) | ((scaleByte(p, lane, j) >> 6) << 4);
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ4_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 576) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    const dmin = f16ToF32(load<u16>(group + (lane << 1), 8));
    for (let j: u32 = 0; j < 8; j++) {
      const scale = d * <f32>scale6(group + 16, lane, j);
      const minimum = dmin * <f32>min6(group + 16, lane, j);
      for (let e: u32 = 0; e < 32; e++, out += 4) {
        store<f32>(out, scale * <f32>nibbleAt(group + 64 + (j << 6), lane, e) - minimum);
      }
    }
  }
}
