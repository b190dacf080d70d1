// Scores and sums of values for attention-chunk.ts, from tiles of f32 or straight from blocks of normal f16 (kv-page.ts). Every sum runs
// over dims, or positions, in their order. T is what keys and values are: f32, or u16, the bits of halves.
//
// Of halves a token of one sequence needs the sums, with up to four queries. The conversion is two instructions for four numbers, shift and
// mask, and leaves them in registers:
//
//   k' = as_f32((s e m of the half) >> 3, without the copies of s) = k * 2^-112, a normal f32
//   q' = q * 2^112, w' = w * 2^112
//
// and q' * k' is the same product as q * k, rounded once. (Measured, cycles for 8 keys of one dim and 4 queries: 6.8, with the
// exponent moved by an addition 7.7, through a tile of floats 8 and more.)

import { Kv } from "../abi";

/** Bytes from a query's scores of a chunk to the next one's. */
export const scoreBytes: usize = Kv.chunkPositions * 4;

// One number each, broadcast by a load: V8 rebuilds a v128.const at every use.
// prettier-ignore
const constants: usize = memory.data<u32>([
  0x8fffe000, // 0: a half shifted by 3, without the copies of its sign
  0x77800000, // 4: 2^112
  0x07800000, // 8: 2^-112
  0x47800000, // 12: 2^16: times 2^112 infinite
], 16);

/** Four halves in the upper parts of the lanes, times 2^-112. */
// @ts-ignore: decorator
@inline
function small(lanes: v128, mask: v128): v128 {
  return v128.and(i32x4.shr_s(lanes, 3), mask);
}

/** The mask for `small`; not used with floats. */
// @ts-ignore: decorator
@inline
function maskOf<T>(): v128 {
  return isFloat<T>() ? f32x4.splat(0) : v128.load32_splat(constants);
}

/** Where vectors of the elements at p begin: halves are read in the upper parts of lanes, from 2 bytes before. */
// @ts-ignore: decorator
@inline
function start<T>(p: usize): usize {
  return isFloat<T>() ? p : p - 2;
}

/** The four vectors of 16 elements from `start` on, in the order of kv-page.ts. */
// @ts-ignore: decorator
@inline
function vector0<T>(p: usize, mask: v128): v128 {
  return isFloat<T>() ? v128.load(p) : small(v128.load(p), mask);
}

// @ts-ignore: decorator
@inline
function vector1<T>(p: usize, mask: v128): v128 {
  return isFloat<T>() ? v128.load(p, 16) : small(v128.load(p, 2), mask);
}

// @ts-ignore: decorator
@inline
function vector2<T>(p: usize, mask: v128): v128 {
  return isFloat<T>() ? v128.load(p, 32) : small(v128.load(p, 16), mask);
}

// @ts-ignore: decorator
@inline
function vector3<T>(p: usize, mask: v128): v128 {
  return isFloat<T>() ? v128.load(p, 48) : small(v128.load(p, 18), mask);
}

/** to = n floats * 2^112, n a multiple of 4. False where one would be infinite. */
export function enlarge(to: usize, from: usize, n: u32): bool {
  const factor = v128.load32_splat(constants, 4), limit = v128.load32_splat(constants, 12);
  let large = f32x4.splat(0);
  for (const end = from + (<usize>n << 2); from < end; from += 16, to += 16) {
    const x = v128.load(from);
    large = v128.or(large, f32x4.ge(f32x4.abs(x), limit));
    v128.store(to, f32x4.mul(x, factor));
  }
  return !v128.any_true(large);
}

/** Takes the 2^112 from 16 weights at p. */
export function reduce16(p: usize): void {
  const factor = v128.load32_splat(constants, 8);
  v128.store(p, f32x4.mul(v128.load(p), factor));
  v128.store(p, f32x4.mul(v128.load(p, 16), factor), 16);
  v128.store(p, f32x4.mul(v128.load(p, 32), factor), 32);
  v128.store(p, f32x4.mul(v128.load(p, 48), factor), 48);
}

/**
 * Raw scores of four queries and eight positions, at `to` and three times scoreBytes on. keys: halves 0 or 8 of [dim][16 positions].
 * Eight accumulators, two keys and a broadcast fit the sixteen registers.
 */
