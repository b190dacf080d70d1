// IQ6_K (ik_llama.cpp): 256 weights of 6 bits into one of two sets of 64 values. LAYOUTS.md section 3.
//
// 212 bytes:   0        2            4                 20           148         212
//              | d f16  | extra u16  | scales 16 x i8  | qs 128 B   | qh 64 B   |
//   codes: nibbles as in Q5_K; b = e / 32: bits 4-5 are bits 2 * (b % 4) and the next of qh[32 * (e / 128) + e % 32]
//   bit g = e / 16 of extra: second set, larger by 1
// ik_llama.cpp's decoder takes the values from a cubic, its products from the table of the rounded ones; so do we.
//
// R4 block, 848 bytes:
//   0    [4 u16]      d
//   8    [4 u16]      extra
//   16   [4 x 16 B]   scales: vector i, byte 4r + k: row r, sub-block 4i + k
//   80   [16 x 48 B]  sub-block j: three vectors v0..v2; byte 4r + k of vn: row r, element 4n + k: bits 0-3 of the code, the inverse
//                     of bit 4 in bit 6, of bit 5 in bit 7; bits 4-5: of element 12 + k bits 0-1 (v0), 2-3 (v1), 6-7 (v2) of such a byte

import { f16ToF32, loadScaleF16x4 } from "../half";
import { lookup } from "../lanes/bytes";
import { SPREAD_BYTE, addFolded, scaledFolded, spreadScales } from "../lanes/folded";
import { M1, M128, M15, M3 } from "../lanes/masks";
import { addSums, setsOfBits, storeScaleBytes } from "./folded";
import { Slab } from "./slab";
import { choice } from "./words";

/** iq6nl_values of LAYOUTS.md: two sets, the second larger by 1. */
// prettier-ignore
export const IQ6NL_VALUES: usize = memory.data<i8>([
  -127, -121, -115, -109, -104, -98, -93, -88, -84, -79, -74, -70, -66, -62, -58, -54,
  -51, -47, -44, -40, -37, -34, -31, -28, -25, -22, -19, -16, -13, -11, -8, -5,
  -2, 0, 3, 6, 9, 12, 14, 17, 20, 23, 27, 30, 33, 36, 40, 44,
  47, 51, 55, 59, 63, 68, 72, 77, 82, 87, 92, 98, 103, 109, 115, 121,
  -126, -120, -114, -108, -103, -97, -92, -87, -83, -78, -73, -69, -65, -61, -57, -53,
  -50, -46, -43, -39, -36, -33, -30, -27, -24, -21, -18, -15, -12, -10, -7, -4,
  -1, 1, 4, 7, 10, 13, 15, 18, 21, 24, 28, 31, 34, 37, 41, 45,
  48, 52, 56, 60, 64, 69, 73, 78, 83, 88, 93, 99, 104, 110, 116, 122,
], 16);

const MASKS: usize = memory.data<u32>([0x0c0c0c0c, 0xc0c0c0c0, 0x8f8f8f8f], 16);
/** For load_splat<u32>: every byte 12, 192, 143. */
const M12: usize = MASKS, M192: usize = MASKS + 4, M143: usize = MASKS + 8;

// The values of codes q are first[q & 15], plus bit4[q & 15] where bit 4 is set, plus bit5[..] where bit 5 is, plus both[..] where
// both are, modulo 256: a swizzle gives 0 where bit 7 of its index is set, which is the inverse of the bit.

// @ts-ignore: decorator
@inline
export function tableBit4(first: v128): v128 {
  return i8x16.sub(v128.load(IQ6NL_VALUES, 16), first);
}

// @ts-ignore: decorator
@inline
export function tableBit5(first: v128): v128 {
  return i8x16.sub(v128.load(IQ6NL_VALUES, 32), first);
}

// @ts-ignore: decorator
@inline
export function tableBoth(bit4: v128): v128 {
  return i8x16.sub(i8x16.sub(v128.load(IQ6NL_VALUES, 48), v128.load(IQ6NL_VALUES, 32)), bit4);
}

