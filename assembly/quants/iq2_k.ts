// IQ2_K and IQ2_KS (ik_llama.cpp): 256 weights of 2 bits into one of two sets of 4 values. LAYOUTS.md section 3.
//
// IQ2_K, 76 bytes:     0        2            4             12               76      w = d * (sc[g] - 8) * values
//                      | d f16  | extra u16  | scales 8 B  | qs 64 B        |       sc[g], g = e / 16: nibble g
// IQ2_KS, 70 bytes:    0            2             6                70               w = d_row * (sc[b] - 16) * values
//                      | extra u16  | scales 4 B  | qs 64 B        |                b = e / 32: nibble b, bit 8 + b of extra
//   before each row of IQ2_KS: d_row f16
//   codes as in Q2_K; bit g (IQ2_KS: b) of extra chooses the second set
//
// R4 block of IQ2_K, 304 bytes:
//   0    [4 u16]      d
//   8    [4 u16]      extra
//   16   [2 x 16 B]   byte 4r + k of vector i: row r, sc[8i + k] (low), sc[8i + 4 + k] (high)
//   48   [16 x 16 B]  codes
// R4 group of IQ2_KS: [4 f16] d_row, then blocks of 280 bytes:
//   0    [4 u16]      extra
//   8    [16 B]       byte 4r + k: row r, sc[k] without its fifth bit (low), sc[4 + k] (high)
//   24   [16 x 16 B]  codes
//   codes: vector 4i + m, byte 4r + k: row r, element 64i + 16s + 4m + k in bits 2s and 2s + 1, s = 0..3