export function scores4<T>(to: usize, keys: usize, q0: usize, q1: usize, q2: usize, q3: usize, dim: u32): void {
  const mask = maskOf<T>(), zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
  keys = start<T>(keys);
  for (const end = q0 + (<usize>dim << 2); q0 < end; q0 += 4, q1 += 4, q2 += 4, q3 += 4, keys += 16 * sizeof<T>()) {
    const k0 = vector0<T>(keys, mask), k1 = vector1<T>(keys, mask);
    const a = v128.load32_splat(q0);
    a0 = f32x4.add(a0, f32x4.mul(a, k0));
    a1 = f32x4.add(a1, f32x4.mul(a, k1));
    const b = v128.load32_splat(q1);
    b0 = f32x4.add(b0, f32x4.mul(b, k0));
    b1 = f32x4.add(b1, f32x4.mul(b, k1));
    const c = v128.load32_splat(q2);
    c0 = f32x4.add(c0, f32x4.mul(c, k0));
    c1 = f32x4.add(c1, f32x4.mul(c, k1));
    const d = v128.load32_splat(q3);
    d0 = f32x4.add(d0, f32x4.mul(d, k0));
    d1 = f32x4.add(d1, f32x4.mul(d, k1));
  }
  v128.store(to, a0);
  v128.store(to, a1, 16);
  v128.store(to + scoreBytes, b0);
  v128.store(to + scoreBytes, b1, 16);
  v128.store(to + 2 * scoreBytes, c0);
  v128.store(to + 2 * scoreBytes, c1, 16);
  v128.store(to + 3 * scoreBytes, d0);
  v128.store(to + 3 * scoreBytes, d1, 16);
}

/** Raw scores of two queries and sixteen positions, at `to` and scoreBytes on. keys: [dim][16 positions]. */
export function scores2<T>(to: usize, keys: usize, q0: usize, q1: usize, dim: u32): void {
  const mask = maskOf<T>(), zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  keys = start<T>(keys);
  for (const end = q0 + (<usize>dim << 2); q0 < end; q0 += 4, q1 += 4, keys += 16 * sizeof<T>()) {
    const k0 = vector0<T>(keys, mask), k1 = vector1<T>(keys, mask);
    const k2 = vector2<T>(keys, mask), k3 = vector3<T>(keys, mask);
    const a = v128.load32_splat(q0);
    a0 = f32x4.add(a0, f32x4.mul(a, k0));
    a1 = f32x4.add(a1, f32x4.mul(a, k1));
    a2 = f32x4.add(a2, f32x4.mul(a, k2));
    a3 = f32x4.add(a3, f32x4.mul(a, k3));
    const b = v128.load32_splat(q1);
    b0 = f32x4.add(b0, f32x4.mul(b, k0));
    b1 = f32x4.add(b1, f32x4.mul(b, k1));
    b2 = f32x4.add(b2, f32x4.mul(b, k2));
    b3 = f32x4.add(b3, f32x4.mul(b, k3));
  }
  v128.store(to, a0);
  v128.store(to, a1, 16);
  v128.store(to, a2, 32);
  v128.store(to, a3, 48);
  v128.store(to + scoreBytes, b0);
  v128.store(to + scoreBytes, b1, 16);
  v128.store(to + scoreBytes, b2, 32);
  v128.store(to + scoreBytes, b3, 48);
}

/** Raw scores of one query and sixteen positions. keys: [dim][16 positions]. */
export function scores1<T>(to: usize, keys: usize, q: usize, dim: u32): void {
  const mask = maskOf<T>(), zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  keys = start<T>(keys);
  for (const end = q + (<usize>dim << 2); q < end; q += 4, keys += 16 * sizeof<T>()) {
    const x = v128.load32_splat(q);
    a0 = f32x4.add(a0, f32x4.mul(x, vector0<T>(keys, mask)));
    a1 = f32x4.add(a1, f32x4.mul(x, vector1<T>(keys, mask)));
    a2 = f32x4.add(a2, f32x4.mul(x, vector2<T>(keys, mask)));
    a3 = f32x4.add(a3, f32x4.mul(x, vector3<T>(keys, mask)));
  }
  v128.store(to, a0);
  v128.store(to, a1, 16);
  v128.store(to, a2, 32);
  v128.store(to, a3, 48);
}

/**
 * Four queries: sums += weight * value over n positions, position by position, eight dims at a time. sums: from `sums` to `end`, and
 * `step` bytes from query to query; weights: scoreBytes from query to query. values: a row for each position, `row` bytes apart.
 */
export function sums4<T>(sums: usize, end: usize, step: usize, weights: usize, values: usize, row: usize, n: u32): void {
  const mask = maskOf<T>(), last = weights + (<usize>n << 2);
  values = start<T>(values);
  for (; sums < end; sums += 32, values += 8 * sizeof<T>()) {
    const sums1 = sums + step, sums2 = sums1 + step, sums3 = sums2 + step;
    let a0 = v128.load(sums), a1 = v128.load(sums, 16);
    let b0 = v128.load(sums1), b1 = v128.load(sums1, 16);
    let c0 = v128.load(sums2), c1 = v128.load(sums2, 16);
    let d0 = v128.load(sums3), d1 = v128.load(sums3, 16);
    for (let w = weights, v = values; w < last; w += 4, v += row) {
      const v0 = vector0<T>(v, mask), v1 = vector1<T>(v, mask);
      const a = v128.load32_splat(w);
      a0 = f32x4.add(a0, f32x4.mul(a, v0));
      a1 = f32x4.add(a1, f32x4.mul(a, v1));
      const b = v128.load32_splat(w, scoreBytes);
      b0 = f32x4.add(b0, f32x4.mul(b, v0));
      b1 = f32x4.add(b1, f32x4.mul(b, v1));
      const c = v128.load32_splat(w, 2 * scoreBytes);
      c0 = f32x4.add(c0, f32x4.mul(c, v0));
      c1 = f32x4.add(c1, f32x4.mul(c, v1));
      const d = v128.load32_splat(w, 3 * scoreBytes);
      d0 = f32x4.add(d0, f32x4.mul(d, v0));
      d1 = f32x4.add(d1, f32x4.mul(d, v1));
    }
    v128.store(sums, a0);
    v128.store(sums, a1, 16);
    v128.store(sums1, b0);
    v128.store(sums1, b1, 16);
    v128.store(sums2, c0);
    v128.store(sums2, c1, 16);
    v128.store(sums3, d0);
    v128.store(sums3, d1, 16);
  }
}

