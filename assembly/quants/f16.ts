// F16: half-precision weights. What a product with one column wants is an f32 from two instructions, shift and mask, as in
// ops/attention-sums.ts, and no subnormal one. So the exponents of a group are moved, which they allow but for the largest:
//
//   file:   w = s (1 + m / 1024) * 2^(e - 15), of e = 0 s m / 1024 * 2^-14, of e = 31 infinities and NaN
//   group:  w = s (1 + m / 1024) * 2^(e - 25), of e = 0 and m = 0 a zero: all w below 128, those of e = 0 in the file normal, too
//
// R4 group of 4 rows: [16 B] a mark, not 0 where some |w| >= 128, infinite or NaN: such a group keeps the file's bits. Then
//   [K / 2][4 rows][2]  halves of elements 2i and 2i + 1: an i32 lane is a row
//   [4]                 if K is odd: the halves of the last element
//
// The bits of a half, its exponent at that of an f32, are w * 2^-102, and (w * 2^-102) * (x * 2^102) is the same product as w * x,
// rounded once. An x of 2^26 and more becomes infinite, which leaves an infinity or a NaN in the sum: the group is then multiplied again.

import { f16ToF32, MARK_BYTES, widenF16x4 } from "../half";
import { interleavePairs16 } from "./interleave";

// prettier-ignore
const C: usize = memory.data<u32>([
  0x8fffe000, // 0: a half shifted by 3, without the copies of its sign
  0x72800000, // 4: 2^102
  0x7f800000, // 8: infinity
  0x7fff7fff, // 12: magnitudes of two halves
  0x04000400, // 16: the least normal ones
  0x28002800, // 20: what moves their exponents by ten
  126 << 10, // 24: see countToHalf
], 16);
export const HALF_BITS: usize = C;
export const ENLARGE: usize = C + 4;
const INFINITY: usize = C + 8, MAGNITUDE: usize = C + 12, NORMAL: usize = C + 16, MOVE: usize = C + 20, COUNT: usize = C + 24;

/** Exponent and mantissa of the file's 128. */
const LIMIT: i16 = 0x5800;
/** What moves an f32's exponent by 102. */
const MOVE32: u32 = 102 << 23;

/**
 * One column of groups without a mark: f = f + w * x, k ascending.
 * @tiles 4x1 1x1
 */
function f16Column(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const mask = v128.load_splat<u32>(HALF_BITS), large = v128.load_splat<u32>(ENLARGE);
  // two bytes early: a half of an even element comes to the top of a lane by the load, without a shift
  let w$g = w + groupBytes * $g + (MARK_BYTES - 2);
  let f$g = f32x4.splat(0);
  for (let e: u32 = 2; e <= k; e += 2) {
    const x = f32x4.mul(v128.load_splat<u32>(y), large);
    {
      const even$g = v128.and(i32x4.shr_s(v128.load(w$g), 3), mask);
      f$g = f32x4.add(f$g, f32x4.mul(even$g, x));
    }
    const z = f32x4.mul(v128.load_splat<u32>(y, 4), large);
    {
      const odd$g = v128.and(i32x4.shr_s(v128.load(w$g, 2), 3), mask);
      f$g = f32x4.add(f$g, f32x4.mul(odd$g, z));
    }
    w$g += 16;
    y += 8;
  }
  if (k & 1) {
    const x = f32x4.mul(v128.load_splat<u32>(y), large);
    const last$g = v128.and(i32x4.shr_s(loadLast(w$g + 2), 3), mask);
    f$g = f32x4.add(f$g, f32x4.mul(last$g, x));
  }
  v128.store(out, f$g, 16 * $g);
}

/** f32 of four halves in the upper parts of the lanes; marked: with the file's exponents. */
// @ts-ignore: decorator
@inline
function widen(top: v128, marked: bool): v128 {
  if (marked) return widenF16x4(i32x4.shr_s(top, 16));
  return f32x4.mul(v128.and(i32x4.shr_s(top, 3), v128.load_splat<u32>(HALF_BITS)), v128.load_splat<u32>(ENLARGE));
}

/** Four halves at p in the upper parts of the lanes. */
// @ts-ignore: decorator
@inline
export function loadLast(p: usize): v128 {
  return i32x4.shl(v128.load_ext<u16>(p), 16);
}

/** Elements [first, first + n) of a group as an F32 group of n weights a row; first is even. */
export function widenF16(group: usize, first: u32, n: u32, dst: usize): void {
  const marked = load<u32>(group) != 0;
  let w = group + (MARK_BYTES - 2) + (<usize>first << 3);
  for (const end = w + (<usize>(n & ~1) << 3); w < end; w += 16, dst += 32) {
    v128.store(dst, widen(v128.load(w), marked));
    v128.store(dst, widen(v128.load(w, 2), marked), 16);
  }
  if (n & 1) v128.store(dst, widen(loadLast(w + 2), marked));
}

