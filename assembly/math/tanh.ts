// tanh: the softcap of attention and logits (f32 lanes, in f64 halves), and the f64 scalar. Both
// use, the scalar only near 0, u = e^(2x) - 1 = 2^n (e^r - 1) + (2^n - 1), which does not cancel:
// tanh x = u / (u + 2).

import { exp64, expQ64, LN2_HIGH, LN2_LOW, power64 } from "./exp";
import {
  exponent64x2,
  expm1Core64x2,
  lower64x2,
  narrow,
  power64x2,
  upper64x2,
} from "./lanes64";

/**
 * tanh of four f32. tanh +-0 = +-0, tanh +-inf = +-1, NaN gives NaN; exactly +-1 from |x| = 9.02
 * on.
 */
// @ts-ignore: decorator
@inline
export function tanhf32x4(x: v128): v128 {
  // tanh 16 is 1 - 2^-45.
  const limit = f32x4.splat(16);
  const y = f32x4.pmax(f32x4.pmin(x, limit), f32x4.neg(limit));
  const r = narrow(tanhHalf(lower64x2(y)), tanhHalf(upper64x2(y)));
  // The result has x's sign; the bit keeps that of -0.
  return v128.or(r, v128.and(x, i32x4.splat(0x80000000)));
}

// @ts-ignore: decorator
@inline
function tanhHalf(x: v128): v128 {
  const y = f64x2.add(x, x);
  const t = exponent64x2(y);
  const scale = power64x2(t);
  const shift = f64x2.sub(scale, f64x2.splat(1));
  const u = f64x2.add(f64x2.mul(expm1Core64x2(y, t), scale), shift);
  return f64x2.div(u, f64x2.add(u, f64x2.splat(2)));
}

/** tanh with the bits of a lane of tanhf32x4. */
export function tanhf(x: f32): f32 {
  return f32x4.extract_lane(tanhf32x4(f32x4.splat(x)), 0);
}

/** tanh. tanh +-0 = +-0, tanh +-inf = +-1, NaN gives NaN. */
export function tanh64(x: f64): f64 {
  const magnitude = abs<f64>(x);
  // From tanh x = 1/2 on the large term is the exact 1.
  if (magnitude > 0.5493061443340549) {
    const e = exp64(-2 * magnitude);
    return copysign<f64>(1 - (2 * e) / (1 + e), x);
  }
  const y = 2 * magnitude;
  const n = nearest<f64>(y * 1.4426950408889634);
  const high = y - n * LN2_HIGH;
  const low = n * LN2_LOW;
  const r = high - low;
  const p = r + (r * r * expQ64(r) + (high - r - low));
  const scale = power64(<i32>n);
  const u = p * scale + (scale - 1);
  return copysign<f64>(u / (u + 2), x);
}