/** Two queries, 16 dims. */
export function sums2x16<T>(sums: usize, step: usize, weights: usize, values: usize, row: usize, n: u32): void {
  const mask = maskOf<T>(), sums1 = sums + step;
  let a0 = v128.load(sums), a1 = v128.load(sums, 16), a2 = v128.load(sums, 32), a3 = v128.load(sums, 48);
  let b0 = v128.load(sums1), b1 = v128.load(sums1, 16), b2 = v128.load(sums1, 32), b3 = v128.load(sums1, 48);
  values = start<T>(values);
  for (const end = weights + (<usize>n << 2); weights < end; weights += 4, values += row) {
    const v0 = vector0<T>(values, mask), v1 = vector1<T>(values, mask);
    const v2 = vector2<T>(values, mask), v3 = vector3<T>(values, mask);
    const a = v128.load32_splat(weights);
    a0 = f32x4.add(a0, f32x4.mul(a, v0));
    a1 = f32x4.add(a1, f32x4.mul(a, v1));
    a2 = f32x4.add(a2, f32x4.mul(a, v2));
    a3 = f32x4.add(a3, f32x4.mul(a, v3));
    const b = v128.load32_splat(weights, scoreBytes);
    b0 = f32x4.add(b0, f32x4.mul(b, v0));
    b1 = f32x4.add(b1, f32x4.mul(b, v1));
    b2 = f32x4.add(b2, f32x4.mul(b, v2));
    b3 = f32x4.add(b3, f32x4.mul(b, v3));
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sums, a2, 32);
  v128.store(sums, a3, 48);
  v128.store(sums1, b0);
  v128.store(sums1, b1, 16);
  v128.store(sums1, b2, 32);
  v128.store(sums1, b3, 48);
}

/** One query, 32 dims: eight accumulators hide the latency of an addition. */
export function sums1x32<T>(sums: usize, weights: usize, values: usize, row: usize, n: u32): void {
  const mask = maskOf<T>();
  let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(sums, 32), s3 = v128.load(sums, 48);
  let s4 = v128.load(sums, 64), s5 = v128.load(sums, 80), s6 = v128.load(sums, 96), s7 = v128.load(sums, 112);
  values = start<T>(values);
  for (const end = weights + (<usize>n << 2); weights < end; weights += 4, values += row) {
    const w = v128.load32_splat(weights);
    s0 = f32x4.add(s0, f32x4.mul(w, vector0<T>(values, mask)));
    s1 = f32x4.add(s1, f32x4.mul(w, vector1<T>(values, mask)));
    s2 = f32x4.add(s2, f32x4.mul(w, vector2<T>(values, mask)));
    s3 = f32x4.add(s3, f32x4.mul(w, vector3<T>(values, mask)));
    // here, not by vector0 and its like of an address: that addition costs 4 %
    s4 = f32x4.add(s4, f32x4.mul(w, isFloat<T>() ? v128.load(values, 64) : small(v128.load(values, 32), mask)));
    s5 = f32x4.add(s5, f32x4.mul(w, isFloat<T>() ? v128.load(values, 80) : small(v128.load(values, 34), mask)));
    s6 = f32x4.add(s6, f32x4.mul(w, isFloat<T>() ? v128.load(values, 96) : small(v128.load(values, 48), mask)));
    s7 = f32x4.add(s7, f32x4.mul(w, isFloat<T>() ? v128.load(values, 112) : small(v128.load(values, 50), mask)));
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
  v128.store(sums, s4, 64);
  v128.store(sums, s5, 80);
  v128.store(sums, s6, 96);
  v128.store(sums, s7, 112);
}

/** One query, eight dims. */
export function sums1x8<T>(sums: usize, weights: usize, values: usize, row: usize, n: u32): void {
  const mask = maskOf<T>();
  let s0 = v128.load(sums), s1 = v128.load(sums, 16);
  values = start<T>(values);
  for (const end = weights + (<usize>n << 2); weights < end; weights += 4, values += row) {
    const w = v128.load32_splat(weights);
    s0 = f32x4.add(s0, f32x4.mul(w, vector0<T>(values, mask)));
    s1 = f32x4.add(s1, f32x4.mul(w, vector1<T>(values, mask)));
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
}
