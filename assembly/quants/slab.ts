// Slabs: types whose weights come from large tables (IQ1, IQ2, IQ3 and those of ik_llama.cpp) are unpacked, four rows by 256
// weights, into plain integers in cache; two products serve them all. A prefill unpacks a slab once for all columns (matmul/slabs.ts).
// One column goes without: IQ1, IQ2 and IQ3 by grid-products.ts, ik_llama.cpp's by folded.ts.
//
// Slab of one R4 block, 1296 bytes:
//   0    [4 f32]      d
//   16   [16 x 4 i32] scale of elements 16j .. 16j + 15, one lane a row; rel16: twice, as a pair of i16
//   272  [64 x 16 B]  vector n, byte 4r + k: row r, element 4n + k, as w + 64 (slab7, w = -63..63) or w (slab8, i8)
// The value of a weight is d * scale * w, with a scale of -128..127.
//
// Wide slab, 2064 bytes, of signed weights where lanes.ts says so:
//   0    [4 f32]          d
//   16   [64 x 2 x 16 B]  step n, i16 2r + k: row r, scale * w of elements 4n + 2k (first vector), 4n + 2k + 1 (second)

import {
  EVEN, LOW16, M48, STEP, addLeast, dotMinus, dotSigned, even, evenI16, odd, oddI16, scaledEnd, scaledLeast, scaledStart, scaledStep,
  settleSigned,
} from "../lanes";

/** scratch: room for a slab and what its unpacker needs (grid-rows.ts). */
export enum Slab { bytes = 1296, scales = 16, weights = 272, scratch = 1952, wideBytes = 2064 }

/**
 * One column of slabs (several: slab7Tiles and slab5Tiles in k-slab.ts), added to what `out` holds: total = sum over sub-blocks of
 * scale * (sum (w + 64) * y - 64 * sum y), f = f + total * (d_w * d_y). |total| <= 256 * 63 * 128 * 127, on the way at most 256 * (127 + 64) * 128 * 127 = 8e8.
 * @tiles 1x1
 */
function slab7(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN), low16 = v128.load_splat<u32>(LOW16);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero, least$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    const d$g = v128.load(w$g);
    let scales$g = w$g + 16;
    let sums = y + 20 * $C;
    y += 84 * $C;
    w$g += 272;
    for (let j: u32 = 0; j < 16; j++) {
      const k$g = v128.load(scales$g);
      const sum$c = v128.load_splat<u32>(sums, 4 * $c);
      let a$g$c = scaledStart(total$g$c, sum$c);
      for (let $n = 0; $n < 4; $n++) {
        const q$g = v128.load(w$g, 16 * $n);
        const qEven$g = even(q$g, evenMask), qOdd$g = odd(q$g);
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * $n * STEP + $c));
          const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * ($n * STEP + 1) + $c)) : y$c;
          a$g$c = scaledStep(a$g$c, qEven$g, qOdd$g, y$c, z$c, k$g);
        }
      }
      total$g$c = scaledEnd(total$g$c, a$g$c, k$g);
      const kLow$g = v128.and(k$g, low16);
      least$g$c = scaledLeast(least$g$c, kLow$g, sum$c);
      scales$g += 16;
      w$g += 64;
      sums += 4 * $C;
      y += 16 * STEP * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(addLeast(total$g$c, least$g$c)), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/**
 * The same for slabs of signed weights, -127..127, without the offset: total = sum over sub-blocks of scale * sum w * y,
 * at most 256 * 127 * 128 * 127 = 5.3e8. Where lanes.ts is not WIDE.
 * @tiles 2x4 1x4
 */
function slab8(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    const d$g = v128.load(w$g);
    let scales$g = w$g + 16;
    y += 4 * $C;
    w$g += 272;
    for (let j: u32 = 0; j < 16; j++) {
      const k$g = v128.load(scales$g);
      let plus$g$c = zero, minus$g$c = zero;
      for (let $n = 0; $n < 4; $n++) {
        const q$g = v128.load(w$g, 16 * $n);
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * 2 * $n + $c));
          const z$c = v128.load_splat<u32>(y, 4 * ($C * (2 * $n + 1) + $c));
          plus$g$c = dotSigned(plus$g$c, q$g, q$g, q$g, y$c, z$c);
          minus$g$c = dotMinus(minus$g$c, q$g, z$c);
        }
      }
      total$g$c = i32x4.add(total$g$c, i32x4.mul(settleSigned(plus$g$c, minus$g$c), k$g));
      scales$g += 16;
      w$g += 64;
      y += 32 * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/**
 * The same for wide slabs: |scale * w| <= 128 * 127 fits i16.
 * @tiles 2x4 1x4
 */
