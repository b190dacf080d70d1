// Q3_K: 256 weights of 3 bits in 16 sub-blocks of 16, w = d * (sc[j] - 32) * (q - 4).
//
// GGUF block, 110 bytes:     0            32          96            108      110
//                            | hmask 32 B | qs 64 B   | scales 12 B | d f16  |
//   element e: h = e / 128, s = (e % 128) / 32: bits 0-1 are bits 2s, 2s + 1 of qs[32h + e % 32],
//   bit 2 is bit e / 32 of hmask[e % 32]
//   sc[j]: bits 0-3 are a nibble of scales[j % 8], low where j < 8, else high; bits 4-5 come from
//   scales[8 + j % 4] >> 2 * (j / 4)
//
// R4 block of 4 rows, 440 bytes:
//   0    [4 f16]    d
//   8    [3 x 16 B] the three words of `scales`, each with rows 0..3 side by side
//   56   [8 x 48 B] sub-blocks 2i and 2i + 1, 32 elements: three vectors v0..v2; byte 4r + k of vn:
//                   row r, element 8n + k in bits 0-2, 8n + 4 + k in bits 3-5. The 6 free bits hold
//                   elements 24 + k (bits 6-7 of v0, then bit 6 of v2) and 28 + k (bits 6-7 of v1,
//                   then bit 7 of v2)

import { ALL_NORMAL, f16ToF32, loadFiniteF16x4, loadNormalF16x4, normal } from "../half";
import { EVEN, M15, M255, M3, M32, M4, M7, STEP, dot, even, factor, factorPair, odd, startAt } from "../lanes";
import { Slab } from "./slab";

/**
 * One tile: total = sum over sub-blocks of (sc - 32) * (sum q * y - 4 * sum y),
 * f = f + total * (d_w * d_y).
 * The inner sum is at most 16 * 4 * 127 = 8128, or 15240 on the way, and fits i16: dot_i16x8
 * multiplies it. |total| <= 256 * 4 * 32 * 127 = 4.2e6.
 * @tiles 1x1
 */
function q3_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const evenMask = v128.load_splat<u32>(EVEN), m255 = v128.load_splat<u32>(M255), m15 = v128.load_splat<u32>(M15);
  const m3 = v128.load_splat<u32>(M3), m4 = v128.load_splat<u32>(M4), m7 = v128.load_splat<u32>(M7);
  const m32 = v128.load_splat<u32>(M32);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = i32x4.splat(0);
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    let d$g = loadNormalF16x4(w$g);
    let allNormal = ALL_NORMAL;
    allNormal &= normal(w$g);
    if (allNormal != ALL_NORMAL) {
      d$g = loadFiniteF16x4(w$g);
    }
    const scales$g = w$g + 8;
    let sums = y + 20 * $C;
    y += 84 * $C;
    w$g += 56;
    // loops, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (let i: u32 = 0; i < 4; i++) {
      const low$g = v128.and(i16x8.shr_u(v128.load(scales$g + ((i & 1) << 4)), (i & 2) << 1), m15);
      const high$g = v128.and(i16x8.shr_u(v128.load(scales$g, 32), i << 1), m3);
      let sc$g = v128.or(low$g, i16x8.shl(high$g, 4));
      for (let j: u32 = 0; j < 2; j++) {
        const v0$g = v128.load(w$g), v1$g = v128.load(w$g, 16), v2$g = v128.load(w$g, 32);
        const q0$g = v128.and(v0$g, m7), q1$g = v128.and(i16x8.shr_u(v0$g, 3), m7);
        const q2$g = v128.and(v1$g, m7), q3$g = v128.and(i16x8.shr_u(v1$g, 3), m7);
        const q4$g = v128.and(v2$g, m7), q5$g = v128.and(i16x8.shr_u(v2$g, 3), m7);
        const q6$g = v128.or(v128.and(i16x8.shr_u(v0$g, 6), m3), v128.and(i16x8.shr_u(v2$g, 4), m4));
        const q7$g = v128.or(v128.and(i16x8.shr_u(v1$g, 6), m3), v128.and(i16x8.shr_u(v2$g, 5), m4));
        let a$g$c = m3;
        for (let $n = 0; $n < 8; $n++) {
          if ($n % 4 == 0) {
            const start$c = startAt(i32x4.shl(v128.load_splat<u32>(sums, 4 * ($C * ($n / 4) + $c)), 2));
            a$g$c = start$c;
          }
          const qEven$g = even(q$n$g, evenMask), qOdd$g = odd(q$n$g);
          {
            const y$c = v128.load_splat<u32>(y, 4 * ($C * $n * STEP + $c));
            const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * ($n * STEP + 1) + $c)) : y$c;
            a$g$c = dot(false, a$g$c, qEven$g, qOdd$g, y$c, z$c);
          }
          if ($n % 4 == 3) {
            const k$g = factor(i16x8.sub(v128.and(sc$g, m255), m32));
            total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(a$g$c, k$g));
            sc$g = i32x4.shr_u(sc$g, 8);
          }
        }
        w$g += 48;
        sums += 8 * $C;
        y += 32 * STEP * $C;
      }
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks to slabs, weights + 64: codes + 60. */
export function unpackQ3_K(block: usize, n: u32, slab: usize): void {
  const m255 = v128.load_splat<u32>(M255), m15 = v128.load_splat<u32>(M15), m3 = v128.load_splat<u32>(M3);
  const m4 = v128.load_splat<u32>(M4), m7 = v128.load_splat<u32>(M7), m32 = i32x4.splat(32), m60 = i8x16.splat(60);
  for (; n > 0; n--, slab += Slab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    for (let i: u32 = 0, to = slab; i < 4; i++) {
      const low = v128.and(i16x8.shr_u(v128.load(block + ((i & 1) << 4), 8), (i & 2) << 1), m15);
      let sc = v128.or(low, i16x8.shl(v128.and(i16x8.shr_u(v128.load(block, 40), i << 1), m3), 4));
      for (let j: u32 = 0; j < 4; j++, to += 16) {
        v128.store(to, factorPair(i32x4.sub(v128.and(sc, m255), m32)), Slab.scales);
        sc = i32x4.shr_u(sc, 8);
      }
    }
    block += 56;
    for (let to = slab, end = slab + 1024; to < end; to += 128, block += 48) {
      const v0 = v128.load(block), v1 = v128.load(block, 16), v2 = v128.load(block, 32);
      v128.store(to, i8x16.add(v128.and(v0, m7), m60), Slab.weights);
      v128.store(to, i8x16.add(v128.and(i16x8.shr_u(v0, 3), m7), m60), Slab.weights + 16);
      v128.store(to, i8x16.add(v128.and(v1, m7), m60), Slab.weights + 32);
      v128.store(to, i8x16.add(v128.and(i16x8.shr_u(v1, 3), m7), m60), Slab.weights + 48);
      v128.store(to, i8x16.add(v128.and(v2, m7), m60), Slab.weights + 64);
      v128.store(to, i8x16.add(v128.and(i16x8.shr_u(v2, 3), m7), m60), Slab.weights + 80);
      v128.store(to, i8x16.add(v128.or(v128.and(i16x8.shr_u(v0, 6), m3), v128.and(i16x8.shr_u(v2, 4), m4)), m60), Slab.weights + 96);
      v128.store(to, i8x16.add(v128.or(v128.and(i16x8.shr_u(v1, 6), m3), v128.and(i16x8.shr_u(v2, 5), m4)), m60), Slab.weights + 112);
    }
  }
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
      const lane = to + (r << 2);
      for (let i: u32 = 0; i < 3; i++) store<u32>(lane + (i << 4), load<u32>(block + (i << 2), 96), 8);
      for (let i: u32 = 0; i < 8; i++) {
        const qs = block + ((i >> 2) << 5);
        const first = codes3(v128.load(qs, 32), v128.load(block), i);
        const second = codes3(v128.load(qs, 48), v128.load(block, 16), i);
        store96(lane + 48 * i + 56, first, second);
      }
    }
  }
}