import { loadF16x4, loadScaleF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { even, odd } from "../lanes/even-odd";
import { SPREAD_BYTE, addFolded, spreadScales } from "../lanes/folded";
import { EVEN, M15, M16, M3, M4 } from "../lanes/masks";
import { scaledStep } from "../lanes/scaled";
import { addSums, pairScales, repackScales, scaleNibbles, setsOfBits, storeScaleBytes, storeScaleBytes32 } from "./folded";
import { storeLane } from "./nibbles";
import { Slab } from "./slab";
import { M8, bits, choice } from "./words";

/** iq2nl_values of LAYOUTS.md + 64: two sets, the second larger by 5. */
export const IQ2NL_VALUES: usize = memory.data<u8>([33, 51, 65, 81, 38, 56, 70, 86, 0, 0, 0, 0, 0, 0, 0, 0], 16);

/** Scales of sub-blocks 4i .. 4i + 3 of each row of IQ2_K. */
// @ts-ignore: decorator
@inline
export function scalesIQ2_K(block: usize, i: u32): v128 {
  return i8x16.sub(scaleNibbles(block + 16, i), v128.load_splat<u32>(M8));
}

/** Scales of sub-blocks 4h .. 4h + 3 of IQ2_KS; extra: of the rows, a lane each. */
// @ts-ignore: decorator
@inline
export function scalesIQ2_KS(block: usize, extra: v128, h: u32): v128 {
  const m16 = v128.load_splat<u32>(M16);
  const low = v128.and(i16x8.shr_u(v128.load(block, 8), h << 2), v128.load_splat<u32>(M15));
  return i8x16.sub(v128.or(low, v128.and(setsOfBits(i32x4.shr_u(extra, (h << 2) + 8)), m16)), m16);
}

/**
 * One column: total = sum over sub-blocks of sc * sum w * y (folded.ts), f = f + total * (d_w * d_y). On the way
 * |total| <= 256 * 86 * 16 * 127 = 4.5e7.
 * @tiles 1x1
 */
function iq2_k(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m3 = v128.load_splat<u32>(M3), evenMask = v128.load_splat<u32>(EVEN), values = v128.load(IQ2NL_VALUES);
  let f = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, least = zero, second = zero, sets = v128.load_ext<u16>(w, 8), sums = y + 4;
    const block = w, dy = v128.load_splat<u32>(y);
    w += 48;
    y += 52;
    for (let i: u32 = 0; i < 4; i++) {
      const scales = scalesIQ2_K(block, i);
      least = addSums(least, scales, sums);
      second = addSums(second, v128.and(scales, setsOfBits(sets)), sums);
      sets = i32x4.shr_u(sets, 4);
      sums += 8;
      const k0 = spreadScales(scales, v128.load(SPREAD_BYTE)), k1 = spreadScales(scales, v128.load(SPREAD_BYTE, 16));
      const k2 = spreadScales(scales, v128.load(SPREAD_BYTE, 32)), k3 = spreadScales(scales, v128.load(SPREAD_BYTE, 48));
      let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
      for (let $m = 0; $m < 4; $m++) {
        const v = v128.load(w, 16 * $m);
        for (let $s = 0; $s < 4; $s++) {
          const q = lookup(values, $s == 0 ? v128.and(v, m3) : bits(v, 2 * $s, m3));
          const y0 = v128.load_splat<u32>(y, (16 * $s + 4 * $m) * STEP);
          const y1 = STEP == 2 ? v128.load_splat<u32>(y, (16 * $s + 4 * $m) * STEP + 4) : y0;
          a$s = scaledStep(a$s, even(q, evenMask), odd(q), y0, y1, k$s);
        }
      }
      total = addFolded(addFolded(addFolded(addFolded(total, a0, k0), a1, k1), a2, k2), a3, k3);
      w += 64;
      y += 64 * STEP;
    }
    const d = loadScaleF16x4(block);
    total = i32x4.add(i32x4.sub(total, i32x4.shl(least, 6)), i32x4.add(second, i32x4.shl(second, 2)));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/**
 * One column: as iq2_k.
 * @tiles 1x1
 */
function iq2_ks(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), m3 = v128.load_splat<u32>(M3), evenMask = v128.load_splat<u32>(EVEN), values = v128.load(IQ2NL_VALUES);
  const d = loadF16x4(w);
  let f = f32x4.splat(0);
  w += 8;
  for (let b: u32 = 0; b < nb; b++) {
    let total = zero, least = zero, second = zero, sums = y + 36;
    const block = w, extra = v128.load_ext<u16>(w), dy = v128.load_splat<u32>(y);
    w += 24;
    y += 52;
    for (let h: u32 = 0; h < 2; h++) {
      const scales = scalesIQ2_KS(block, extra, h);
      least = addSums(least, scales, sums);
      second = addSums(second, v128.and(scales, setsOfBits(i32x4.shr_u(extra, h << 2))), sums);
      sums += 8;
      for (let spread = SPREAD_BYTE, end = SPREAD_BYTE + 64; spread < end; spread += 32) {
        const k0 = spreadScales(scales, v128.load(spread)), k1 = spreadScales(scales, v128.load(spread, 16));
        let a0 = zero, a1 = zero;
        for (let $m = 0; $m < 4; $m++) {
          const v = v128.load(w, 16 * $m);
          for (let $s = 0; $s < 4; $s++) {
            const q = lookup(values, $s == 0 ? v128.and(v, m3) : bits(v, 2 * $s, m3));
            const y0 = v128.load_splat<u32>(y, (16 * $s + 4 * $m) * STEP);
            const y1 = STEP == 2 ? v128.load_splat<u32>(y, (16 * $s + 4 * $m) * STEP + 4) : y0;
            if ($s < 2) a0 = scaledStep(a0, even(q, evenMask), odd(q), y0, y1, k0);
            else a1 = scaledStep(a1, even(q, evenMask), odd(q), y0, y1, k1);
          }
        }
        total = addFolded(addFolded(total, a0, k0), a1, k1);
        w += 64;
        y += 64 * STEP;
      }
    }
    total = i32x4.add(i32x4.sub(total, i32x4.shl(least, 6)), i32x4.add(second, i32x4.shl(second, 2)));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(d, dy)));
  }
  v128.store(out, f);
}

