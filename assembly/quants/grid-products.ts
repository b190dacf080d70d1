// Products of the grid types with one column: no slab, and no lane for a row until a block ends. A step takes an octet of two rows
// from the grid as magnitudes (0..127), gives the signs to the activations instead, and multiplies bytes to pairs of i16; these
// and the scale make i32. At the end of a block the rows' sums become lanes, and f = f + f32(total) * (d_w * d_y) is that of
// slab7 (slab.ts), total being the same integer. lanes/ has what differs between the builds; where the dots are relaxed, y is
// signed and a magnitude has 7 bits.
// (Two octets of one row to a step: as fast, with twice the code. What else did not pay: bench/RESULTS.md, 2026-11-28.)

import { BASE, STEP } from "../lanes/builds";
import { lookup } from "../lanes/bytes";
import { EVEN } from "../lanes/masks";
import { addPairs, addScaledPairs, firstOctet, loadOctet, negative, octetPairs, secondOctet, signedPairs } from "../lanes/octets";
import { Column } from "./activation-forms";
import { GAPS, M2, ROW_OCTETS, Prepared, octets, quads, signPlane } from "./grid-rows";

const SCALES: usize = memory.data<u8>([
  0, 128, 0, 128, 1, 128, 1, 128, 2, 128, 2, 128, 3, 128, 3, 128,
  4, 128, 4, 128, 5, 128, 5, 128, 6, 128, 6, 128, 7, 128, 7, 128,
  8, 128, 8, 128, 9, 128, 9, 128, 10, 128, 10, 128, 11, 128, 11, 128,
  12, 128, 12, 128, 13, 128, 13, 128, 14, 128, 14, 128, 15, 128, 15, 128,
], 16);
const BASE_SCALES: usize = memory.data<u8>([
  0, 128, 128, 128, 1, 128, 128, 128, 2, 128, 128, 128, 3, 128, 128, 128,
  4, 128, 128, 128, 5, 128, 128, 128, 6, 128, 128, 128, 7, 128, 128, 128,
  8, 128, 128, 128, 9, 128, 128, 128, 10, 128, 128, 128, 11, 128, 128, 128,
  12, 128, 128, 128, 13, 128, 128, 128, 14, 128, 128, 128, 15, 128, 128, 128,
], 16);
/** Four rows' scales of sub-block n of four, bytes 4n + r, to lane r as addScaledPairs wants them, at PAIRS + 16n. */
export const PAIRS: usize = BASE ? BASE_SCALES : SCALES;

/** Bytes r of sub-blocks 0 and 2, 1 and 3, then 0 and 1, 2 and 3 of four to the two i16 of lane r. */
export const COUPLES: usize = memory.data<u8>([
  0, 128, 8, 128, 1, 128, 9, 128, 2, 128, 10, 128, 3, 128, 11, 128,
  4, 128, 12, 128, 5, 128, 13, 128, 6, 128, 14, 128, 7, 128, 15, 128,
  0, 128, 4, 128, 1, 128, 5, 128, 2, 128, 6, 128, 3, 128, 7, 128,
  8, 128, 12, 128, 9, 128, 13, 128, 10, 128, 14, 128, 11, 128, 15, 128,
], 16);

/** Zero that stays in a register: a constant is made anew at each use. */
export const ZERO: usize = memory.data<u64>([0, 0], 16);

/** f + f32(total) * (d_w * d_y); ab, cd: two sums each of rows 0 and 1, 2 and 3; extra: for every row, to be added. */
// @ts-ignore: decorator
@inline
export function addBlock(f: v128, ab: v128, cd: v128, extra: v128, d: v128, dy: v128): v128 {
  const sums = i32x4.add(v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7));
  return f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(sums, extra)), f32x4.mul(d, dy)));
}

// Templates (matmul/generate-tiles.mjs): $g is a pair of rows. p: n prepared blocks; planes: the signs of the first of these blocks, in
// planes of $PLANE bytes, the next block's blockBytes on.

// Octets 2 * $n and 2 * $n + 1 of a column, from x on. (The other way: IQ2 3 to 5 % slower, IQ3 3 %, IQ1_S 7 %.)

/**
 * By a load each, beside octets of the grid with signs.
 * @part
 */
export function loadTwo(a: v128, b: v128, x: usize, $n: i32): void {
  a = loadOctet(x + Column.steps + STEP * 16 * $n);
  b = loadOctet(x + Column.steps + STEP * (16 * $n + 8));
}

/**
 * By one load.
 * @part
 */
