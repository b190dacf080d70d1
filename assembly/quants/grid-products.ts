// Products of the grid types with one column, row by row: no slab, no lane for a row until a block ends. Each step takes 16
// weights of a row from the grid as magnitudes (0..127), gives the signs to the activations instead, and multiplies
// bytes to pairs of i16, these and the scale to i32. At the end of a block the four rows' sums become lanes, and
// f = f + f32(total) * (d_w * d_y) is that of slab7 (slab.ts), total being the same integer.
// Relaxed dots in both builds that have them: y is signed, a magnitude has 7 bits, and pairs of two steps fit i16.

import { lookup, pairDots, select } from "../lanes";
import { Column } from "./activations";
import { BITS, Prepared } from "./grid-rows";

/** Four rows' scales of sub-block n of four, bytes 4n + r, to a pair of i16 in lane r, at PAIRS + 16n. */
export const PAIRS: usize = memory.data<u8>([
  0, 128, 0, 128, 1, 128, 1, 128, 2, 128, 2, 128, 3, 128, 3, 128,
  4, 128, 4, 128, 5, 128, 5, 128, 6, 128, 6, 128, 7, 128, 7, 128,
  8, 128, 8, 128, 9, 128, 9, 128, 10, 128, 10, 128, 11, 128, 11, 128,
  12, 128, 12, 128, 13, 128, 13, 128, 14, 128, 14, 128, 15, 128, 15, 128,
], 16);

/** Bytes r of sub-blocks 0 and 2, 1 and 3, then 0 and 1, 2 and 3 of four to the two i16 of lane r. */
export const COUPLES: usize = memory.data<u8>([
  0, 128, 8, 128, 1, 128, 9, 128, 2, 128, 10, 128, 3, 128, 11, 128,
  4, 128, 12, 128, 5, 128, 13, 128, 6, 128, 14, 128, 7, 128, 15, 128,
  0, 128, 4, 128, 1, 128, 5, 128, 2, 128, 6, 128, 3, 128, 7, 128,
  8, 128, 12, 128, 9, 128, 13, 128, 10, 128, 14, 128, 11, 128, 15, 128,
], 16);

/** Lane r: the sum of the four lanes of row r. */
// @ts-ignore: decorator
@inline
export function sumRows(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

/** y with the signs that bit `bit` of the planes' bytes gives; less: -y. */
// @ts-ignore: decorator
@inline
export function signed(y: v128, less: v128, plane: v128, bit: v128): v128 {
  return select(less, y, i8x16.eq(v128.and(plane, bit), bit));
}

/**
 * n prepared blocks, a scale for 16 weights, times a column, added to what `out` holds.
 * @rows IQ2XS IQ2S
 */
function octets16(n: u32, p: usize, y: usize, out: usize): void {
  const zero = i32x4.splat(0);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, y += Column.bytes) {
    let t$g = zero;
    let x = y, k = p, q = p;
    for (let s = p, end = p + 128; s < end; s += 64) {
      const s$g = v128.load(s, Prepared.signs + 16 * $g);
      for (let $h = 0; $h < 2; $h++) {
        const scales = v128.load(k, Prepared.scales + 16 * $h);
        for (let $n = 0; $n < 4; $n++) {
          const bit = v128.load_splat<u32>(BITS + 16 * $h + 4 * $n);
          const plus = v128.load(x, Column.steps + 64 * $h + 16 * $n), less = i8x16.sub(zero, plus);
          const pairs = lookup(scales, v128.load(PAIRS + 16 * $n));
          t$g = i32x4.add(t$g, i32x4.dot_i16x8_s(pairDots(signed(plus, less, s$g, bit), v128.load64_lane(<usize>load<u16>(q, Prepared.places + 64 * $h + 16 * $n + 4 * $g + 2), v128.load64_zero(<usize>load<u16>(q, Prepared.places + 64 * $h + 16 * $n + 4 * $g), $GRID), 1, $GRID)), v128.shuffle<i32>(pairs, pairs, $g, $g, $g, $g)));
        }
      }
      x += 128;
      k += 32;
      q += 128;
    }
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(sumRows(t_0, t_1, t_2, t_3)), f32x4.mul(v128.load(p), v128.load_splat<u32>(y))));
  }
  v128.store(out, f);
}

/**
 * The same with a scale for 32 weights: two steps' pairs fit i16, 2 * 2 * 43 * 127 = 21844.
 * @rows IQ2XXS
 */
