// Q6_K: 256 weights of 6 bits in 16 sub-blocks of 16, w = d * scales[j] * (q - 32).
//
// GGUF block, 210 bytes:     0            128         192              208      210
//                            | ql 128 B   | qh 64 B   | scales 16 x i8 | d f16  |
//   element e: h = e / 128, s = (e % 128) / 32, j = e % 32: low nibble from ql[64h + j + 32 * (s % 2)], low half of
//   the byte where s < 2, else high; bits 4-5 from qh[32h + j] >> 2s
//
// R4 block of 4 rows, 840 bytes:
//   0    [4 f16]     d
//   8    [4 x 16 B]  scales: vector i, byte 4r + k: row r, sub-block 4i + k
//   72   [16 x 48 B] sub-block j: three vectors v0..v2; byte 4r + k: elements 4n + k of row r, n = 0..2, in bits 0-5,
//                    and two bits of element 12 + k in bits 6-7: bits 0-1 in v0, 2-3 in v1, 4-5 in v2

import { ALL_NORMAL, f16ToF32, loadFiniteF16x4, loadNormalF16x4, normal } from "../half";
import { EVEN, M63, ONES, STEP, dot, even, factorPair, odd, settle } from "../lanes";
import { Slab } from "./slab";

/**
 * One tile: total = sum over sub-blocks of scale * (sum q * y - 32 * sum y), f = f + total * (d_w * d_y).
 * @tiles 1x1
 */
function q6_K(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const m63 = v128.load_splat<u32>(M63), evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
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
    let scales$g = w$g + 8;
    let sums = y + 20 * $C;
    y += 84 * $C;
    w$g += 72;
    // loops, not unrolled: older V8 collapses on a whole block in a row (measured: 4x)
    for (let i: u32 = 0; i < 4; i++) {
      let sc$g = v128.load(scales$g);
      scales$g += 16;
      for (let j: u32 = 0; j < 4; j++) {
        const start$c = i32x4.shl(v128.load_splat<u32>(sums, 4 * $c), 5);
        let a$g$c = start$c, sum$g$c = start$c;
        const v0$g = v128.load(w$g), v1$g = v128.load(w$g, 16), v2$g = v128.load(w$g, 32);
        const q0$g = v128.and(v0$g, m63), q1$g = v128.and(v1$g, m63), q2$g = v128.and(v2$g, m63);
        const high0$g = i16x8.shr_u(v128.xor(v0$g, q0$g), 2);
        const high1$g = i16x8.shr_u(v128.or(high0$g, v128.xor(v1$g, q1$g)), 2);
        const q3$g = i16x8.shr_u(v128.or(high1$g, v128.xor(v2$g, q2$g)), 2);
        for (let $n = 0; $n < 4; $n++) {
          const qEven$g = even(q$n$g, evenMask), qOdd$g = odd(q$n$g);
          {
            const y$c = v128.load_splat<u32>(y, 4 * ($C * $n * STEP + $c));
            const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * ($n * STEP + 1) + $c)) : y$c;
            a$g$c = dot($n % 2 == 0, a$g$c, qEven$g, qOdd$g, y$c, z$c);
          }
          if ($n % 2 == 1) sum$g$c = settle(sum$g$c, a$g$c, ones);
        }
        const k$g = i32x4.shr_s(i32x4.shl(sc$g, 24), 24);
        total$g$c = i32x4.add(total$g$c, i32x4.mul(sum$g$c, k$g));
        sc$g = i32x4.shr_u(sc$g, 8);
        w$g += 48;
        sums += 4 * $C;
        y += 16 * STEP * $C;
      }
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** n R4 blocks to slabs, weights + 64: codes + 32. */
export function unpackQ6_K(block: usize, n: u32, slab: usize): void {
  const m63 = v128.load_splat<u32>(M63), m32 = i8x16.splat(32);
  for (; n > 0; n--, slab += Slab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    for (let i: u32 = 0, to = slab; i < 4; i++) {
      let sc = v128.load(block + (i << 4), 8);
      for (let j: u32 = 0; j < 4; j++, to += 16) {
        v128.store(to, factorPair(i32x4.shr_s(i32x4.shl(sc, 24), 24)), Slab.scales);
        sc = i32x4.shr_u(sc, 8);
      }
    }
    block += 72;
    for (let to = slab, end = slab + 1024; to < end; to += 64, block += 48) {
      const v0 = v128.load(block), v1 = v128.load(block, 16), v2 = v128.load(block, 32);
      const q0 = v128.and(v0, m63), q1 = v128.and(v1, m63), q2 = v128.and(v2, m63);
      const high0 = i16x8.shr_u(v128.xor(v0, q0), 2);
      const high1 = i16x8.shr_u(v128.or(high0, v128.xor(v1, q1)), 2);
      v128.store(to, i8x16.add(q0, m32), Slab.weights);
      v128.store(to, i8x16.add(q1, m32), Slab.weights + 16);
      v128.store(to, i8x16.add(q2, m32), Slab.weights + 32);
      v128.store(to, i8x16.add(i16x8.shr_u(v128.or(high1, v128.xor(v2, q2)), 2), m32), Slab.weights + 48);
    }
  }
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackQ6_K(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  const m15 = i8x16.splat(15), m48 = i8x16.splat(48);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 210, to += 840) {
      store<u16>(to + (r << 1), load<u16>(block, 208));
      const lane = to + (r << 2);
      for (let i: u32 = 0; i < 4; i++) store<u32>(lane + (i << 4), load<u32>(block + (i << 2), 192), 8);
      for (let j: u32 = 0; j < 16; j++) {
        // sub-block j: 16 elements from e = 16j on
        const h = j >> 3, s = (j >> 1) & 3, first = (j & 1) << 4;
        const ql = v128.load(block + 64 * h + 32 * (s & 1) + first);
        const qh = v128.load(block + 32 * h + first, 128);
        const low = v128.and(i16x8.shr_u(ql, (s >> 1) << 2), m15);
        const q = v128.or(low, v128.and(i16x8.shl(i16x8.shr_u(qh, s << 1), 4), m48));
        store48(lane + 48 * j + 72, q);
      }
    }
  }
}