export function splitTwo(a: v128, b: v128, x: usize, $n: i32): void {
  const both = v128.load(x, Column.steps + STEP * 16 * $n);
  a = firstOctet(both);
  b = BASE ? v128.load(x, Column.steps + STEP * (16 * $n + 8)) : secondOctet(both);
}

/**
 * n prepared blocks with signs times a column, added to what `out` holds. 64 weights have $scales scales of $steps steps of two octets,
 * and their places $bytes bytes. Two octets' pairs of products fit i16: 2 * 2 * 43 * 127 = 21844, those of IQ3 2 * 2 * 62 * 127 = 31496.
 * @rows
 * @of octets16_IQ2XS two=loadTwo row=octets GRID=IQ2XS_GRID PLANE=14 scales=4 steps=1 bytes=64
 * @of octets16_IQ2S two=loadTwo row=octets GRID=IQ2S_GRID PLANE=16 scales=4 steps=1 bytes=64
 * @of octets32_IQ2XXS two=loadTwo row=octets GRID=IQ2XXS_GRID PLANE=14 scales=2 steps=2 bytes=64
 * @of quads32_IQ3XXS two=splitTwo row=quads GRID=IQ3XXS_GRID PLANE=14 scales=2 steps=2 bytes=128
 * @of quads32_IQ3S two=splitTwo row=quads GRID=IQ3S_GRID PLANE=16 scales=2 steps=2 bytes=128
 */
function signedRows(n: u32, p: usize, planes: usize, blockBytes: usize, y: usize, out: usize): void {
  const zero = v128.load(ZERO), gaps = v128.load(GAPS);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, planes += blockBytes, y += Column.bytes) {
    let t$g = zero;
    let x = y, k = p, q = p;
    for (let s = planes, end = planes + 8 * $PLANE; s < end; s += 2 * $PLANE) {
      let s$g = signPlane(v128.load(s, $PLANE * $g), gaps, $PLANE);
      const scales = $scales == 4 ? v128.load(k, Prepared.scales) : v128.load64_zero(k, Prepared.scales);
      for (let $j = 0; $j < $scales; $j++) {
        const pairs = lookup(scales, v128.load(PAIRS + 16 * $j));
        for (let $i = 0; $i < $steps; $i++) {
          let a = zero, b = zero;
          $two(a, b, x, $steps * $j + $i);
          const lessA = negative(a, zero), lessB = negative(b, zero);
          const v$g = $row(q, 2 * ($steps * $j + $i));
          const a$g = signedPairs(a, lessA, v$g, i8x16.lt_s(s$g, zero));
          const w$g = $row(q, 2 * ($steps * $j + $i) + 1);
          const b$g = signedPairs(b, lessB, w$g, i8x16.lt_s(i8x16.add(s$g, s$g), zero));
          s$g = i16x8.shl(s$g, 2);
          const k$g = v128.shuffle<i32>(pairs, pairs, 2 * $g, 2 * $g, 2 * $g + 1, 2 * $g + 1);
          t$g = addScaledPairs(t$g, addPairs(a$g, b$g), k$g);
        }
      }
      x += 64 * STEP;
      k += 4 * $scales;
      q += $bytes;
    }
    f = addBlock(f, t_0, t_1, zero, v128.load(p), v128.load_splat<u32>(y));
  }
  v128.store(out, f);
}

/**
 * IQ1_S: w = g - 16 + delta, g = 8, 16, 24 from the grid, delta = 1 or -1 for 32 weights: total = sum of s * g * y less the sum of
 * c * y over 32, c = s * (16 - delta), 255 at most. Four octets' pairs: 4 * 2 * 24 * 127 = 24384.
 * @rows
 * @of ternary32_IQ1S GRID=IQ1S_GRID
 */