function slab16(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero;
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    const d$g = v128.load(w$g);
    y += 4 * $C;
    w$g += 16;
    for (let j: u32 = 0; j < 16; j++) {
      for (let $n = 0; $n < 4; $n++) {
        const even$g = v128.load(w$g, 32 * $n);
        {
          const y$c = v128.load_splat<u32>(y, 4 * ($C * 2 * $n + $c));
          total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(even$g, y$c));
        }
        const odd$g = v128.load(w$g, 32 * $n + 16);
        {
          const z$c = v128.load_splat<u32>(y, 4 * ($C * (2 * $n + 1) + $c));
          total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(odd$g, z$c));
        }
      }
      w$g += 128;
      y += 32 * $C;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Takes 48 off the weights of n slabs: weights of -16..15 then have 5 bits. */
export function narrowSlabs(slab: usize, n: u32): void {
  const m48 = v128.load_splat<u32>(M48);
  for (const end = slab + <usize>n * Slab.bytes; slab < end; slab += Slab.bytes) {
    for (let q = slab + Slab.weights, last = slab + Slab.bytes; q < last; q += 16) v128.store(q, i8x16.sub(v128.load(q), m48));
  }
}

/** A slab of signed weights to a wide one. */
export function widenSlab(slab: usize, wide: usize): void {
  const low16 = v128.load_splat<u32>(LOW16);
  v128.store(wide, v128.load(slab));
  let q = slab + Slab.weights, to = wide + 16;
  for (let scales = slab + Slab.scales, end = slab + Slab.weights; scales < end; scales += 16) {
    const scale = v128.load(scales);
    const k = v128.or(v128.and(scale, low16), i32x4.shl(scale, 16));
    for (const last = q + 64; q < last; q += 16, to += 32) {
      const w = v128.load(q);
      v128.store(to, i16x8.mul(evenI16(w), k));
      v128.store(to, i16x8.mul(oddI16(w), k), 16);
    }
  }
}

/** Row `lane` of n slabs as 256 n f32; offset: 64, or 0 for slabs of signed weights. */
export function dequantizeSlabs(slab: usize, n: u32, lane: u32, offset: i32, out: usize): void {
  for (; n > 0; n--, slab += Slab.bytes) {
    const d = load<f32>(slab + (lane << 2));
    for (let e: u32 = 0; e < 256; e++, out += 4) {
      const scale = d * <f32>load<i16>(slab + ((e >> 4) << 4) + (lane << 2), Slab.scales);
      const at = slab + ((e >> 2) << 4) + (lane << 2) + (e & 3);
      store<f32>(out, scale * <f32>(<i32>load<i8>(at, Slab.weights) - offset));
    }
  }
}

// For the unpackers. Octet l of a sub-block holds elements 8l .. 8l + 7 of each row: vectors 2l and 2l + 1.

/** Four rows' octets (rows 0 and 1, 2 and 3), already + 64, to two vectors at p. */
// @ts-ignore: decorator
@inline
export function storeOctets(p: usize, rows01: v128, rows23: v128): void {
  v128.store(p, v128.shuffle<i32>(rows01, rows23, 0, 2, 4, 6));
  v128.store(p, v128.shuffle<i32>(rows01, rows23, 1, 3, 5, 7), 16);
}

/** magnitude (0..63) with the sign of `signs` (0 or 255 a byte), + 64. m64: load_splat(M64). */
// @ts-ignore: decorator
@inline
export function withSigns(magnitude: v128, signs: v128, m64: v128): v128 {
  return i8x16.add(i8x16.sub(v128.xor(magnitude, signs), signs), m64);
}

const NUMBERS: usize = memory.data<u32>([15, 1, 0x3e000000, 0x3e800000, 7], 16);
/** Every i32 15, 1; every f32 1/8, 1/4; every i32 7. */
// prettier-ignore
export const I15: usize = NUMBERS, I1: usize = NUMBERS + 4, EIGHTH: usize = NUMBERS + 8, QUARTER: usize = NUMBERS + 12,
  I7: usize = NUMBERS + 16;
