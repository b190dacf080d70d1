// Scores and sums of values from tiles of f32 (kv-page.ts): what attention-chunk.ts multiplies where it does not take halves as
// they lie in the cache (attention-halves.ts). Every sum runs over dims, or positions, in their order.

import { Kv } from "../abi";

/** Bytes from a query's scores of a chunk to the next one's. */
export const scoreBytes: usize = Kv.chunkPositions * 4;

/**
 * Raw scores of four queries and eight positions, at `to` and three times scoreBytes on. keys: halves 0 or 8 of [dim][16 positions].
 * Eight accumulators, two keys and a broadcast fit the sixteen registers.
 */
export function scoreFloats4(to: usize, keys: usize, q0: usize, q1: usize, q2: usize, q3: usize, dim: u32): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
  for (let end = q0 + (<usize>dim << 2); q0 < end; q0 += 4, q1 += 4, q2 += 4, q3 += 4, keys += 64) {
    const k0 = v128.load(keys), k1 = v128.load(keys, 16);
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

/** Raw scores of one query and sixteen positions. keys: [dim][16 positions]. */
export function scoreFloats1(to: usize, keys: usize, q: usize, dim: u32): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  for (let end = q + (<usize>dim << 2); q < end; q += 4, keys += 64) {
    const x = v128.load32_splat(q);
    a0 = f32x4.add(a0, f32x4.mul(x, v128.load(keys)));
    a1 = f32x4.add(a1, f32x4.mul(x, v128.load(keys, 16)));
    a2 = f32x4.add(a2, f32x4.mul(x, v128.load(keys, 32)));
    a3 = f32x4.add(a3, f32x4.mul(x, v128.load(keys, 48)));
  }
  v128.store(to, a0);
  v128.store(to, a1, 16);
  v128.store(to, a2, 32);
  v128.store(to, a3, 48);
}

/**
 * Four queries: sums += weight * value over n positions, position by position, eight dims at a time. sums: from `sums` to `end`,
 * and `step` bytes from query to query; weights: scoreBytes from query to query. values: a row for each position, `row`
 * bytes apart.
 */
export function sumFloats4(
  sums: usize, end: usize, step: usize, weights: usize, values: usize, row: usize, n: u32,
): void {
  const last = weights + (<usize>n << 2);
  for (; sums < end; sums += 32, values += 32) {
    const second = sums + step, third = second + step, fourth = third + step;
    let a0 = v128.load(sums), a1 = v128.load(sums, 16);
    let b0 = v128.load(second), b1 = v128.load(second, 16);
    let c0 = v128.load(third), c1 = v128.load(third, 16);
    let d0 = v128.load(fourth), d1 = v128.load(fourth, 16);
    for (let w = weights, v = values; w < last; w += 4, v += row) {
      const v0 = v128.load(v), v1 = v128.load(v, 16);
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
    v128.store(second, b0);
    v128.store(second, b1, 16);
    v128.store(third, c0);
    v128.store(third, c1, 16);
    v128.store(fourth, d0);
    v128.store(fourth, d1, 16);
  }
}

/** One query, 32 dims: eight accumulators hide the latency of an addition. */
export function sumFloats1x32(sums: usize, weights: usize, values: usize, row: usize, n: u32): void {
  let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(sums, 32), s3 = v128.load(sums, 48);
  let s4 = v128.load(sums, 64), s5 = v128.load(sums, 80), s6 = v128.load(sums, 96), s7 = v128.load(sums, 112);
  for (let end = weights + (<usize>n << 2); weights < end; weights += 4, values += row) {
    const w = v128.load32_splat(weights);
    s0 = f32x4.add(s0, f32x4.mul(w, v128.load(values)));
    s1 = f32x4.add(s1, f32x4.mul(w, v128.load(values, 16)));
    s2 = f32x4.add(s2, f32x4.mul(w, v128.load(values, 32)));
    s3 = f32x4.add(s3, f32x4.mul(w, v128.load(values, 48)));
    s4 = f32x4.add(s4, f32x4.mul(w, v128.load(values, 64)));
    s5 = f32x4.add(s5, f32x4.mul(w, v128.load(values, 80)));
    s6 = f32x4.add(s6, f32x4.mul(w, v128.load(values, 96)));
    s7 = f32x4.add(s7, f32x4.mul(w, v128.load(values, 112)));
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
export function sumFloats1x8(sums: usize, weights: usize, values: usize, row: usize, n: u32): void {
  let s0 = v128.load(sums), s1 = v128.load(sums, 16);
  for (let end = weights + (<usize>n << 2); weights < end; weights += 4, values += row) {
    const w = v128.load32_splat(weights);
    s0 = f32x4.add(s0, f32x4.mul(w, v128.load(values)));
    s1 = f32x4.add(s1, f32x4.mul(w, v128.load(values, 16)));
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
}