function octets32(n: u32, p: usize, y: usize, out: usize): void {
  const zero = i32x4.splat(0);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, y += Column.bytes) {
    let t$g = zero;
    let x = y, k = p, q = p;
    for (let s = p, end = p + 128; s < end; s += 64) {
      const s$g = v128.load(s, Prepared.signs + 16 * $g);
      const scales = v128.load(k, Prepared.scales);
      for (let $n = 0; $n < 4; $n++) {
        const bit = v128.load_splat<u32>(BITS + 8 * $n);
        const plus = v128.load(x, Column.steps + 32 * $n), less = i8x16.sub(zero, plus);
        const a$g = pairDots(signed(plus, less, s$g, bit), v128.load64_lane(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g + 2), v128.load64_zero(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g), $GRID), 1, $GRID));
        const bit2 = v128.load_splat<u32>(BITS + 8 * $n + 4);
        const plus2 = v128.load(x, Column.steps + 32 * $n + 16), less2 = i8x16.sub(zero, plus2);
        const pairs = lookup(scales, v128.load(PAIRS + 16 * $n));
        t$g = i32x4.add(t$g, i32x4.dot_i16x8_s(i16x8.add(a$g, pairDots(signed(plus2, less2, s$g, bit2), v128.load64_lane(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g + 18), v128.load64_zero(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g + 16), $GRID), 1, $GRID))), v128.shuffle<i32>(pairs, pairs, $g, $g, $g, $g)));
      }
      x += 128;
      k += 16;
      q += 128;
    }
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(sumRows(t_0, t_1, t_2, t_3)), f32x4.mul(v128.load(p), v128.load_splat<u32>(y))));
  }
  v128.store(out, f);
}

/**
 * Quads with a scale for 32 weights: two steps' pairs fit i16, 2 * 2 * 62 * 127 = 31496.
 * @rows IQ3XXS IQ3S
 */
function quads32(n: u32, p: usize, y: usize, out: usize): void {
  const zero = i32x4.splat(0);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, y += Column.bytes) {
    let t$g = zero;
    let x = y, k = p, q = p;
    for (let s = p, end = p + 128; s < end; s += 64) {
      const s$g = v128.load(s, Prepared.signs + 16 * $g);
      const scales = v128.load(k, Prepared.scales);
      for (let $n = 0; $n < 4; $n++) {
        const bit = v128.load_splat<u32>(BITS + 8 * $n);
        const plus = v128.load(x, Column.steps + 32 * $n), less = i8x16.sub(zero, plus);
        const w$g = v128.load32_lane(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g + 2), v128.load32_zero(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g), $GRID), 1, $GRID);
        const a$g = pairDots(signed(plus, less, s$g, bit), v128.load32_lane(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g + 6), v128.load32_lane(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g + 4), w$g, 2, $GRID), 3, $GRID));
        const bit2 = v128.load_splat<u32>(BITS + 8 * $n + 4);
        const plus2 = v128.load(x, Column.steps + 32 * $n + 16), less2 = i8x16.sub(zero, plus2);
        const pairs = lookup(scales, v128.load(PAIRS + 16 * $n));
        const v$g = v128.load32_lane(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g + 34), v128.load32_zero(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g + 32), $GRID), 1, $GRID);
        t$g = i32x4.add(t$g, i32x4.dot_i16x8_s(i16x8.add(a$g, pairDots(signed(plus2, less2, s$g, bit2), v128.load32_lane(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g + 38), v128.load32_lane(<usize>load<u16>(q, Prepared.places + 64 * $n + 8 * $g + 36), v$g, 2, $GRID), 3, $GRID))), v128.shuffle<i32>(pairs, pairs, $g, $g, $g, $g)));
      }
      x += 128;
      k += 16;
      q += 256;
    }
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(sumRows(t_0, t_1, t_2, t_3)), f32x4.mul(v128.load(p), v128.load_splat<u32>(y))));
  }
  v128.store(out, f);
}

/**
 * IQ1_S: w = g - 16 + delta, g = 8, 16, 24 from the grid, delta = 1 or -1 for 32 weights: total = sum of s * g * y less the sum of
 * c * y over 32, c = s * (16 - delta), 255 at most. Two steps' pairs: 2 * 2 * 24 * 127 = 12192.
 * @rows IQ1S
 */