/** The values of bytes as vectors v0..v2 hold them. */
// @ts-ignore: decorator
@inline
export function lookupIQ6(v: v128, first: v128, bit4: v128, bit5: v128, both: v128, m15: v128, m128: v128): v128 {
  const code = v128.and(v, m15), no4 = v128.and(i8x16.add(v, v), m128), no5 = v128.and(v, v128.load_splat<u32>(M143));
  const low = i8x16.add(lookup(first, code), lookup(bit4, v128.or(code, no4)));
  return i8x16.add(low, i8x16.add(lookup(bit5, no5), lookup(both, v128.or(no5, no4))));
}

/** The bytes of elements 12 .. 15 from those of the others. */
// @ts-ignore: decorator
@inline
export function fourthIQ6(v0: v128, v1: v128, v2: v128): v128 {
  const low = v128.or(v128.and(i16x8.shr_u(v0, 4), v128.load_splat<u32>(M3)), v128.and(i16x8.shr_u(v1, 2), v128.load_splat<u32>(M12)));
  return v128.or(low, v128.and(i16x8.shl(v2, 2), v128.load_splat<u32>(M192)));
}

/**
 * One column: total = sum over sub-blocks of scale * sum w * y (folded.ts), f = f + total * (d_w * d_y).
 * |total| <= 256 * 127 * 128 * 127 = 5.3e8.
 * @tiles 1x1
 */
function iq6_k(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m15 = v128.load_splat<u32>(M15), m128 = v128.load_splat<u32>(M128);
  const first = v128.load(IQ6NL_VALUES), bit4 = tableBit4(first), bit5 = tableBit5(first), both = tableBoth(bit4);
  let f = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, sets = v128.load_ext<u16>(w, 8), sums = y + 4, scaleBytes = w + 16;
    const block = w, dy = v128.load_splat<u32>(y);
    w += 80;
    y += 100;
    for (let i: u32 = 0; i < 4; i++) {
      const scales = v128.load(scaleBytes);
      total = addSums(total, scales, sums);
      total = addSums(total, v128.and(scales, setsOfBits(sets)), sums + 8);
      sets = i32x4.shr_u(sets, 4);
      sums += 16;
      scaleBytes += 16;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 16) {
        const k0 = spreadScales(scales, v128.load(spread));
        const v0 = v128.load(w), v1 = v128.load(w, 16), v2 = v128.load(w, 32);
        const v3 = fourthIQ6(v0, v1, v2);
        let a = zero;
        for (let $m = 0; $m < 4; $m++) {
          const value = lookupIQ6(v$m, first, bit4, bit5, both, m15, m128);
          a = scaledFolded(a, value, v128.load_splat<u32>(y, 8 * $m), v128.load_splat<u32>(y, 8 * $m + 4), k0);
        }
        total = addFolded(total, a, k0);
        w += 48;
        y += 32;
      }
    }
    const d = loadScaleF16x4(block);
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** Interleaves nRows (1..4) rows of nb blocks, rowBytes apart; missing rows must be zero. */
export function repackIQ6_K(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  const m15 = i8x16.splat(15), m3 = i8x16.splat(3);
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes, to = dst + (r << 2);
    for (let b: u32 = 0; b < nb; b++, block += 212, to += 848) {
      store<u16>(to - (r << 1), load<u16>(block));
      store<u16>(to - (r << 1), load<u16>(block, 2), 8);
      for (let i: u32 = 0; i < 4; i++) store<u32>(to + (i << 4), load<u32>(block + (i << 2), 4), 16);
      for (let j: u32 = 0; j < 16; j++) {
        const half = (j & 1) << 4;
        const qs = v128.load(block + (j >> 2 << 5) + half, 20), qh = v128.load(block + (j >> 3 << 5) + half, 148);
        const code = v128.and(i16x8.shr_u(qs, (j & 2) << 1), m15), upper = v128.andnot(m3, i16x8.shr_u(qh, j & 6));
        storeSubBlock(to + 48 * j + 80, v128.or(code, i16x8.shl(upper, 6)));
      }
    }
  }
}

