// Q2_K: 256 weights of 2 bits in 16 sub-blocks of 16, w = d * sc[j] * q - dmin * mn[j].
//
// GGUF block, 84 bytes:      0             16          80       82          84
//                            | scales 16 B | qs 64 B   | d f16  | dmin f16  |
//   scales[j]: sc in the low nibble, mn in the high one
//   element e: h = e / 128, s = (e % 128) / 32: bits 2s and 2s + 1 of qs[32h + e % 32]
//
// R4 block of 4 rows, 336 bytes, by quads (quads.ts):
//   0    [4 f16]     d
//   8    [4 f16]     dmin
//   16   [4 x 16 B]  scales: vector q, byte 4r + i: row r, lane i of quad q
//   80   [2 x 4 x 2 x 16 B] quads 2p and 2p + 1, row r, s = 0, 1: vectors 2s of quad 2p in bits 0-1, of 2p + 1 in bits 2-3;
//                    2s + 1 of 2p in bits 4-5, of 2p + 1 in bits 6-7
// The second quad's codes are multiplied where they are, as 4q: one shift for four vectors, and the first's scales times 4.

import { ALL_NORMAL, f16ToF32, loadFiniteF16x4, loadNormalF16x4, normal } from "../half";
import { STEP } from "../lanes/builds";
import { addScaled, dot, factor } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M12, M15, M15X2, M255, M3, M60 } from "../lanes/masks";
import { highFactors, lowFactors } from "../lanes/quads";
import { Quads } from "./activation-forms";
import { Q2Slab } from "./k-slab";
import { storeLane } from "./nibbles";
import { quadOrder, storeRows, subBlockOf, sumLanes, words } from "./quads";

/**
 * One column: f = f - sum(mn * sum y) * (dmin * d_y), then f = f + sum(sc * acc) * (d * d_y). rel16: an acc of the second quad is at
 * most 4 * 2 * 12 * 127 = 12192. |sum| <= 256 * 3 * 15 * 127 = 1.5e6, four times that on the way.
 * @tiles 1x1
 */
function q2_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const zero = i32x4.splat(0), m3 = v128.load_splat<u32>(M3), m12 = v128.load_splat<u32>(M12);
  const evenMask = v128.load_splat<u32>(EVEN);
  let f = f32x4.splat(0);
  for (let b = k >> 8; b > 0; b--) {
    let total0 = zero, total1 = zero, total2 = zero, total3 = zero, least = zero;
    const block = w, dy = v128.load_splat<u32>(y);
    let scales = w + 16, sums = y + Quads.sums16;
    y += Quads.steps;
    w += 80;
    // a loop, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (const end = y + 256 * STEP; y < end; y += 128 * STEP) {
      const first = v128.load(scales), second = v128.load(scales, 16), m15x2 = v128.load_splat<u32>(M15X2);
      least = i32x4.add(least, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(first, 4), m15x2), v128.load_splat<u32>(sums)));
      least = i32x4.add(least, i32x4.dot_i16x8_s(i16x8.shr_u(first, 12), v128.load_splat<u32>(sums, 4)));
      least = i32x4.add(least, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(second, 4), m15x2), v128.load_splat<u32>(sums, 8)));
      least = i32x4.add(least, i32x4.dot_i16x8_s(i16x8.shr_u(second, 12), v128.load_splat<u32>(sums, 12)));
      const sc = v128.and(i16x8.shl(first, 2), v128.load_splat<u32>(M60)), sd = v128.and(second, v128.load_splat<u32>(M15));
      const sc01 = i16x8.extend_low_i8x16_u(sc), sc23 = i16x8.extend_high_i8x16_u(sc);
      const sd01 = i16x8.extend_low_i8x16_u(sd), sd23 = i16x8.extend_high_i8x16_u(sd);
      for (let $r = 0; $r < 4; $r++) {
        let a = zero, c = zero;
        for (let $s = 0; $s < 2; $s++) {
          const v = v128.load(w, 32 * $r + 16 * $s), u = i16x8.shr_u(v, 4);
          const q0 = v128.and(v, m3), q1 = v128.and(v, m12), q2 = v128.and(u, m3), q3 = v128.and(u, m12);
          const y0 = v128.load(y, 32 * $s * STEP), y1 = v128.load(y, (32 * $s + 64) * STEP);
          const y2 = v128.load(y, (32 * $s + 16) * STEP), y3 = v128.load(y, (32 * $s + 80) * STEP);
          const z0 = STEP == 2 ? v128.load(y, 64 * $s + 16) : y0, z1 = STEP == 2 ? v128.load(y, 64 * $s + 144) : y1;
          const z2 = STEP == 2 ? v128.load(y, 64 * $s + 48) : y2, z3 = STEP == 2 ? v128.load(y, 64 * $s + 176) : y3;
          a = dot($s == 0, a, even(q0, evenMask), odd(q0), y0, z0);
          c = dot($s == 0, c, even(q1, evenMask), odd(q1), y1, z1);
          a = dot(false, a, even(q2, evenMask), odd(q2), y2, z2);
          c = dot(false, c, even(q3, evenMask), odd(q3), y3, z3);
        }
        total$r = addScaled(total$r, a, $r % 2 == 0 ? lowFactors($r < 2 ? sc01 : sc23) : highFactors($r < 2 ? sc01 : sc23));
        total$r = addScaled(total$r, c, $r % 2 == 0 ? lowFactors($r < 2 ? sd01 : sd23) : highFactors($r < 2 ? sd01 : sd23));
      }
      w += 128;
      scales += 32;
      sums += 16;
    }
    let d = loadNormalF16x4(block), dmin = loadNormalF16x4(block + 8);
    if ((normal(block) & normal(block + 8)) != ALL_NORMAL) {
      d = loadFiniteF16x4(block);
      dmin = loadFiniteF16x4(block + 8);
    }
    f = f32x4.sub(f, f32x4.mul(f32x4.convert_i32x4_s(least), f32x4.mul(dmin, dy)));
    const total = i32x4.shr_s(sumLanes(total0, total1, total2, total3), 2);
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** n R4 blocks to slabs. */
export function unpackQ2_K(block: usize, n: u32, slab: usize): void {
  const m255 = v128.load_splat<u32>(M255), m15 = v128.load_splat<u32>(M15);
  for (; n > 0; n--, slab += Q2Slab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    v128.store(slab, loadFiniteF16x4(block + 8), 16);
    block += 16;
    for (let p: u32 = 0; p < 2; p++, block += 32) {
      const first = v128.load(block), second = v128.load(block, 16);
      let sc = v128.and(first, m15), sd = v128.and(second, m15);
      let mc = v128.and(i16x8.shr_u(first, 4), m15), md = v128.and(i16x8.shr_u(second, 4), m15);
      // lanes i of both quads are sub-blocks side by side
      for (let i: u32 = 0; i < 4; i++) {
        const to = slab + (subBlockOf(2 * p, i) << 4);
        v128.store(to, factor(v128.and(sc, m255)), Q2Slab.scales);
        v128.store(to, factor(v128.and(sd, m255)), Q2Slab.scales + 16);
        v128.store(slab + (p << 6) + (i << 4), v128.or(v128.and(mc, m255), i32x4.shl(v128.and(md, m255), 16)), Q2Slab.minima);
        sc = i32x4.shr_u(sc, 8);
        sd = i32x4.shr_u(sd, 8);
        mc = i32x4.shr_u(mc, 8);
        md = i32x4.shr_u(md, 8);
      }
    }
    for (let p: u32 = 0; p < 2; p++, block += 128) {
      for (let s: u32 = 0; s < 2; s++) {
        const from = block + (s << 4), to = slab + (p << 9) + (s << 5) + Q2Slab.weights;
        storeCodes(from, 0, to);
        storeCodes(from, 2, to + 64);
        storeCodes(from, 4, to + 16);
        storeCodes(from, 6, to + 80);
      }
    }
  }
}

