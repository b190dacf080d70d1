// Small steps that all quantisers share: rounding as ggml's C code does it on x86-64, and storing block scales.
// Everything here is f32: a product or sum in f64 would round elsewhere, and other codes would come out.

import { f32ToF16 } from "../half";

/** Below this a group counts as zeros: ggml's GROUP_MAX_EPS. */
export const EPS: f32 = 1e-15;
/** 1.5 * 2^23: adding it leaves the nearest integer, ties to even, in the low mantissa bits. */
export const MAGIC: f32 = 12582912;

// @ts-ignore: decorator
@inline
export function at(p: usize, i: i32): f32 {
  return load<f32>(p + (i << 2));
}

// @ts-ignore: decorator
@inline
export function put(p: usize, i: i32, v: f32): void {
  store<f32>(p + (i << 2), v);
}

/** Nearest integer, ties to even. Beyond 2^22, and for NaN, whatever the bits give: the same on every machine. */
// @ts-ignore: decorator
@inline
export function nearestInt(x: f32): i32 {
  return (reinterpret<i32>(x + MAGIC) & 0x7fffff) - 0x400000;
}

// @ts-ignore: decorator
@inline
export function clampInt(v: i32, low: i32, high: i32): i32 {
  return max<i32>(low, min<i32>(high, v));
}

/** What x86 gives for a conversion that does not fit (`cvttss2si`): a subnormal scale has an infinite inverse. */
const NO_INT: i32 = i32.MIN_VALUE;

/** Integer part; i32.MIN_VALUE where it does not fit. */
// @ts-ignore: decorator
@inline
export function truncInt(x: f32): i32 {
  return abs<f32>(x) < <f32>2147483648 ? <i32>x : NO_INT;
}

/** Nearest integer, ties away from zero; i32.MIN_VALUE where it does not fit. */
export function roundInt(x: f32): i32 {
  if (!(abs<f32>(x) < <f32>2147483648)) return NO_INT;
  const t = trunc<f32>(x);
  if (abs<f32>(x - t) >= <f32>0.5) return <i32>t + (x < 0 ? -1 : 1);
  return <i32>t;
}

/** 1 / d, or 0 where d is 0. */
// @ts-ignore: decorator
@inline
export function inverse(d: f32): f32 {
  return d != 0 ? <f32>1 / d : <f32>0;
}

/** Largest magnitude of n values. */
export function maxMagnitude(x: usize, n: i32): f32 {
  let most = f32x4.splat(0), i = 0;
  for (; i + 4 <= n; i += 4) most = f32x4.pmax(most, f32x4.abs(v128.load(x + (i << 2))));
  let a = max<f32>(
    max<f32>(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max<f32>(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  for (; i < n; i++) a = max<f32>(a, abs<f32>(at(x, i)));
  return a;
}

/** The value of largest magnitude, the first of equals. */
export function extreme(x: usize, n: i32): f32 {
  const a = maxMagnitude(x, n);
  for (let i = 0; i < n; i++) if (abs<f32>(at(x, i)) == a) return at(x, i);
  return 0;
}

/** Sum of squares of n values, in order. */
export function sumSquares(x: usize, n: i32): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < n; i++) sum += at(x, i) * at(x, i);
  return sum;
}

/** w[i] = qw[i] * sqrt(sigma2 + x[i]^2): how much the error of a weight counts, with importance weights. */
export function weigh(x: usize, qw: usize, sigma2: f32, n: i32, w: usize): void {
  for (let i = 0; i < n; i++) put(w, i, at(qw, i) * sqrt<f32>(sigma2 + at(x, i) * at(x, i)));
}

/** w[i] = x[i]^2: the weights of most searches without importance weights. */
export function square(x: usize, n: i32, w: usize): void {
  for (let i = 0; i < n; i++) put(w, i, at(x, i) * at(x, i));
}

/** Sum of n values, in order. */
export function sum(x: usize, n: i32): f32 {
  let total: f32 = 0;
  for (let i = 0; i < n; i++) total += at(x, i);
  return total;
}

/** Set by storeScale: a scale that no 16-bit float holds makes weights of infinities. One for every thread's instance. */
let overflowed: bool = false;

export function clearOverflow(): void {
  overflowed = false;
}

export function hasOverflowed(): bool {
  return overflowed;
}

/** For results that are not a scale in f16 but may be out of range all the same. */
export function noteOverflow(): void {
  overflowed = true;
}

/** Stores d as f16 and remembers whether it fits. */
export function storeScale(p: usize, d: f32): void {
  const h = f32ToF16(d);
  if ((h & 0x7c00) == 0x7c00) overflowed = true;
  store<u16>(p, <u16>h);
}

/** Stores the f32 scale of a row and remembers whether it is a number. */
export function storeRowScale(p: usize, d: f32): void {
  if (!(abs<f32>(d) < Infinity)) overflowed = true;
  store<f32>(p, d);
}

// Offsets in the scratch memory of a thread (`s` in every quantiser).

/** Codes of a block, u8[256]. */
export const CODES: usize = 0;
/** Weights of the errors, f32[256]. */
export const WEIGHTS: usize = 256;
/** Scale, minimum and summed weights of each sub-block, f32[16]. */
export const SCALES: usize = 1280;
export const MINS: usize = 1344;
export const SUMS: usize = 1408;
/** Their codes, u8[16]. */
export const SCALE_CODES: usize = 1472;
export const MIN_CODES: usize = 1488;
/** Memory of the searches: codes of four candidates, v128[32], then eight vectors. */
export const SEARCH: usize = 1504;
/** Memory of the grid searches and of the sorting ones: see there. */
export const GRID: usize = 2304;

/** Memory for what a whole row needs: scales of all its runs and the like, ROW_BYTES for each weight at most. */
export const ROW: usize = 8192;
export const ROW_BYTES: u32 = 6;
