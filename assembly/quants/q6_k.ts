// Q6_K: 256 weights of 6 bits in 16 sub-blocks of 16, w = d * scales[j] * (q - 32).
//
// GGUF block, 210 bytes:     0            128         192              208      210
//                            | ql 128 B   | qh 64 B   | scales 16 x i8 | d f16  |
//   element e: h = e / 128, s = (e % 128) / 32, j = e % 32: low nibble from ql[64h + j + 32 * (s % 2)], low half of
//   the byte where s < 2, else high; bits 4-5 from qh[32h + j] >> 2s
//
// R4 block of 4 rows, 840 bytes, by quads (quads.ts):
//   0    [4 f16]     d
//   8    [4 x 16 B]  scales: vector q, byte 4r + i: row r, lane i of quad q
//   72   [4 x 4 x 48 B] quad q, row r: four vectors of codes in three bytes

import { f16ToF32, loadFiniteF16x4, loadScaleF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { addScaled, dot } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M63 } from "../lanes/masks";
import { highFactors, lowFactors, startOfQuad } from "../lanes/quads";
import { factorPair } from "../lanes/scaled";
import { Quads } from "./activation-forms";
import { storeLane } from "./nibbles";
import { fourth, fourthBits, quadOrder, sixBitsAt, storeRows, storeSixBits, subBlockOf, sumLanes, words } from "./quads";
import { Slab } from "./slab";

/**
 * One column: total = sum over sub-blocks of scale * (sum q * y - 32 * sum y), f = f + total * (d_w * d_y). rel16: the inner sum
 * of half a lane is at most 8 * 32 * 127 = 32512 and fits i16; on the way it may wrap around.
 * @tiles 1x1
 */
function q6_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const m63 = v128.load_splat<u32>(M63), evenMask = v128.load_splat<u32>(EVEN);
  let f = f32x4.splat(0);
  for (let b = k >> 8; b > 0; b--) {
    let total0 = i32x4.splat(0), total1 = total0, total2 = total0, total3 = total0;
    const block = w, dy = v128.load_splat<u32>(y);
    let scales = w + 8, starts = y + Quads.starts;
    y += Quads.steps;
    w += 72;
    // a loop, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (const end = y + 256 * STEP; y < end; y += 64 * STEP) {
      const sc = v128.load(scales), start = startOfQuad(v128.load(starts), 5);
      const sc01 = i16x8.extend_low_i8x16_s(sc), sc23 = i16x8.extend_high_i8x16_s(sc);
      const y0 = v128.load(y), y1 = v128.load(y, 16 * STEP), y2 = v128.load(y, 32 * STEP), y3 = v128.load(y, 48 * STEP);
      const z0 = STEP == 2 ? v128.load(y, 16) : y0, z1 = STEP == 2 ? v128.load(y, 48) : y1;
      const z2 = STEP == 2 ? v128.load(y, 80) : y2, z3 = STEP == 2 ? v128.load(y, 112) : y3;
      for (let $r = 0; $r < 4; $r++) {
        const v0 = v128.load(w, 48 * $r), v1 = v128.load(w, 48 * $r + 16), v2 = v128.load(w, 48 * $r + 32);
        const q0 = v128.and(v0, m63), q1 = v128.and(v1, m63), q2 = v128.and(v2, m63);
        const q3 = fourth(v0, v1, v2, m63);
        let a = dot(false, start, even(q0, evenMask), odd(q0), y0, z0);
        a = dot(false, a, even(q1, evenMask), odd(q1), y1, z1);
        a = dot(false, a, even(q2, evenMask), odd(q2), y2, z2);
        a = dot(false, a, even(q3, evenMask), odd(q3), y3, z3);
        const factors = $r % 2 == 0 ? lowFactors($r < 2 ? sc01 : sc23) : highFactors($r < 2 ? sc01 : sc23);
        total$r = addScaled(total$r, a, factors);
      }
      w += 192;
      scales += 16;
      starts += 16;
    }
    const d = loadScaleF16x4(block);
    const total = sumLanes(total0, total1, total2, total3);
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** n R4 blocks to slabs, weights + 64: codes + 32. */
export function unpackQ6_K(block: usize, n: u32, slab: usize): void {
  for (; n > 0; n--, slab += Slab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    for (let q: u32 = 0; q < 4; q++) {
      let sc = v128.load(block + (q << 4), 8);
      for (let i: u32 = 0; i < 4; i++) {
        v128.store(slab + (subBlockOf(q, i) << 4), factorPair(i32x4.shr_s(i32x4.shl(sc, 24), 24)), Slab.scales);
        sc = i32x4.shr_u(sc, 8);
      }
    }
    block += 72;
    for (let q: u32 = 0; q < 4; q++, block += 192) {
      const to = slab + (subBlockOf(q, 0) << 6) + Slab.weights;
      for (let m: u32 = 0; m < 3; m++) {
        const p = block + (m << 4);
        storeCodes(to + (m << 4), v128.load(p), v128.load(p, 48), v128.load(p, 96), v128.load(p, 144));
      }
      const a = fourthBits(v128.load(block), v128.load(block, 16), v128.load(block, 32));
      const b = fourthBits(v128.load(block, 48), v128.load(block, 64), v128.load(block, 80));
      const c = fourthBits(v128.load(block, 96), v128.load(block, 112), v128.load(block, 128));
      storeCodes(to + 48, a, b, c, fourthBits(v128.load(block, 144), v128.load(block, 160), v128.load(block, 176)));
    }
  }
}

