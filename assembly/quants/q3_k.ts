// Q3_K: 256 weights of 3 bits in 16 sub-blocks of 16, w = d * (sc[j] - 32) * (q - 4).
//
// GGUF block, 110 bytes:     0            32          96            108      110
//                            | hmask 32 B | qs 64 B   | scales 12 B | d f16  |
//   element e: h = e / 128, s = (e % 128) / 32: bits 0-1 are bits 2s, 2s + 1 of qs[32h + e % 32],
//   bit 2 is bit e / 32 of hmask[e % 32]
//   sc[j]: bits 0-3 are a nibble of scales[j % 8], low where j < 8, else high; bits 4-5 come from
//   scales[8 + j % 4] >> 2 * (j / 4)
//
// R4 block of 4 rows, 440 bytes, by quads (quads.ts):
//   0    [4 f16]    d
//   8    [48 B]     scales: byte 4r + i of four vectors in three: row r, lane i of quads 0..3
//   56   [2 x 4 x 48 B] quads 2p and 2p + 1, row r: four vectors in three; bits 0-2: codes of quad 2p, bits 3-5: of 2p + 1
// The second quad's codes are multiplied where they are, as 8q, and the first's scales times 8.

import { f16ToF32, loadFiniteF16x4, loadScaleF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { addScaled, dot } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M255, M56, M63, M7 } from "../lanes/masks";
import { highFactors, lowFactors, startOfQuad } from "../lanes/quads";
import { factorPair } from "../lanes/scaled";
import { Quads } from "./activation-forms";
import {
  fourth, fourthBits, quadOrder, sixBitsAt, storeRows, storeSixBits, storeSixBitWords, subBlockOf, sumLanes, words,
} from "./quads";
import { Slab } from "./slab";
import { B32 } from "./words";

/**
 * One column: total = sum over sub-blocks of (sc - 32) * (sum q * y - 4 * sum y), f = f + total * (d_w * d_y).
 * rel16: the inner sum of half a lane, times 8 in the second quad, is at most 8 * 8 * 4 * 127 = 32512 and fits i16; on the way it may
 * wrap around. |total| <= 256 * 4 * 32 * 127 = 4.2e6, 8 times that on the way.
 * @tiles 1x1
 */
function q3_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const m7 = v128.load_splat<u32>(M7), m56 = v128.load_splat<u32>(M56), evenMask = v128.load_splat<u32>(EVEN);
  let f = f32x4.splat(0);
  for (let b = k >> 8; b > 0; b--) {
    let total0 = i32x4.splat(0), total1 = total0, total2 = total0, total3 = total0;
    const block = w, dy = v128.load_splat<u32>(y), m63 = v128.load_splat<u32>(M63), b32 = v128.load_splat<u32>(B32);
    const s0 = v128.load(w, 8), s1 = v128.load(w, 24), s2 = v128.load(w, 40);
    let sc = i8x16.sub(v128.and(s0, m63), b32), sd = i8x16.sub(v128.and(s1, m63), b32);
    const third = i8x16.sub(v128.and(s2, m63), b32), last = i8x16.sub(fourth(s0, s1, s2, m63), b32);
    let starts = y + Quads.starts;
    y += Quads.steps;
    w += 56;
    // a loop, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (const end = y + 256 * STEP; y < end; y += 128 * STEP) {
      const start = startOfQuad(v128.load(starts), 2), start8 = startOfQuad(v128.load(starts, 16), 5);
      const sc01 = i16x8.shl(i16x8.extend_low_i8x16_s(sc), 3), sc23 = i16x8.shl(i16x8.extend_high_i8x16_s(sc), 3);
      const sd01 = i16x8.extend_low_i8x16_s(sd), sd23 = i16x8.extend_high_i8x16_s(sd);
      for (let $r = 0; $r < 4; $r++) {
        const v0 = v128.load(w, 48 * $r), v1 = v128.load(w, 48 * $r + 16), v2 = v128.load(w, 48 * $r + 32);
        const v3 = fourthBits(v0, v1, v2);
        let a = start, c = start8;
        for (let $n = 0; $n < 4; $n++) {
          const first = v128.and(v$n, m7), second = v128.and(v$n, m56);
          const y0 = v128.load(y, 16 * $n * STEP), y1 = v128.load(y, (16 * $n + 64) * STEP);
          const z0 = STEP == 2 ? v128.load(y, 32 * $n + 16) : y0, z1 = STEP == 2 ? v128.load(y, 32 * $n + 144) : y1;
          a = dot(false, a, even(first, evenMask), odd(first), y0, z0);
          c = dot(false, c, even(second, evenMask), odd(second), y1, z1);
        }
        total$r = addScaled(total$r, a, $r % 2 == 0 ? lowFactors($r < 2 ? sc01 : sc23) : highFactors($r < 2 ? sc01 : sc23));
        total$r = addScaled(total$r, c, $r % 2 == 0 ? lowFactors($r < 2 ? sd01 : sd23) : highFactors($r < 2 ? sd01 : sd23));
      }
      sc = third;
      sd = last;
      w += 192;
      starts += 32;
    }
    const d = loadScaleF16x4(block);
    const total = i32x4.shr_s(sumLanes(total0, total1, total2, total3), 3);
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** n R4 blocks to slabs, weights + 64: codes + 60. */
export function unpackQ3_K(block: usize, n: u32, slab: usize): void {
  const m63 = v128.load_splat<u32>(M63);
  for (; n > 0; n--, slab += Slab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    const s0 = v128.load(block, 8), s1 = v128.load(block, 24), s2 = v128.load(block, 40);
    unpackScales(v128.and(s0, m63), slab + (subBlockOf(0, 0) << 4));
    unpackScales(v128.and(s1, m63), slab + (subBlockOf(1, 0) << 4));
    unpackScales(v128.and(s2, m63), slab + (subBlockOf(2, 0) << 4));
    unpackScales(fourth(s0, s1, s2, m63), slab + (subBlockOf(3, 0) << 4));
    block += 56;
    for (let to = slab + Slab.weights, end = to + 1024; to < end; to += 512, block += 192) {
      for (let m: u32 = 0; m < 48; m += 16) {
        const p = block + m;
        storeCodes(to + m, v128.load(p), v128.load(p, 48), v128.load(p, 96), v128.load(p, 144));
      }
      const a = fourthBits(v128.load(block), v128.load(block, 16), v128.load(block, 32));
      const b = fourthBits(v128.load(block, 48), v128.load(block, 64), v128.load(block, 80));
      const c = fourthBits(v128.load(block, 96), v128.load(block, 112), v128.load(block, 128));
      storeCodes(to + 48, a, b, c, fourthBits(v128.load(block, 144), v128.load(block, 160), v128.load(block, 176)));
    }
  }
}