/** 16 bytes of a row as three words of its lane, the fourth word in their bits 4-5. */
// @ts-ignore: decorator
@inline
function storeSubBlock(p: usize, v: v128): void {
  const word = i32x4.extract_lane(v, 3);
  store<u32>(p, i32x4.extract_lane(v, 0) | ((word & 0x03030303) << 4));
  store<u32>(p, i32x4.extract_lane(v, 1) | ((word & 0x0c0c0c0c) << 2), 16);
  store<u32>(p, i32x4.extract_lane(v, 2) | ((word & 0xc0c0c0c0) >>> 2), 32);
}

export function unpackIQ6_K(block: usize, slab: usize): void {
  const m1 = v128.load_splat<u32>(M1), m15 = v128.load_splat<u32>(M15), m128 = v128.load_splat<u32>(M128);
  const first = v128.load(IQ6NL_VALUES), bit4 = tableBit4(first), bit5 = tableBit5(first), both = tableBoth(bit4);
  for (let i: u32 = 0; i < 4; i++) storeScaleBytes(slab, i << 2, v128.load(block + (i << 4), 16));
  let extra = v128.load_ext<u16>(block, 8), to = slab + Slab.weights;
  for (let q = block + 80, end = block + 848; q < end; q += 48, to += 64) {
    const v0 = v128.load(q), v1 = v128.load(q, 16), v2 = v128.load(q, 32), set = choice(extra, 0, m1);
    v128.store(to, i8x16.add(lookupIQ6(v0, first, bit4, bit5, both, m15, m128), set));
    v128.store(to, i8x16.add(lookupIQ6(v1, first, bit4, bit5, both, m15, m128), set), 16);
    v128.store(to, i8x16.add(lookupIQ6(v2, first, bit4, bit5, both, m15, m128), set), 32);
    v128.store(to, i8x16.add(lookupIQ6(fourthIQ6(v0, v1, v2), first, bit4, bit5, both, m15, m128), set), 48);
    extra = i32x4.shr_u(extra, 1);
  }
}

/** Row `lane` of a group as k f32. Not by slabs: its decoder has the cubic, its products the codebook. */
export function dequantizeIQ6_K(group: usize, lane: u32, k: u32, out: usize): void {
  for (let b: u32 = 0; b < k >> 8; b++, group += 848, out += 1024) dequantizeBlock(group, lane, out);
}

function dequantizeBlock(block: usize, lane: u32, out: usize): void {
  const d = f16ToF32(load<u16>(block + (lane << 1))), extra = <u32>load<u16>(block + (lane << 1), 8);
  for (let e: u32 = 0; e < 256; e++, out += 4) {
    const g = e >> 4, inWord = (lane << 2) + (e & 3);
    const scale = d * <f32>load<i8>(block + ((g >> 2) << 4) + (lane << 2) + (g & 3), 16), more: f32 = (extra >> g) & 1 ? 1 : 0;
    const p = block + 48 * g + inWord;
    const v0 = <u32>load<u8>(p, 80), v1 = <u32>load<u8>(p, 96), v2 = <u32>load<u8>(p, 112), n = (e >> 2) & 3;
    let v = n == 0 ? v0 : n == 1 ? v1 : v2;
    if (n == 3) v = ((v0 >> 4) & 3) | ((v1 >> 2) & 12) | ((v2 << 2) & 192);
    const q = <f32>((v & 15) | ((v >> 2 & 48) ^ 48));
    const cubic = <f32>-127 + q * (<f32>6.2568 + q * (<f32>-0.11218 + q * <f32>0.0011972));
    store<f32>(out, scale * (cubic + more));
  }
}
