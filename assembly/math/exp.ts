// e^x: four f32 for softmax, and the f64 scalar of the samplers and of pow64. Both
// write x = n ln2 + r with |r| <= ln2/2 and return 2^n (1 + (r + r^2 q(r))). The contract is
// README.md beside this file.

// One number each, broadcast by load32_splat: V8 rebuilds a v128.const at every use, a broadcast
// load is one instruction (measured: 1.2 against 1.8 ns per element). The address folds at compile
// time.
// prettier-ignore
const K: usize = memory.data<f32>([
  1.44269504, // 0: log2(e)
  12582912.0, // 4: 1.5 * 2^23: adding it leaves round(x) in the low bits of the sum
  0.693145751953125, // 8: ln2, upper 16 bits: n * this is exact for |n| < 256
  0.000001428606765330187, // 12: ln2, the rest
  // q(r) = (e^r - 1 - r) / r^2, lowest degree first
  0.5, // 16
  0.16666577756404877, // 20
  0.041666556149721146, // 24
  0.008363173343241215, // 28
  0.0013926175888627768, // 32
  -104.0, // 36: below this e^x rounds to 0
  89.0, // 40: above this e^x rounds to infinity
  1.0, // 44
], 16);

/** Broadcast of the constant at byte `offset` of the table. */
// @ts-ignore: decorator
@inline
function k(offset: usize): v128 {
  return v128.load32_splat(K + offset);
}

/**
 * e^x of four f32. Subnormal results are rounded like any other (gradual underflow). e^+-0 = 1,
 * e^-inf = 0, e^inf = inf, NaN gives NaN.
 */
// @ts-ignore: decorator
@inline
export function expf32x4(x: v128): v128 {
  const y = bounded(x), t = rounded(y);
  return power(t, rest(y, t));
}

/**
 * Four floats at a time, from `from` to `end`: x = e^(x - m) * factor; returns the four lane sums of the e^(x - m). A turn ends
 * one exp and begins the next: processors hold too few of the 60 steps of one to begin it by themselves (measured with
 * the rest of a softmax: 22 against 29 cycles for four).
 */
export function expSums(from: usize, end: usize, m: f32, factor: f32): v128 {
  const most = f32x4.splat(m), f = f32x4.splat(factor);
  let y = bounded(f32x4.sub(v128.load(from), most)), t = rounded(y), high = rest(y, t);
  let sums = f32x4.splat(0);
  for (let next = from + 16; next < end; next += 16, from += 16) {
    const oldT = t, oldHigh = high;
    y = bounded(f32x4.sub(v128.load(next), most));
    t = rounded(y);
    high = rest(y, t);
    const e = power(oldT, oldHigh);
    v128.store(from, f32x4.mul(e, f));
    sums = f32x4.add(sums, e);
  }
  const e = power(t, high);
  v128.store(from, f32x4.mul(e, f));
  return f32x4.add(sums, e);
}

/** x within what has a finite, nonzero exp. */
// @ts-ignore: decorator
@inline
function bounded(x: v128): v128 {
  // pmin and pmax keep a NaN in their first operand and are one instruction on x86 (min and max are
  // many).
  return f32x4.pmax(f32x4.pmin(x, k(40)), k(36));
}

/** n = y / ln2, rounded, in the low bits. */
// @ts-ignore: decorator
@inline
function rounded(y: v128): v128 {
  return f32x4.add(f32x4.mul(y, k(0)), k(4));
}

/** y - n ln2, but for the low part of n ln2; exact. */
// @ts-ignore: decorator
@inline
function rest(y: v128, t: v128): v128 {
  return f32x4.sub(y, f32x4.mul(f32x4.sub(t, k(4)), k(8)));
}