/** Scales of the four sub-blocks of a quad, every other one. */
// @ts-ignore: decorator
@inline
function unpackScales(sc: v128, slab: usize): void {
  const m255 = v128.load_splat<u32>(M255), m32 = i32x4.splat(32);
  for (const end = slab + 128; slab < end; slab += 32) {
    v128.store(slab, factorPair(i32x4.sub(v128.and(sc, m255), m32)), Slab.scales);
    sc = i32x4.shr_u(sc, 8);
  }
}

/** A vector of each row: codes of a quad, three bits higher those of the next. */
// @ts-ignore: decorator
@inline
function storeCodes(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  storeRows(to, shifted(a), shifted(b), shifted(c), shifted(d));
  storeRows(to + 64, shifted(i16x8.shr_u(a, 3)), shifted(i16x8.shr_u(b, 3)), shifted(i16x8.shr_u(c, 3)), shifted(i16x8.shr_u(d, 3)));
}

/** Codes in bits 0-2, and 60. */
// @ts-ignore: decorator
@inline
function shifted(v: v128): v128 {
  return i8x16.add(v128.and(v, v128.load_splat<u32>(M7)), i8x16.splat(60));
}

/**
 * Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group, which the caller has
 * zeroed where rows are missing.
 */
export function repackQ3_K(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 110, to += 440) {
      store<u16>(to + (r << 1), load<u16>(block, 108));
      const sc = quadOrder(scalesOf(block)), scales = to + (r << 2) + 8;
      storeSixBitWords(
        scales, i32x4.extract_lane(sc, 0), i32x4.extract_lane(sc, 1), i32x4.extract_lane(sc, 2), i32x4.extract_lane(sc, 3),
      );
      for (let p: u32 = 0; p < 2; p++) storePair(block + (p << 5) + 32, block, p << 2, to + 192 * p + 48 * r + 56);
    }
  }
}

/** The 16 scales of a GGUF block, a byte each. */
// @ts-ignore: decorator
@inline
function scalesOf(block: usize): v128 {
  const m15 = i8x16.splat(15), nibbles = v128.load64_zero(block + 96), x = load<u32>(block, 104);
  const low = v128.shuffle<i64>(v128.and(nibbles, m15), v128.and(i16x8.shr_u(nibbles, 4), m15), 0, 2);
  let high = i32x4.splat(x << 4);
  high = i32x4.replace_lane(high, 1, x << 2);
  high = i32x4.replace_lane(high, 2, x);
  high = i32x4.replace_lane(high, 3, x >> 2);
  return v128.or(low, v128.and(high, i8x16.splat(48)));
}

/** Quads 2p and 2p + 1 of a row; i: 4p, the first bit of hmask and of a pair of qs. */
function storePair(qs: usize, hmask: usize, i: u32, to: usize): void {
  const q0 = v128.load(qs), q1 = v128.load(qs, 16), h0 = v128.load(hmask), h1 = v128.load(hmask, 16);
  const a = v128.or(codes3(q0, h0, i), i16x8.shl(codes3(q1, h1, i), 3));
  const b = v128.or(codes3(q0, h0, i + 1), i16x8.shl(codes3(q1, h1, i + 1), 3));
  const c = v128.or(codes3(q0, h0, i + 2), i16x8.shl(codes3(q1, h1, i + 2), 3));
  const d = v128.or(codes3(q0, h0, i + 3), i16x8.shl(codes3(q1, h1, i + 3), 3));
  storeSixBits(to, words(0, a, b, c, d), words(1, a, b, c, d), words(2, a, b, c, d), words(3, a, b, c, d));
}

/** 16 codes of the elements from 32i (+ 16) on, from their bytes of qs and hmask. */
// @ts-ignore: decorator
@inline
export function codes3(qs: v128, hmask: v128, i: u32): v128 {
  const low = v128.and(i16x8.shr_u(qs, (i & 3) << 1), i8x16.splat(3));
  return v128.or(low, i16x8.shl(v128.and(i16x8.shr_u(hmask, i), i8x16.splat(1)), 2));
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ3_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 440, out += 1024) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let q: u32 = 0; q < 4; q++) {
      for (let i: u32 = 0; i < 4; i++) {
        const scale = d * <f32>(<i32>sixBitsAt(group + (lane << 2) + i + 8, q) - 32);
        const codes = group + 192 * (q >> 1) + 48 * lane + (i << 2) + 56, to = out + (subBlockOf(q, i) << 6);
        for (let e: u32 = 0; e < 16; e++) {
          const code = (sixBitsAt(codes + (e & 3), e >> 2) >> (3 * (q & 1))) & 7;
          store<f32>(to + (e << 2), scale * <f32>(<i32>code - 4));
        }
      }
    }
  }
}
