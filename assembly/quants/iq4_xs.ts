// IQ4_XS: 256 weights of 4 bits in 8 sub-blocks of 32, w = d * (sc[j] - 32) * values[q], with the
// values of IQ4_NL.
//
// GGUF block, 136 bytes:     0        2              4              8                136
//                            | d f16  | scales_h u16 | scales_l 4 B | qs 128 B       |
//   sc[j]: bits 0-3 are nibble j of scales_l, bits 4-5 are bits 2j and 2j + 1 of scales_h
//   sub-block j, element e < 16: low nibble of qs[16j + e]; else high of qs[16j + e - 16]
//
// R4 block of 4 rows, 544 bytes:
//   0    [4 f16]   d
//   8    [16 B]    byte 4r + k: row r, sc[k] in bits 0-5, bits 4-5 of sc[4 + k] in bits 6-7
//   24   [4 u16]   of row r: bits 0-3 of sc[4], sc[6], sc[5], sc[7], in this order from bit 0 on
//   32   [8 x 64 B] sub-block j: four vectors; vector i, byte 4r + k: row r, elements 8i + k (low),
//                   8i + 4 + k (high)

import { loadF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { addScaledParts, dotParts, dotSecond, firstPart, secondPart, signedFactor } from "../lanes/codebook";
import { even, odd } from "../lanes/even-odd";
import { EVEN, M15, M48, M63 } from "../lanes/masks";
import { storeScaleBytes32 } from "./folded";
import { IQ4NL_VALUES } from "./iq4_nl";
import { repackNibbles } from "./nibbles";
import { Slab } from "./slab";
import { loadScale } from "./tile-parts";

/**
 * One tile, with v = values + 128, which is 1..241: total = sum over sub-blocks of
 * (sc - 32) * (sum v * y - 128 * sum y), f = f + total * (d_w * d_y).
 * |total| <= 256 * 127 * 32 * 127 = 1.33e8, on the way at most 256 * (241 + 128) * 32 * 127.
 * Folded (folded.ts), as IQ4_NL and IQ4_KS, it would take a vector instruction less a step and a load more: they are as fast.
 * @tiles 1x1
 */
function iq4_xs(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m15 = v128.load_splat<u32>(M15), evenMask = v128.load_splat<u32>(EVEN);
  const values = v128.xor(v128.load(IQ4NL_VALUES), i8x16.splat(-128));
  const first = firstPart(values), second = secondPart(values);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    const m63 = v128.load_splat<u32>(M63), m48 = v128.load_splat<u32>(M48), m32 = i8x16.splat(32);
    const u$g = v128.load(w$g, 8), x$g = v128.load_ext<u16>(w$g, 24);
    let sc$g = scalesLow(u$g, m63, m32);
    const scHigh$g = scalesHigh(u$g, x$g, m15, m48, m32);
    const s02$g = i16x8.shr_s(i16x8.shl(sc$g, 8), 8), s13$g = i16x8.shr_s(sc$g, 8);
    const s46$g = i16x8.shr_s(i16x8.shl(scHigh$g, 8), 8), s57$g = i16x8.shr_s(scHigh$g, 8);
    let total$g$c = zero;
    {
      let s$g$c = i32x4.dot_i16x8_s(s02$g, v128.load_splat<u32>(y, 4 * ($C + $c)));
      s$g$c = i32x4.add(s$g$c, i32x4.dot_i16x8_s(s13$g, v128.load_splat<u32>(y, 4 * (2 * $C + $c))));
      s$g$c = i32x4.add(s$g$c, i32x4.dot_i16x8_s(s46$g, v128.load_splat<u32>(y, 4 * (3 * $C + $c))));
      s$g$c = i32x4.add(s$g$c, i32x4.dot_i16x8_s(s57$g, v128.load_splat<u32>(y, 4 * (4 * $C + $c))));
      total$g$c = i32x4.sub(zero, i32x4.shl(s$g$c, 7));
    }
    let d$g = zero;
    loadScale(d$g, w$g);
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    y += 84 * $C;
    w$g += 32;
    // a loop, not unrolled: older V8 collapses on a whole block in a row (measured on Q4_K: 4x)
    for (let j: u32 = 0; j < 8; j++) {
      if (j == 4) {
        sc$g = scHigh$g;
      }
      let a$g$c = zero, rest$g$c = zero;
      for (let $i = 0; $i < 4; $i++) {
        const q$g = v128.load(w$g, 16 * $i);
        const low$g = v128.and(q$g, m15), high$g = v128.and(i16x8.shr_u(q$g, 4), m15);
        const p$g = lookup(first, low$g), r$g = lookup(second, low$g);
        const pEven$g = even(p$g, evenMask), pOdd$g = odd(p$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * (2 * $i * STEP) + $c));
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * (2 * $i * STEP + 1) + $c)) : y$c;
          a$g$c = dotParts($i == 0, a$g$c, pEven$g, pOdd$g, r$g, y$c, z$c);
          rest$g$c = dotSecond($i == 0, rest$g$c, r$g, y$c);
        }
        const s$g = lookup(first, high$g), t$g = lookup(second, high$g);
        const sEven$g = even(s$g, evenMask), sOdd$g = odd(s$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * ((2 * $i + 1) * STEP) + $c));
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * ((2 * $i + 1) * STEP + 1) + $c)) : y$c;
          a$g$c = dotParts(false, a$g$c, sEven$g, sOdd$g, t$g, y$c, z$c);
          rest$g$c = dotSecond(false, rest$g$c, t$g, y$c);
        }
      }
      const k$g = signedFactor(sc$g);
      total$g$c = addScaledParts(total$g$c, a$g$c, rest$g$c, k$g);
      sc$g = i32x4.shr_u(sc$g, 8);
      w$g += 64;
      y += 32 * STEP * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/**
 * Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group, which the caller has
 * zeroed where rows are missing.
 */
