// Scores and sums of values straight from blocks of normal f16 (kv-page.ts), for up to four queries: what a token of one
// sequence needs. Its conversion is two instructions for four numbers, shift and mask, and leaves them in registers:
//
//   k' = as_f32((s e m of the half) >> 3, without the copies of s) = k * 2^-112, a normal f32
//   q' = q * 2^112, w' = w * 2^112
//
// and q' * k' is the same product as q * k, rounded once. (Measured, cycles for 8 keys of one dim and 4 queries: 6.8, with the
// exponent moved by an addition 7.7, through a tile of floats 8 and more.)

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
 * Raw scores of four queries and eight positions, at `to` and three times `step` bytes on. keys: halves 0 or 8 of [dim][16 positions].
 * Eight accumulators, two keys and a broadcast fit the sixteen registers.
 */
export function scoreHalves4(to: usize, step: usize, keys: usize, q0: usize, q1: usize, q2: usize, q3: usize, dim: u32): void {
  const mask = v128.load32_splat(constants), zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
  keys -= 2;
  for (const end = q0 + (<usize>dim << 2); q0 < end; q0 += 4, q1 += 4, q2 += 4, q3 += 4, keys += 32) {
    const k0 = small(v128.load(keys), mask), k1 = small(v128.load(keys, 2), mask);
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
  v128.store(to + step, b0);
  v128.store(to + step, b1, 16);
  v128.store(to + 2 * step, c0);
  v128.store(to + 2 * step, c1, 16);
  v128.store(to + 3 * step, d0);
  v128.store(to + 3 * step, d1, 16);
}

/** Raw scores of two queries and sixteen positions, at `to` and `step` bytes on. keys: [dim][16 positions]. */
export function scoreHalves2(to: usize, step: usize, keys: usize, q0: usize, q1: usize, dim: u32): void {
  const mask = v128.load32_splat(constants), zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  keys -= 2;
  for (const end = q0 + (<usize>dim << 2); q0 < end; q0 += 4, q1 += 4, keys += 32) {
    const k0 = small(v128.load(keys), mask), k1 = small(v128.load(keys, 2), mask);
    const k2 = small(v128.load(keys, 16), mask), k3 = small(v128.load(keys, 18), mask);
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
  v128.store(to + step, b0);
  v128.store(to + step, b1, 16);
  v128.store(to + step, b2, 32);
  v128.store(to + step, b3, 48);
}

/** Raw scores of one query and sixteen positions. keys: [dim][16 positions]. */
export function scoreHalves1(to: usize, keys: usize, q: usize, dim: u32): void {
  const mask = v128.load32_splat(constants), zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  keys -= 2;
  for (const end = q + (<usize>dim << 2); q < end; q += 4, keys += 32) {
    const x = v128.load32_splat(q);
    a0 = f32x4.add(a0, f32x4.mul(x, small(v128.load(keys), mask)));
    a1 = f32x4.add(a1, f32x4.mul(x, small(v128.load(keys, 2), mask)));
    a2 = f32x4.add(a2, f32x4.mul(x, small(v128.load(keys, 16), mask)));
    a3 = f32x4.add(a3, f32x4.mul(x, small(v128.load(keys, 18), mask)));
  }
  v128.store(to, a0);
  v128.store(to, a1, 16);
  v128.store(to, a2, 32);
  v128.store(to, a3, 48);
}

/**
 * Four queries: sums += weight * value over n positions, position by position, eight dims at a time. sums: from `sums` to
 * `end`, and `step` bytes from query to query. values: a row of halves for each position, `row` bytes apart.
 */
export function sumHalves4(
  sums: usize, end: usize, step: usize, weights: usize, w1: usize, w2: usize, w3: usize, values: usize, row: usize, n: u32,
): void {
  const mask = v128.load32_splat(constants), last = weights + (<usize>n << 2);
  w1 -= weights;
  w2 -= weights;
  w3 -= weights;
  values -= 2;
  for (; sums < end; sums += 32, values += 16) {
    const second = sums + step, third = second + step, fourth = third + step;
    let a0 = v128.load(sums), a1 = v128.load(sums, 16);
    let b0 = v128.load(second), b1 = v128.load(second, 16);
    let c0 = v128.load(third), c1 = v128.load(third, 16);
    let d0 = v128.load(fourth), d1 = v128.load(fourth, 16);
    for (let w = weights, v = values; w < last; w += 4, v += row) {
      const v0 = small(v128.load(v), mask), v1 = small(v128.load(v, 2), mask);
      const a = v128.load32_splat(w);
      a0 = f32x4.add(a0, f32x4.mul(a, v0));
      a1 = f32x4.add(a1, f32x4.mul(a, v1));
      const b = v128.load32_splat(w + w1);
      b0 = f32x4.add(b0, f32x4.mul(b, v0));
      b1 = f32x4.add(b1, f32x4.mul(b, v1));
      const c = v128.load32_splat(w + w2);
      c0 = f32x4.add(c0, f32x4.mul(c, v0));
      c1 = f32x4.add(c1, f32x4.mul(c, v1));
      const d = v128.load32_splat(w + w3);
      d0 = f32x4.add(d0, f32x4.mul(d, v0));
      d1 = f32x4.add(d1, f32x4.mul(d, v1));
    }
    v128.store(sums, a0);
    v128.store(sums, a1, 16);
    v128.store(second, b0);
    v128.store(second, b1, 16);
    v128.store(third, c0);
    v128.store(third, c1, 16);
    v128.store(fourth, d0);
    v128.store(fourth, d1, 16);
  }
}

/** Two queries, 16 dims. */
export function sumHalves2x16(sums: usize, step: usize, w0: usize, w1: usize, values: usize, row: usize, n: u32): void {
  const mask = v128.load32_splat(constants), second = sums + step;
  let a0 = v128.load(sums), a1 = v128.load(sums, 16), a2 = v128.load(sums, 32), a3 = v128.load(sums, 48);
  let b0 = v128.load(second), b1 = v128.load(second, 16), b2 = v128.load(second, 32), b3 = v128.load(second, 48);
  values -= 2;
  for (const end = w0 + (<usize>n << 2); w0 < end; w0 += 4, w1 += 4, values += row) {
    const v0 = small(v128.load(values), mask), v1 = small(v128.load(values, 2), mask);
    const v2 = small(v128.load(values, 16), mask), v3 = small(v128.load(values, 18), mask);
    const a = v128.load32_splat(w0);
    a0 = f32x4.add(a0, f32x4.mul(a, v0));
    a1 = f32x4.add(a1, f32x4.mul(a, v1));
    a2 = f32x4.add(a2, f32x4.mul(a, v2));
    a3 = f32x4.add(a3, f32x4.mul(a, v3));
    const b = v128.load32_splat(w1);
    b0 = f32x4.add(b0, f32x4.mul(b, v0));
    b1 = f32x4.add(b1, f32x4.mul(b, v1));
    b2 = f32x4.add(b2, f32x4.mul(b, v2));
    b3 = f32x4.add(b3, f32x4.mul(b, v3));
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sums, a2, 32);
  v128.store(sums, a3, 48);
  v128.store(second, b0);
  v128.store(second, b1, 16);
  v128.store(second, b2, 32);
  v128.store(second, b3, 48);
}

/** One query, 32 dims: eight accumulators hide the latency of an addition. */
export function sumHalves1x32(sums: usize, weights: usize, values: usize, row: usize, n: u32): void {
  const mask = v128.load32_splat(constants);
  let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(sums, 32), s3 = v128.load(sums, 48);
  let s4 = v128.load(sums, 64), s5 = v128.load(sums, 80), s6 = v128.load(sums, 96), s7 = v128.load(sums, 112);
  values -= 2;
  for (const end = weights + (<usize>n << 2); weights < end; weights += 4, values += row) {
    const w = v128.load32_splat(weights);
    s0 = f32x4.add(s0, f32x4.mul(w, small(v128.load(values), mask)));
    s1 = f32x4.add(s1, f32x4.mul(w, small(v128.load(values, 2), mask)));
    s2 = f32x4.add(s2, f32x4.mul(w, small(v128.load(values, 16), mask)));
    s3 = f32x4.add(s3, f32x4.mul(w, small(v128.load(values, 18), mask)));
    s4 = f32x4.add(s4, f32x4.mul(w, small(v128.load(values, 32), mask)));
    s5 = f32x4.add(s5, f32x4.mul(w, small(v128.load(values, 34), mask)));
    s6 = f32x4.add(s6, f32x4.mul(w, small(v128.load(values, 48), mask)));
    s7 = f32x4.add(s7, f32x4.mul(w, small(v128.load(values, 50), mask)));
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
export function sumHalves1x8(sums: usize, weights: usize, values: usize, row: usize, n: u32): void {
  const mask = v128.load32_splat(constants);
  let s0 = v128.load(sums), s1 = v128.load(sums, 16);
  values -= 2;
  for (const end = weights + (<usize>n << 2); weights < end; weights += 4, values += row) {
    const w = v128.load32_splat(weights);
    s0 = f32x4.add(s0, f32x4.mul(w, small(v128.load(values), mask)));
    s1 = f32x4.add(s1, f32x4.mul(w, small(v128.load(values, 2), mask)));
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
}