/** 2^n e^r, r = high without the low part of n ln2. */
// @ts-ignore: decorator
@inline
function power(t: v128, high: v128): v128 {
  const one = k(44);
  const low = f32x4.mul(f32x4.sub(t, k(4)), k(12));
  const r = f32x4.sub(high, low);
  // q by pairs, not by Horner: the shorter chain is 10% faster.
  const z = f32x4.mul(r, r);
  const q01 = f32x4.add(f32x4.mul(k(20), r), k(16));
  const q234 = f32x4.add(f32x4.mul(k(32), z), f32x4.add(f32x4.mul(k(28), r), k(24)));
  const q = f32x4.add(f32x4.mul(q234, z), q01);
  // 1 + high + (z q - low), with what the rounding of 1 + high drops put back: 0.80 ulp instead of
  // 1.02 without.
  const sum = f32x4.add(one, high);
  const lost = f32x4.sub(high, f32x4.sub(sum, one));
  const p = f32x4.add(sum, f32x4.add(lost, f32x4.sub(f32x4.mul(z, q), low)));
  // 2^n in two factors, floor(n/2) and the rest, because n runs from -150 to 128. Only the second
  // product can round. They are products, not additions to the exponent field, so that a NaN stays
  // one whatever its payload.
  const half = i32x4.shl(i32x4.shr_s(t, 1), 23);
  const other = i32x4.sub(i32x4.shl(t, 23), half);
  return f32x4.mul(f32x4.mul(p, i32x4.add(half, one)), i32x4.add(other, one));
}

/** e^x with the bits of a lane of expf32x4. */
export function expf(x: f32): f32 {
  return f32x4.extract_lane(expf32x4(f32x4.splat(x)), 0);
}

/** 1.5 * 2^52: adding it leaves round(x) in the low bits of the sum. */
const ROUND: f64 = 6755399441055744;
/** log2(e). */
const LOG2E: f64 = 1.4426950408889634;
/** ln2, upper 32 bits: n * this is exact for every exponent n of an f64. */
export const LN2_HIGH: f64 = 0.6931471803691238;
/** ln2, the rest. */
export const LN2_LOW: f64 = 1.9082149292705877e-10;

/** e^x. e^-inf = 0, e^inf = inf, NaN gives NaN, gradual underflow. */
export function exp64(x: f64): f64 {
  return expSum64(x, 0);
}

/** e^(x + low) for a low part of at most an ulp or so of x: what pow64 needs. */
// @ts-ignore: decorator
@inline
export function expSum64(x: f64, low: f64): f64 {
  if (x != x) return x;
  // e^709.79 > 2^1024; what lies between overflows by itself.
  if (x > 709.79) return Infinity;
  if (x < -745.2) return 0; // e^-745.2 < 2^-1075, half the smallest subnormal
  const t = x * LOG2E + ROUND;
  const n = t - ROUND;
  const high = x - n * LN2_HIGH;
  const rest = n * LN2_LOW - low;
  const r = high - rest;
  const lost = high - r - rest; // what the rounding of r dropped
  const p = 1 + (r + (r * r * expQ64(r) + lost));
  return scale64(p, <i32>reinterpret<u64>(t));
}

/**
 * (e^r - 1 - r) / r^2 for |r| <= ln2/2: the Taylor series to r^11/13!, truncation below 2^-57 of
 * e^r.
 */
// @ts-ignore: decorator
@inline
export function expQ64(r: f64): f64 {
  // By pairs, then fours, then eights: the chain is a third of Horner's.
  const z = r * r;
  const w = z * z;
  const q01 = r * (1.0 / 6.0) + 0.5;
  const q23 = r * (1.0 / 120.0) + 1.0 / 24.0;
  const q45 = r * (1.0 / 5040.0) + 1.0 / 720.0;
  const q67 = r * (1.0 / 362880.0) + 1.0 / 40320.0;
  const q89 = r * (1.0 / 39916800.0) + 1.0 / 3628800.0;
  const qab = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
  return q01 + z * q23 + w * (q45 + z * q67 + w * (q89 + z * qab));
}

/** p 2^n for p near 1 and -1076 <= n <= 1024, rounded once. */
// @ts-ignore: decorator
@inline
function scale64(p: f64, n: i32): f64 {
  const half = n >> 1;
  return p * power64(half) * power64(n - half);
}

/** 2^n for a normal result. */
// @ts-ignore: decorator
@inline
export function power64(n: i32): f64 {
  return reinterpret<f64>(<u64>(n + 1023) << 52);
}