export function repackIQ4_XS(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 8;
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes;
    let to = dst;
    for (let b: u32 = 0; b < nb; b++, block += 136, to += 544) {
      store<u16>(to + (r << 1), load<u16>(block));
      const high = <u32>load<u16>(block, 2), low = load<u32>(block, 4);
      const lane = to + (r << 2);
      for (let j: u32 = 0; j < 4; j++) {
        const sc = ((low >> (j << 2)) & 15) | (((high >> (j << 1)) & 3) << 4);
        store<u8>(lane + j, sc | (((high >> ((j << 1) + 8)) & 3) << 6), 8);
      }
      // nibbles 4, 6, 5, 7
      const order = ((low >> 16) & 0xf00f) | ((low >> 20) & 0x00f0) | ((low >> 12) & 0x0f00);
      store<u16>(to + (r << 1), order, 24);
      for (let j: u32 = 0; j < 8; j++) repackNibbles(lane + (j << 6) + 32, v128.load(block + (j << 4), 8));
    }
  }
}

/** Scales of sub-blocks 0..3 and 4..7 of each row, a byte each; x: load_ext<u16>(block, 24). */
// @ts-ignore: decorator
@inline
export function scalesLow(u: v128, m63: v128, m32: v128): v128 {
  return i8x16.sub(v128.and(u, m63), m32);
}

// @ts-ignore: decorator
@inline
export function scalesHigh(u: v128, x: v128, m15: v128, m48: v128, m32: v128): v128 {
  const low = v128.and(v128.or(x, i32x4.shl(x, 12)), m15);
  return i8x16.sub(v128.or(low, v128.and(i32x4.shr_u(u, 2), m48)), m32);
}

/** n blocks to slabs of signed weights: the way for many columns. */
export function unpackIQ4_XS(block: usize, n: u32, slab: usize): void {
  const values = v128.load(IQ4NL_VALUES), m15 = v128.load_splat<u32>(M15), m32 = i8x16.splat(32);
  for (; n > 0; n--, slab += Slab.bytes) {
    const u = v128.load(block, 8);
    v128.store(slab, loadF16x4(block));
    storeScaleBytes32(slab, 0, scalesLow(u, v128.load_splat<u32>(M63), m32));
    storeScaleBytes32(slab, 4, scalesHigh(u, v128.load_ext<u16>(block, 24), m15, v128.load_splat<u32>(M48), m32));
    let to = slab + Slab.weights;
    block += 32;
    for (const end = block + 512; block < end; block += 16, to += 32) {
      const q = v128.load(block);
      v128.store(to, lookup(values, v128.and(q, m15)));
      v128.store(to, lookup(values, v128.and(i16x8.shr_u(q, 4), m15)), 16);
    }
  }
}