/** A vector of each row, codes in bits 0-5, with 32 more. */
// @ts-ignore: decorator
@inline
function storeCodes(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  storeRows(to, shifted(a), shifted(b), shifted(c), shifted(d));
}

// @ts-ignore: decorator
@inline
function shifted(v: v128): v128 {
  return i8x16.add(v128.and(v, v128.load_splat<u32>(M63)), i8x16.splat(32));
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ6_K(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 210, to += 840) {
      store<u16>(to + (r << 1), load<u16>(block, 208));
      storeLane(to + (r << 2) + 8, quadOrder(v128.load(block, 192)));
      for (let q: u32 = 0; q < 4; q++) {
        const c0 = codes6(block, subBlockOf(q, 0)), c1 = codes6(block, subBlockOf(q, 1));
        const c2 = codes6(block, subBlockOf(q, 2)), c3 = codes6(block, subBlockOf(q, 3));
        const p = to + 192 * q + 48 * r + 72;
        storeSixBits(p, words(0, c0, c1, c2, c3), words(1, c0, c1, c2, c3), words(2, c0, c1, c2, c3), words(3, c0, c1, c2, c3));
      }
    }
  }
}

/** 16 codes of sub-block j of a GGUF block. */
// @ts-ignore: decorator
@inline
function codes6(block: usize, j: u32): v128 {
  const h = j >> 3, s = (j >> 1) & 3, first = (j & 1) << 4;
  const ql = v128.load(block + 64 * h + 32 * (s & 1) + first);
  const qh = v128.load(block + 32 * h + first, 128);
  const low = v128.and(i16x8.shr_u(ql, (s >> 1) << 2), i8x16.splat(15));
  return v128.or(low, v128.and(i16x8.shl(i16x8.shr_u(qh, s << 1), 4), i8x16.splat(48)));
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ6_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 840, out += 1024) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let q: u32 = 0; q < 4; q++) {
      for (let i: u32 = 0; i < 4; i++) {
        const scale = d * <f32>load<i8>(group + (q << 4) + (lane << 2) + i, 8);
        const codes = group + 192 * q + 48 * lane + (i << 2) + 72, to = out + (subBlockOf(q, i) << 6);
        for (let e: u32 = 0; e < 16; e++) {
          store<f32>(to + (e << 2), scale * <f32>(<i32>sixBitsAt(codes + (e & 3), e >> 2) - 32));
        }
      }
    }
  }
}
