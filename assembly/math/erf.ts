// erf and the GELU that uses it, in f64 halves. Both rest on Phi(-x), the upper tail of the normal
// distribution: Phi(-x) = e^(-x^2/2) P(t) / (x + 4) with t = (x - 4) / (x + 4) for x >= 0, where P
// is a polynomial fitted on 0 <= x <= 14.5 (Phi(-14.5) is below half the smallest f32). Its
// relative error, 2^-31.4, holds in the tail too.

import { exp64x2, lower64x2, narrow, upper64x2 } from "./lanes64";

// prettier-ignore
const E: usize = memory.data<f64>([
  // P(t), lowest degree first
  0.7552851306211329, -0.6078966427240141, 0.38713737467876563, -0.18652183218836643, // 0
  0.060397122753141276, -0.007540260143181829, -0.0034838884489216304, 0.0016290198103457107, // 32
  0.00014690947819319752, -0.00021938034060987787, -0.00001748627306164976, 0.000014258617427253697, // 64
  // erf(x) / x in x^2 for |x| <= 1, lowest degree first; relative error 2^-34.7
  1.1283791670615435, -0.3761263846802871, 0.11283782495236845, -0.026865430727670243, // 96
  0.005221031807858023, -0.0008484080405535107, 0.00011265959025606609, -0.000009667044571486996, // 128
  1.4142135623730951, // 160: sqrt(2)
], 16);

/** Broadcast of the constant at byte `offset` of the table. */
// @ts-ignore: decorator
@inline
function e(offset: usize): v128 {
  return v128.load64_splat(E + offset);
}

/** Phi(-x) for 0 <= x <= 30. */
// @ts-ignore: decorator
@inline
function tail64x2(x: v128): v128 {
  const inverse = f64x2.div(f64x2.splat(1), f64x2.add(x, f64x2.splat(4)));
  const t = f64x2.mul(f64x2.sub(x, f64x2.splat(4)), inverse);
  let p = f64x2.add(f64x2.mul(e(88), t), e(80));
  p = f64x2.add(f64x2.mul(p, t), e(72));
  p = f64x2.add(f64x2.mul(p, t), e(64));
  p = f64x2.add(f64x2.mul(p, t), e(56));
  p = f64x2.add(f64x2.mul(p, t), e(48));
  p = f64x2.add(f64x2.mul(p, t), e(40));
  p = f64x2.add(f64x2.mul(p, t), e(32));
  p = f64x2.add(f64x2.mul(p, t), e(24));
  p = f64x2.add(f64x2.mul(p, t), e(16));
  p = f64x2.add(f64x2.mul(p, t), e(8));
  p = f64x2.add(f64x2.mul(p, t), e(0));
  const gauss = exp64x2(f64x2.mul(f64x2.mul(x, x), f64x2.splat(-0.5)));
  return f64x2.mul(gauss, f64x2.mul(p, inverse));
}

/**
 * GELU, exact form: 0.5 x (1 + erf(x / sqrt(2))), as max(x, 0) - |x| Phi(-|x|), which does not
 * cancel in the lower tail. -inf gives -0, inf gives inf, NaN gives NaN.
 */
// @ts-ignore: decorator
@inline
export function geluErff32x4(x: v128): v128 {
  const r = narrow(geluErfHalf(lower64x2(x)), geluErfHalf(upper64x2(x)));
  // The result has x's sign; the bit gives -0 for every x whose result underflows.
  return v128.or(r, v128.and(x, i32x4.splat(0x80000000)));
}

// @ts-ignore: decorator
@inline
function geluErfHalf(x: v128): v128 {
  const magnitude = f64x2.pmin(f64x2.abs(x), f64x2.splat(30)); // keeps NaN
  const positive = f64x2.pmax(f64x2.splat(0), x);
  return f64x2.sub(positive, f64x2.mul(magnitude, tail64x2(magnitude)));
}

/** GELU, exact form, with the bits of a lane of geluErff32x4. */
export function geluErff(x: f32): f32 {
  return f32x4.extract_lane(geluErff32x4(f32x4.splat(x)), 0);
}

/** erf of four f32. erf +-0 = +-0, erf +-inf = +-1, NaN gives NaN. */
// @ts-ignore: decorator
@inline
export function erff32x4(x: v128): v128 {
  const r = narrow(erfHalf(lower64x2(x)), erfHalf(upper64x2(x)));
  return v128.or(r, v128.and(x, i32x4.splat(0x80000000)));
}

/** erf |x|: x P(x^2) up to 1, 1 - 2 Phi(-sqrt(2) |x|) above. */
// @ts-ignore: decorator
@inline
function erfHalf(x: v128): v128 {
  const one = f64x2.splat(1);
  const y = f64x2.pmin(f64x2.abs(x), f64x2.splat(16)); // keeps NaN
  const z = f64x2.mul(y, y);
  let p = f64x2.add(f64x2.mul(e(152), z), e(144));
  p = f64x2.add(f64x2.mul(p, z), e(136));
  p = f64x2.add(f64x2.mul(p, z), e(128));
  p = f64x2.add(f64x2.mul(p, z), e(120));
  p = f64x2.add(f64x2.mul(p, z), e(112));
  p = f64x2.add(f64x2.mul(p, z), e(104));
  p = f64x2.add(f64x2.mul(p, z), e(96));
  const tail = tail64x2(f64x2.mul(y, e(160)));
  const outer = f64x2.sub(one, f64x2.add(tail, tail));
  return v128.bitselect(f64x2.mul(y, p), outer, f64x2.le(y, one));
}

/** erf with the bits of a lane of erff32x4. */
export function erff(x: f32): f32 {
  return f32x4.extract_lane(erff32x4(f32x4.splat(x)), 0);
}