/** Interleaves nRows (1..4) rows of nb blocks of IQ2_K, rowBytes apart; missing rows must be zero. */
export function repackIQ2_K(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes, to = dst + (r << 2);
    for (let b: u32 = 0; b < nb; b++, block += 76, to += 304) {
      store<u16>(to - (r << 1), load<u16>(block));
      store<u16>(to - (r << 1), load<u16>(block, 2), 8);
      repackScales(block + 4, to + 16);
      repackCodes(block + 12, to + 48);
    }
  }
}

/** The same of IQ2_KS. */
export function repackIQ2_KS(src: usize, rowBytes: usize, nRows: u32, nb: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    let block = src + <usize>r * rowBytes + 2, to = dst + (r << 2) + 8;
    store<u16>(dst + (r << 1), load<u16>(block - 2));
    for (let b: u32 = 0; b < nb; b++, block += 70, to += 280) {
      store<u16>(to - (r << 1), load<u16>(block));
      store<u32>(to, pairScales(load<u32>(block, 2)), 8);
      repackCodes(block + 6, to + 24);
    }
  }
}

/** A row's qs to its lane of an R4 block's codes. */
function repackCodes(qs: usize, to: usize): void {
  const m3 = i8x16.splat(3);
  for (let i: u32 = 0; i < 4; i++, to += 64) {
    const from = qs + (i >> 1 << 5), shift = (i & 1) << 2;
    const first = i16x8.shr_u(v128.load(from), shift), second = i16x8.shr_u(v128.load(from, 16), shift);
    const low = v128.or(v128.and(first, m3), i16x8.shl(v128.and(second, m3), 2));
    const high = v128.or(v128.and(i16x8.shr_u(first, 2), m3), i16x8.shl(v128.and(i16x8.shr_u(second, 2), m3), 2));
    storeLane(to, v128.or(low, i16x8.shl(high, 4)));
  }
}

/** Codes of 64 elements to a slab; set0 .. set3: bytes of 0 or 4. */
// @ts-ignore: decorator
@inline
function storeQuarter(qs: usize, to: usize, set0: v128, set1: v128, set2: v128, set3: v128): void {
  const values = v128.load(IQ2NL_VALUES), m3 = v128.load_splat<u32>(M3);
  for (const end = qs + 64; qs < end; qs += 16, to += 16) {
    const v = v128.load(qs);
    v128.store(to, lookup(values, v128.or(v128.and(v, m3), set0)));
    v128.store(to, lookup(values, v128.or(bits(v, 2, m3), set1)), 64);
    v128.store(to, lookup(values, v128.or(bits(v, 4, m3), set2)), 128);
    v128.store(to, lookup(values, v128.or(bits(v, 6, m3), set3)), 192);
  }
}

export function unpackIQ2_K(block: usize, slab: usize): void {
  const m4 = v128.load_splat<u32>(M4);
  let sets = v128.load_ext<u16>(block, 8);
  for (let i: u32 = 0; i < 4; i++) {
    storeScaleBytes(slab, i << 2, scalesIQ2_K(block, i));
    storeQuarter(
      block + (i << 6) + 48, slab + (i << 8) + Slab.weights, choice(sets, 0, m4), choice(sets, 1, m4), choice(sets, 2, m4),
      choice(sets, 3, m4),
    );
    sets = i32x4.shr_u(sets, 4);
  }
}

export function unpackIQ2_KS(block: usize, slab: usize): void {
  const m4 = v128.load_splat<u32>(M4), extra = v128.load_ext<u16>(block);
  for (let h: u32 = 0; h < 2; h++) storeScaleBytes32(slab, h << 2, scalesIQ2_KS(block, extra, h));
  for (let i: u32 = 0; i < 4; i++) {
    const sets = i32x4.shr_u(extra, i << 1);
    const set0 = choice(sets, 0, m4), set1 = choice(sets, 1, m4);
    storeQuarter(block + (i << 6) + 24, slab + (i << 8) + Slab.weights, set0, set0, set1, set1);
  }
}