function ternary32(n: u32, p: usize, y: usize, out: usize): void {
  const zero = i32x4.splat(0), evenMask = v128.load_splat<u32>(EVEN);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, y += Column.bytes) {
    let t$g = zero;
    let least = zero, x = y, k = p, q = p;
    for (const end = p + 32; k < end; k += 16, x += 8) {
      const c = v128.load(k, Prepared.deltas);
      least = i32x4.sub(least, i32x4.dot_i16x8_s(lookup(c, v128.load(COUPLES)), v128.load_splat<u32>(x, Column.pairs)));
      least = i32x4.sub(least, i32x4.dot_i16x8_s(lookup(c, v128.load(COUPLES + 16)), v128.load_splat<u32>(x, Column.pairs + 4)));
    }
    k = p;
    x = y;
    for (const end = p + 256; q < end; q += 64, k += 8, x += 64 * STEP) {
      const scales = v128.load64_zero(k, Prepared.scales);
      for (let $h = 0; $h < 2; $h++) {
        const pairs = lookup(scales, v128.load(PAIRS + 16 * $h));
        let sum$g = zero;
        for (let $i = 0; $i < 2; $i++) {
          let a = zero, b = zero;
          splitTwo(a, b, x, 2 * $h + $i);
          const v$g = octets(q, 4 * $h + 2 * $i);
          const a$g = octetPairs(a, v$g, evenMask);
          const w$g = octets(q, 4 * $h + 2 * $i + 1);
          const b$g = octetPairs(b, w$g, evenMask);
          sum$g = $i ? addPairs(sum$g, addPairs(a$g, b$g)) : addPairs(a$g, b$g);
        }
        const k$g = v128.shuffle<i32>(pairs, pairs, 2 * $g, 2 * $g, 2 * $g + 1, 2 * $g + 1);
        t$g = addScaledPairs(t$g, sum$g, k$g);
      }
    }
    f = addBlock(f, t_0, t_1, least, v128.load(p), v128.load_splat<u32>(y));
  }
  v128.store(out, f);
}

/**
 * IQ1_M: w = g - 2b - 15, b the octet's delta bit, a scale for 16 weights: total = sum of s * (g - 2b) * y less 15 times the
 * sum of s * y.
 * @rows
 * @of ternary16_IQ1S GRID=IQ1S_GRID
 */
function ternary16(n: u32, p: usize, y: usize, out: usize): void {
  const zero = i32x4.splat(0), two = v128.load_splat<u32>(M2), evenMask = v128.load_splat<u32>(EVEN);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, y += Column.bytes) {
    let t$g = zero;
    let least = zero, x = y, k = p, q = p;
    for (const end = p + 64; k < end; k += 32, x += 32) {
      // the sums are negative
      const sums = i16x8.narrow_i32x4_s(v128.load(x, Column.sums), v128.load(x, Column.sums + 16));
      for (let $i = 0; $i < 2; $i++) {
        const scales = v128.load(k, Prepared.scales + 16 * $i);
        const first = v128.shuffle<i32>(sums, sums, 2 * $i, 2 * $i, 2 * $i, 2 * $i);
        const second = v128.shuffle<i32>(sums, sums, 2 * $i + 1, 2 * $i + 1, 2 * $i + 1, 2 * $i + 1);
        least = i32x4.add(least, i32x4.dot_i16x8_s(lookup(scales, v128.load(COUPLES + 32)), first));
        least = i32x4.add(least, i32x4.dot_i16x8_s(lookup(scales, v128.load(COUPLES + 48)), second));
      }
    }
    least = i32x4.sub(i32x4.shl(least, 4), least);
    k = p;
    x = y;
    for (let s = p, end = p + 16; s < end; s += 4) {
      const s$g = lookup(v128.load32_zero(s, Prepared.deltas), v128.load(ROW_OCTETS + 16 * $g));
      const scales = v128.load(k, Prepared.scales);
      for (let $h = 0; $h < 2; $h++) {
        for (let $i = 0; $i < 2; $i++) {
          let a = zero, b = zero;
          splitTwo(a, b, x, 2 * $h + $i);
          const pairs = lookup(scales, v128.load(PAIRS + 32 * $h + 16 * $i));
          const v$g = octets(q, 4 * $h + 2 * $i);
          const a$g = octetPairs(a, i8x16.sub(v$g, v128.and(i16x8.shr_u(s$g, 6 - 4 * $h - 2 * $i), two)), evenMask);
          const w$g = octets(q, 4 * $h + 2 * $i + 1);
          // (asc takes $h + $i == 2 for false here)
          const next$g = $h ? ($i ? i16x8.shl(s$g, 1) : i16x8.shr_u(s$g, 1)) : i16x8.shr_u(s$g, 5 - 2 * $i);
          const b$g = octetPairs(b, i8x16.sub(w$g, v128.and(next$g, two)), evenMask);
          const k$g = v128.shuffle<i32>(pairs, pairs, 2 * $g, 2 * $g, 2 * $g + 1, 2 * $g + 1);
          t$g = addScaledPairs(t$g, addPairs(a$g, b$g), k$g);
        }
      }
      x += 64 * STEP;
      k += 16;
      q += 64;
    }
    f = addBlock(f, t_0, t_1, least, v128.load(p), v128.load_splat<u32>(y));
  }
  v128.store(out, f);
}