function ternary32(n: u32, p: usize, y: usize, out: usize): void {
  const zero = i32x4.splat(0);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, y += Column.bytes) {
    let t$g = zero;
    let least = zero;
    let x = y, k = p, q = p;
    for (let $h = 0; $h < 2; $h++) {
      const c = v128.load(p, Prepared.signs + 16 * $h);
      least = i32x4.add(least, i32x4.dot_i16x8_s(lookup(c, v128.load(COUPLES)), v128.load_splat<u32>(y + Column.pairs + 8 * $h)));
      least = i32x4.add(least, i32x4.dot_i16x8_s(lookup(c, v128.load(COUPLES + 16)), v128.load_splat<u32>(y + Column.pairs + 8 * $h + 4)));
    }
    for (const end = p + 256; q < end; q += 128) {
      const scales = v128.load(k, Prepared.scales);
      for (let $n = 0; $n < 4; $n++) {
        const plus = v128.load(x, Column.steps + 32 * $n), plus2 = v128.load(x, Column.steps + 32 * $n + 16);
        const pairs = lookup(scales, v128.load(PAIRS + 16 * $n));
        const a$g = pairDots(plus, v128.load64_lane(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g + 2), v128.load64_zero(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g), $GRID), 1, $GRID));
        t$g = i32x4.add(t$g, i32x4.dot_i16x8_s(i16x8.add(a$g, pairDots(plus2, v128.load64_lane(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g + 18), v128.load64_zero(<usize>load<u16>(q, Prepared.places + 32 * $n + 4 * $g + 16), $GRID), 1, $GRID))), v128.shuffle<i32>(pairs, pairs, $g, $g, $g, $g)));
      }
      x += 128;
      k += 16;
    }
    const total = i32x4.sub(sumRows(t_0, t_1, t_2, t_3), least);
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(v128.load(p), v128.load_splat<u32>(y))));
  }
  v128.store(out, f);
}

/**
 * IQ1_M: w = g - 2b - 15, b the octet's bit of the planes, a scale for 16 weights: total = sum of s * (g - 2b) * y less 15 times the
 * sum of s * y.
 * @rows IQ1S
 */
function ternary16(n: u32, p: usize, y: usize, out: usize): void {
  const zero = i32x4.splat(0), two = v128.load_splat<u32>(BITS + 4);
  let f = v128.load(out);
  for (; n > 0; n--, p += Prepared.bytes, y += Column.bytes) {
    let t$g = zero;
    let least = zero;
    let x = y, k = p, q = p, l = y;
    for (let s = p, end = p + 128; s < end; s += 64) {
      const s$g = v128.load(s, Prepared.signs + 16 * $g);
      // the sums are negative
      const sums = i16x8.narrow_i32x4_s(v128.load(l, Column.sums), v128.load(l, Column.sums + 16));
      for (let $h = 0; $h < 2; $h++) {
        const scales = v128.load(k, Prepared.scales + 16 * $h);
        least = i32x4.add(least, i32x4.dot_i16x8_s(lookup(scales, v128.load(COUPLES + 32)), v128.shuffle<i32>(sums, sums, 2 * $h, 2 * $h, 2 * $h, 2 * $h)));
        least = i32x4.add(least, i32x4.dot_i16x8_s(lookup(scales, v128.load(COUPLES + 48)), v128.shuffle<i32>(sums, sums, 2 * $h + 1, 2 * $h + 1, 2 * $h + 1, 2 * $h + 1)));
        for (let $n = 0; $n < 4; $n++) {
          const plus = v128.load(x, Column.steps + 64 * $h + 16 * $n);
          const pairs = lookup(scales, v128.load(PAIRS + 16 * $n));
          const b$g = v128.and(4 * $h + $n == 0 ? i16x8.shl(s$g, 1) : i16x8.shr_u(s$g, 4 * $h + $n - 1), two);
          t$g = i32x4.add(t$g, i32x4.dot_i16x8_s(pairDots(plus, i8x16.sub(v128.load64_lane(<usize>load<u16>(q, Prepared.places + 64 * $h + 16 * $n + 4 * $g + 2), v128.load64_zero(<usize>load<u16>(q, Prepared.places + 64 * $h + 16 * $n + 4 * $g), $GRID), 1, $GRID), b$g)), v128.shuffle<i32>(pairs, pairs, $g, $g, $g, $g)));
        }
      }
      x += 128;
      k += 32;
      q += 128;
      l += 32;
    }
    const total = i32x4.add(sumRows(t_0, t_1, t_2, t_3), i32x4.sub(i32x4.shl(least, 4), least));
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(total), f32x4.mul(v128.load(p), v128.load_splat<u32>(y))));
  }
  v128.store(out, f);
}