/** 16 codes of the elements from 32i (+ 16) on, from their bytes of qs and hmask. */
// @ts-ignore: decorator
@inline
export function codes3(qs: v128, hmask: v128, i: u32): v128 {
  const low = v128.and(i16x8.shr_u(qs, (i & 3) << 1), i8x16.splat(3));
  return v128.or(low, i16x8.shl(v128.and(i16x8.shr_u(hmask, i), i8x16.splat(1)), 2));
}

/**
 * 32 codes of a row as three words of its lane, 16 bytes apart: the bits of the last two words fill
 * the free ones.
 */
// @ts-ignore: decorator
@inline
export function store96(p: usize, first: v128, second: v128): void {
  const w6 = i32x4.extract_lane(second, 2), w7 = i32x4.extract_lane(second, 3);
  const pair0 = i32x4.extract_lane(first, 0) | (i32x4.extract_lane(first, 1) << 3);
  const pair1 = i32x4.extract_lane(first, 2) | (i32x4.extract_lane(first, 3) << 3);
  const pair2 = i32x4.extract_lane(second, 0) | (i32x4.extract_lane(second, 1) << 3);
  store<u32>(p, pair0 | ((w6 & 0x03030303) << 6));
  store<u32>(p, pair1 | ((w7 & 0x03030303) << 6), 16);
  store<u32>(p, pair2 | ((w6 & 0x04040404) << 4) | ((w7 & 0x04040404) << 5), 32);
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ3_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 440) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let i: u32 = 0; i < 8; i++, out += 128) {
      const p = group + 48 * i + (lane << 2);
      const v0 = load<u32>(p, 56), v1 = load<u32>(p, 72), v2 = load<u32>(p, 88);
      const s0 = d * <f32>scaleAt(group + (lane << 2), 2 * i), s1 = d * <f32>scaleAt(group + (lane << 2), 2 * i + 1);
      store4(out, s0, v0);
      store4(out + 16, s0, v0 >> 3);
      store4(out + 32, s0, v1);
      store4(out + 48, s0, v1 >> 3);
      store4(out + 64, s1, v2);
      store4(out + 80, s1, v2 >> 3);
      store4(out + 96, s1, ((v0 >> 6) & 0x03030303) | ((v2 >> 4) & 0x04040404));
      store4(out + 112, s1, ((v1 >> 6) & 0x03030303) | ((v2 >> 5) & 0x04040404));
    }
  }
}

/** Scale of sub-block j, -32..31; p: R4 block plus 4 * lane. */
// @ts-ignore: decorator
@inline
function scaleAt(p: usize, j: u32): i32 {
  const low = <u32>load<u8>(p + ((j & 4) << 2) + (j & 3), 8) >> ((j & 8) >> 1);
  const high = <u32>load<u8>(p + (j & 3), 40) >> ((j >> 2) << 1);
  return <i32>((low & 15) | ((high & 3) << 4)) - 32;
}

// @ts-ignore: decorator
@inline
function store4(out: usize, scale: f32, codes: u32): void {
  for (let i: u32 = 0; i < 4; i++) store<f32>(out + (i << 2), scale * <f32>(<i32>((codes >> (i << 3)) & 7) - 4));
}