/** Multiplies again those of nGroups groups that have a mark, or whose sums, at out, are not finite. */
export function exactF16(nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, out: usize): void {
  const infinity = v128.load_splat<u32>(INFINITY);
  for (; nGroups > 0; nGroups--, w += groupBytes, out += 16) {
    const marked = load<u32>(w) != 0;
    if (!marked && i32x4.all_true(i32x4.ne(v128.and(v128.load(out), infinity), infinity))) continue;
    let f = f32x4.splat(0), halves = w + (MARK_BYTES - 2), x = y;
    for (const end = y + (<usize>(k & ~1) << 2); x < end; x += 8, halves += 16) {
      f = f32x4.add(f, f32x4.mul(widen(v128.load(halves), marked), v128.load_splat<u32>(x)));
      f = f32x4.add(f, f32x4.mul(widen(v128.load(halves, 2), marked), v128.load_splat<u32>(x, 4)));
    }
    if (k & 1) f = f32x4.add(f, f32x4.mul(widen(loadLast(halves + 2), marked), v128.load_splat<u32>(x)));
    v128.store(out, f);
  }
}

/** Interleaves nRows (1..4) rows of k halves, rowBytes apart, into one group; missing rows become zero. */
export function repackF16(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const halves = dst + MARK_BYTES;
  interleavePairs16(src, rowBytes, nRows, k, halves);
  const moved = moveExponents(halves, halves + (<usize>k << 3));
  v128.store(dst, i32x4.splat(moved ? 0 : 1));
}

/** The halves at p, up to end, get a group's exponents; false: some is too large, and nothing is changed. */
function moveExponents(p: usize, end: usize): bool {
  const magnitude = v128.load_splat<u32>(MAGNITUDE);
  let largest = i16x8.splat(0);
  // of an odd K, four are left
  const rest = end - ((end - p) & 8);
  for (let q = p; q < rest; q += 16) largest = i16x8.max_u(largest, v128.and(v128.load(q), magnitude));
  if (rest < end) largest = i16x8.max_u(largest, v128.and(v128.load64_zero(rest), magnitude));
  if (v128.any_true(i16x8.ge_u(largest, i16x8.splat(LIMIT)))) return false;
  for (; p < rest; p += 16) v128.store(p, moveExponent(v128.load(p)));
  if (rest < end) v128.store64_lane(rest, moveExponent(v128.load64_zero(rest)), 0);
  return true;
}

/** A group's halves for eight of the file, of magnitudes below 128. */
// @ts-ignore: decorator
@inline
function moveExponent(h: v128): v128 {
  const magnitude = v128.load_splat<u32>(MAGNITUDE), m = v128.and(h, magnitude);
  const isSmall = i16x8.lt_s(m, v128.load_splat<u32>(NORMAL));
  let moved = i16x8.add(m, v128.load_splat<u32>(MOVE));
  if (v128.any_true(isSmall)) {
    const low = countToHalf(i32x4.extend_low_i16x8_u(m)), high = countToHalf(i32x4.extend_high_i16x8_u(m));
    // the narrowing makes a zero of what is below one
    moved = v128.bitselect(i16x8.narrow_i32x4_u(low, high), moved, isSmall);
  }
  return v128.or(moved, v128.andnot(h, magnitude));
}

/** m * 2^-24 as a group's half: an f32 has exponents of 127 to 136 for such an m, a group's half 1 to 10. Negative for 0. */
// @ts-ignore: decorator
@inline
function countToHalf(m: v128): v128 {
  return i32x4.sub(i32x4.shr_u(f32x4.convert_i32x4_u(m), 13), v128.load_splat<u32>(COUNT));
}

/** Row `lane` of a group as k f32. */
export function dequantizeF16(group: usize, lane: u32, k: u32, out: usize): void {
  const marked = load<u32>(group) != 0;
  let p = group + MARK_BYTES + (lane << 2);
  for (const end = out + (<usize>(k & ~1) << 2); out < end; out += 8, p += 16) {
    store<f32>(out, halfToF32(load<u16>(p), marked));
    store<f32>(out, halfToF32(load<u16>(p, 2), marked), 4);
  }
  if (k & 1) store<f32>(out, halfToF32(load<u16>(p - (lane << 1)), marked));
}

// @ts-ignore: decorator
@inline
function halfToF32(h: u32, marked: bool): f32 {
  if (marked) return f16ToF32(h);
  const m = h & 0x7fff;
  return reinterpret<f32>(((h & 0x8000) << 16) | (m ? (m << 13) + MOVE32 : 0));
}