/** Bits `shift` and the next of four rows' vectors, 32 bytes apart. */
// @ts-ignore: decorator
@inline
function storeCodes(p: usize, shift: i32, to: usize): void {
  const m3 = v128.load_splat<u32>(M3);
  const a = i16x8.shr_u(v128.load(p), shift), b = i16x8.shr_u(v128.load(p, 32), shift);
  const c = i16x8.shr_u(v128.load(p, 64), shift), d = i16x8.shr_u(v128.load(p, 96), shift);
  storeRows(to, v128.and(a, m3), v128.and(b, m3), v128.and(c, m3), v128.and(d, m3));
}

/**
 * Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group, which the caller has
 * zeroed where rows are missing.
 */
export function repackQ2_K(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 84, to += 336) {
      store<u16>(to + (r << 1), load<u16>(block, 80));
      store<u16>(to + (r << 1), load<u16>(block, 82), 8);
      storeLane(to + (r << 2) + 16, quadOrder(v128.load(block)));
      for (let p: u32 = 0; p < 2; p++) {
        // 16 bytes of qs hold lanes 0 to 3 of a quad
        const first = v128.load(block + (p << 5), 16), second = v128.load(block + (p << 5), 32);
        const codes = to + (p << 7) + (r << 5) + 80;
        v128.store(codes, v128.or(codesOf(0, first, second), i16x8.shl(codesOf(1, first, second), 4)));
        v128.store(codes, v128.or(codesOf(2, first, second), i16x8.shl(codesOf(3, first, second), 4)), 16);
      }
    }
  }
}

/** Vector n of a quad and, two bits higher, of the next: codes of four sub-blocks in 16 bytes each. */
// @ts-ignore: decorator
@inline
function codesOf(n: i32, first: v128, second: v128): v128 {
  return v128.or(vectorOf(n, first), i16x8.shl(vectorOf(n, second), 2));
}

// @ts-ignore: decorator
@inline
function vectorOf(n: i32, qs: v128): v128 {
  const m3 = v128.load_splat<u32>(M3);
  const a = v128.and(qs, m3), b = v128.and(i16x8.shr_u(qs, 2), m3);
  return words(n, a, b, v128.and(i16x8.shr_u(qs, 4), m3), v128.and(i16x8.shr_u(qs, 6), m3));
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ2_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 336, out += 1024) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    const dmin = f16ToF32(load<u16>(group + (lane << 1), 8));
    for (let q: u32 = 0; q < 4; q++) {
      for (let i: u32 = 0; i < 4; i++) {
        const both = <u32>load<u8>(group + (q << 4) + (lane << 2) + i, 16);
        const scale = d * <f32>(both & 15), minimum = dmin * <f32>(both >> 4);
        const codes = group + (q >> 1 << 7) + (lane << 5) + (i << 2) + 80, to = out + (subBlockOf(q, i) << 6);
        for (let e: u32 = 0; e < 16; e++) {
          const byte = <u32>load<u8>(codes + (e >> 3 << 4) + (e & 3));
          store<f32>(to + (e << 2), scale * <f32>((byte >> ((e & 4) + ((q & 1) << 1))) & 3) - minimum);
        }
      }
    }
  }
}