/** 16 codes of a row as three words of its lane, 16 bytes apart: the fourth word's bits fill the free pairs. */
// @ts-ignore: decorator
@inline
function store48(p: usize, q: v128): void {
  const word = i32x4.extract_lane(q, 3);
  store<u32>(p, i32x4.extract_lane(q, 0) | ((word & 0x03030303) << 6));
  store<u32>(p, i32x4.extract_lane(q, 1) | ((word & 0x0c0c0c0c) << 4), 16);
  store<u32>(p, i32x4.extract_lane(q, 2) | ((word & 0x30303030) << 2), 32);
}

/** Row `lane` of a group as k f32. */
export function dequantizeQ6_K(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 8;
  for (let b: u32 = 0; b < nb; b++, group += 840) {
    const d = f16ToF32(load<u16>(group + (lane << 1)));
    for (let j: u32 = 0; j < 16; j++, out += 64) {
      const scale = d * <f32>load<i8>(group + ((j >> 2) << 4) + (lane << 2) + (j & 3), 8);
      const p = group + 48 * j + (lane << 2);
      const w0 = load<u32>(p, 72), w1 = load<u32>(p, 88), w2 = load<u32>(p, 104);
      const w3 = ((w0 >> 6) & 0x03030303) | ((w1 >> 4) & 0x0c0c0c0c) | ((w2 >> 2) & 0x30303030);
      store4(out, scale, w0);
      store4(out + 16, scale, w1);
      store4(out + 32, scale, w2);
      store4(out + 48, scale, w3);
    }
  }
}

// @ts-ignore: decorator
@inline
function store4(out: usize, scale: f32, codes: u32): void {
  for (let i: u32 = 0; i < 4; i++) store<f32>(out + (i << 2), scale * <f32>(<i32>((codes >> (i << 3)) & 63) - 32));
}
