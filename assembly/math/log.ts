// Natural logarithms: f32 lanes (in f64 halves, rounded once) and the f64 scalars.

import { LN2_HIGH, LN2_LOW } from "./exp";
import { log1p64x2, log64x2, lower64x2, narrow, upper64x2 } from "./lanes64";

/** log of four f32. log +-0 = -inf, log inf = inf; below 0 and NaN give NaN. */
// @ts-ignore: decorator
@inline
export function logf32x4(x: v128): v128 {
  const r = narrow(log64x2(lower64x2(x)), log64x2(upper64x2(x)));
  return special(r, x, x);
}

/** log with the bits of a lane of logf32x4. */
export function logf(x: f32): f32 {
  return f32x4.extract_lane(logf32x4(f32x4.splat(x)), 0);
}

/**
 * log(1 + x) of four f32. +-0 gives +-0, -1 gives -inf, inf gives inf; below -1 and NaN give NaN.
 */
// @ts-ignore: decorator
@inline
export function log1pf32x4(x: v128): v128 {
  const r = narrow(log1p64x2(lower64x2(x)), log1p64x2(upper64x2(x)));
  // The result has x's sign; the bit keeps that of -0.
  const signed = v128.or(r, v128.and(x, i32x4.splat(0x80000000)));
  return special(signed, f32x4.add(x, f32x4.splat(1)), x);
}

/** log1p with the bits of a lane of log1pf32x4. */
export function log1pf(x: f32): f32 {
  return f32x4.extract_lane(log1pf32x4(f32x4.splat(x)), 0);
}

/** Replaces r = log(u) where u is 0 (-inf), negative (NaN), infinite or NaN (x). */
// @ts-ignore: decorator
@inline
function special(r: v128, u: v128, x: v128): v128 {
  const zero = f32x4.splat(0);
  const infinity = f32x4.splat(Infinity);
  let y = v128.bitselect(r, x, f32x4.lt(f32x4.abs(u), infinity));
  y = v128.bitselect(f32x4.neg(infinity), y, f32x4.eq(u, zero));
  return v128.bitselect(i32x4.splat(0x7fc00000), y, f32x4.lt(u, zero));
}

/**
 * x = 2^n m with m in [sqrt(1/2), sqrt(2)), for finite x > 0, as in log64x2: n + 1023 from bit 52 on, below it the place of m, for the
 * following two.
 */
export function splitLog(x: f64): i64 {
  const shift: i64 = 0x3ff0000000000000 - 0x3fe6a09e667f3bcd;
  if (x >= 2.2250738585072014e-308) return reinterpret<i64>(x) + shift;
  // subnormals have no exponent of their own: that of 2^54 x
  return reinterpret<i64>(x * 18014398509481984) + shift - (<i64>54 << 52);
}

/** n of splitLog. */
// @ts-ignore: decorator
@inline
export function exponentOf(split: i64): i32 {
  return <i32>(split >> 52) - 1023;
}

/** m of splitLog. */
// @ts-ignore: decorator
@inline
export function mantissaOf(split: i64): f64 {
  return reinterpret<f64>((split & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
}

/** log x. log +-0 = -inf, log inf = inf; below 0 and NaN give NaN. */
export function log64(x: f64): f64 {
  if (!(x > 0)) return x == 0 ? -Infinity : NaN;
  if (x == Infinity) return x;
  const split = splitLog(x);
  const f = mantissaOf(split) - 1;
  // log(1 + f) = 2 atanh(s) = 2s + s R(s^2) for s = f / (2 + f), and 2s = f - f^2/2 + s f^2/2: only
  // the term f is large, and it is exact.
  const s = f / (2 + f);
  const h = 0.5 * f * f;
  const e = <f64>exponentOf(split);
  return e * LN2_HIGH - (h - (s * (h + atanhTail(s * s)) + e * LN2_LOW) - f);
}

/**
 * (2 atanh(s) - 2s) / s as a function of z = s^2 <= 0.0295: the series to z^10, truncation below
 * 2^-59.
 */
// @ts-ignore: decorator
@inline
function atanhTail(z: f64): f64 {
  let q: f64 = 2.0 / 21.0;
  q = q * z + 2.0 / 19.0;
  q = q * z + 2.0 / 17.0;
  q = q * z + 2.0 / 15.0;
  q = q * z + 2.0 / 13.0;
  q = q * z + 2.0 / 11.0;
  q = q * z + 2.0 / 9.0;
  q = q * z + 2.0 / 7.0;
  q = q * z + 2.0 / 5.0;
  q = q * z + 2.0 / 3.0;
  return q * z;
}

/** log(1 + x). +-0 gives +-0, -1 gives -inf, inf gives inf; below -1 and NaN give NaN. */
export function log1p64(x: f64): f64 {
  const u = 1 + x;
  if (u == 1) return x;
  if (!(u > 0) || u > 9007199254740992) return log64(u); // above 2^53 the 1 does not matter
  return log64(u) + (x - (u - 1)) / u;
}
