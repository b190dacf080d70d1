// Slabs: types whose weights come from large tables (IQ1, IQ2, IQ3 and those of ik_llama.cpp) are unpacked, four rows by 256
// weights, into plain integers in cache; a few products serve them all. A prefill unpacks a slab once for all columns (matmul/unpacked.ts).
// One column goes without: IQ1, IQ2 and IQ3 by grid-products.ts, ik_llama.cpp's by folded.ts.
//
// Slab of one R4 block, 1296 bytes:
//   0    [4 f32]      d
//   16   [16 x 4 i32] scale of elements 16j .. 16j + 15, one lane a row; rel16: twice, as a pair of i16
//   272  [64 x 16 B]  vector n, byte 4r + k: row r, element 4n + k, as w + 64 (slab7, w = -63..63) or w (signedSlab, i8)
// The value of a weight is d * scale * w, with a scale of -128..127.
//
// Wide slab, 2064 bytes, for several columns: of signed weights where lanes/builds.ts says so, in base of all:
//   0    [4 f32]          d
//   16   [64 x 2 x 16 B]  step n, i16 2r + k: row r, scale * w of elements 4n + 2k (first vector), 4n + 2k + 1 (second)

import { STEP } from "../lanes/builds";
import { STEPS7, addScaled, startOf, startWords } from "../lanes/dots";
import { even, evenI16, odd, oddI16 } from "../lanes/even-odd";
import { foldedStep } from "../lanes/folded";
import { EVEN, LOW16, ONES } from "../lanes/masks";
import { addLeast, scaledEnd, scaledLeast, scaledStart, scaledStep } from "../lanes/scaled";
import { HEAD, HEAD_PAIRS } from "./activation-forms";
import { addProduct, addSlabStep } from "./tile-parts";

/** scratch: room for a slab and what its unpacker needs (grid-rows.ts). */
export enum Slab { bytes = 1296, scales = 16, weights = 272, scratch = 1952, wideBytes = 2064 }

/** The products of slabs, by their weights. */
export enum SlabKind { none = 0, unsigned7 = 1, signed8 = 2 }

/**
 * One column of slabs (several: offsetSlab), added to what `out` holds: total = sum over sub-blocks of
 * scale * (sum (w + 64) * y - 64 * sum y), f = f + total * (d_w * d_y). |total| <= 256 * 63 * 128 * 127, on the way at most
 * 256 * (127 + 64) * 128 * 127 = 8e8.
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
 * One tile of slabs with the offset of 64, added to what `out` holds: total = sum over sub-blocks of scale * (sum q * y - 64 * sum y),
 * f = f + total * (d_w * d_y). rel16: an accumulator begins at what the offset makes, in i16, modulo 2^16, so only sum w * y has to fit
 * at the end of its steps: 2 * 2 * 63 * 127 = 32004, 4 * 2 * 32 * 127 = 32512, 8 * 2 * 16 * 127 = 32512. (With the offsets apart, a product
 * for each sub-block, and half as many steps: Q6_K 90 instead of 108 GOP/s.) span: steps that share a scale.
 * @tiles 2x4 1x4
 * @of offsetSlab2 span=4 steps=STEPS7 starts=4 head=HEAD_PAIRS
 * @of offsetSlab4 span=4 steps=4 starts=52 head=HEAD, offsetSlab8 span=8 steps=8 starts=52 head=HEAD
 */
function offsetSlab(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero;
    const head = y;
    let starts = y + $starts * $C;
    let scales$g = w$g + 16;
    const d$g = v128.load(w$g);
    y += $head * $C;
    w$g += 272;
    for (let j: u32 = 0; j < 64 / $span; j++) {
      let a$g$c = zero;
      for (let $n = 0; $n < $span; $n++) {
        if ($n % $steps == 0) {
          const start$c = startOf($steps, starts + 4 * $c, 4 * $C);
          a$g$c = start$c;
          starts += 4 * $C * startWords($steps);
        }
        addSlabStep(a$g$c, false, w$g, 16 * $n, evenMask, y);
        if ($n % $steps == $steps - 1) {
          const k$g = v128.load(scales$g);
          total$g$c = addScaled(total$g$c, a$g$c, k$g);
        }
      }
      scales$g += 4 * $span;
      w$g += 16 * $span;
    }
    addProduct(f$g$c, total$g$c, d$g, head);
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/**
 * One tile of slabs of signed weights, -127..127, added to what `out` holds: total = sum over sub-blocks of scale * sum w * y, at most
 * 256 * 127 * 128 * 127 = 5.3e8. The columns are magnitudes and signs: w.y = (w ^ s).|y| + N. For dot32.
 * @tiles 2x4 1x4
 */
function signedSlab(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 8;
  const zero = i32x4.splat(0), low16 = v128.load_splat<u32>(LOW16), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    let total$g$c = zero;
    const head = y;
    const d$g = v128.load(w$g);
    let scales$g = w$g + 16;
    y += 4 * $C;
    for (let i: u32 = 0; i < 8; i++) {
      const pair$g = v128.or(v128.and(v128.load(scales$g), low16), i32x4.shl(v128.load(scales$g, 16), 16));
      const n$c = v128.load_splat<u32>(y, 4 * $c);
      total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(pair$g, n$c));
      scales$g += 32;
      y += 4 * $C;
    }
    scales$g -= 256;
    w$g += 272;
    for (let j: u32 = 0; j < 16; j++) {
      let a$g$c = zero;
      for (let $n = 0; $n < 4; $n++) {
        const q$g = v128.load(w$g, 16 * $n);
        {
          const y$c = v128.load_splat<u32>(y, 4 * $c), s$c = v128.load_splat<u32>(y, 4 * ($C + $c));
          a$g$c = foldedStep(a$g$c, q$g, y$c, s$c, ones);
        }
        y += 8 * $C;
      }
      const k$g = v128.load(scales$g);
      total$g$c = i32x4.add(total$g$c, i32x4.mul(a$g$c, k$g));
      scales$g += 16;
      w$g += 64;
    }
    addProduct(f$g$c, total$g$c, d$g, head);
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
      for (let $n = 0; $n < 8; $n++) {
        const q$g = v128.load(w$g, 16 * $n);
        {
          const y$c = v128.load_splat<u32>(y, 4 * $c);
          total$g$c = i32x4.add(total$g$c, i32x4.dot_i16x8_s(q$g, y$c));
        }
        y += 4 * $C;
      }
      w$g += 128;
    }
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(total$g$c), f32x4.mul(d$g, dy$c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** A slab to a wide one; offset: 64, or 0 for slabs of signed weights. */
export function widenSlab(slab: usize, offset: i8, wide: usize): void {
  const low16 = v128.load_splat<u32>(LOW16), least = i8x16.splat(offset);
  v128.store(wide, v128.load(slab));
  let q = slab + Slab.weights, to = wide + 16;
  for (let scales = slab + Slab.scales, end = slab + Slab.weights; scales < end; scales += 16) {
    const scale = v128.load(scales);
    const k = v128.or(v128.and(scale, low16), i32x4.shl(scale, 16));
    for (const last = q + 64; q < last; q += 16, to += 32) {
      const w = i8x16.sub(v128.load(q), least);
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
