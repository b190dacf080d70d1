// The activation functions of feed-forward blocks and routers, four f32 at a time. All gates are x
// / (1 + e^-v) with e^-v and the sum in f64 halves, rounded once to f32, and one f32 division. In
// f32 alone an argument of e^-88 that is off by half an ulp is 40 ulp in the result; a division in
// f64 would take 1 ns of 3 per element.

import { exp64x2, log1p64x2, lower64x2, narrow, upper64x2 } from "./lanes64";

// prettier-ignore
const G: usize = memory.data<f64>([
  -1.5957691216057308, // 0: -2 sqrt(2/pi)
  -0.07135481627260025, // 8: -2 sqrt(2/pi) * 0.044715
  -1.702, // 16
], 16);

/**
 * x / (1 + e^v) for four f32 x and v in two halves of f64, |v| <= 700; e^v is infinite above 88.72.
 */
// @ts-ignore: decorator
@inline
function gate(x: v128, lower: v128, upper: v128): v128 {
  const one = f64x2.splat(1);
  return f32x4.div(x, narrow(f64x2.add(exp64x2(lower), one), f64x2.add(exp64x2(upper), one)));
}

/** x within +-limit; NaN stays. */
// @ts-ignore: decorator
@inline
function clamp(x: v128, limit: f32): v128 {
  return f32x4.pmax(f32x4.pmin(x, f32x4.splat(limit)), f32x4.splat(-limit));
}

/** 1 / (1 + e^-x). 0 below -88.72, 1 from 17.33 on; NaN gives NaN. */
// @ts-ignore: decorator
@inline
export function sigmoidf32x4(x: v128): v128 {
  const v = f32x4.neg(clamp(x, 128));
  return gate(f32x4.splat(1), lower64x2(v), upper64x2(v));
}

/** sigmoid with the bits of a lane of sigmoidf32x4. */
export function sigmoidf(x: f32): f32 {
  return f32x4.extract_lane(sigmoidf32x4(f32x4.splat(x)), 0);
}

/** x sigmoid(x), as x / (1 + e^-x). -0 below -88.72, inf for inf; -inf and NaN give NaN. */
// @ts-ignore: decorator
@inline
export function siluf32x4(x: v128): v128 {
  const v = f32x4.neg(clamp(x, 128));
  return gate(x, lower64x2(v), upper64x2(v));
}

/** silu with the bits of a lane of siluf32x4. */
export function siluf(x: f32): f32 {
  return f32x4.extract_lane(siluf32x4(f32x4.splat(x)), 0);
}

/**
 * GELU, tanh form: 0.5 x (1 + tanh(sqrt(2/pi) x (1 + 0.044715 x^2))), as x sigmoid(2 sqrt(2/pi) x
 * (1 + 0.044715 x^2)), which is the same and does not cancel. -0 below -10.06, inf for inf; -inf
 * and NaN give NaN.
 */
// @ts-ignore: decorator
@inline
export function geluf32x4(x: v128): v128 {
  const z = clamp(x, 16); // v(16) = 318
  return gate(x, geluArgument(lower64x2(z)), geluArgument(upper64x2(z)));
}

/** -2u for the argument u of the tanh. */
// @ts-ignore: decorator
@inline
function geluArgument(x: v128): v128 {
  const cubic = f64x2.mul(f64x2.mul(x, x), v128.load64_splat(G + 8));
  return f64x2.mul(x, f64x2.add(cubic, v128.load64_splat(G)));
}

/** GELU, tanh form, with the bits of a lane of geluf32x4. */
export function geluf(x: f32): f32 {
  return f32x4.extract_lane(geluf32x4(f32x4.splat(x)), 0);
}

/**
 * GELU, quick form: x sigmoid(1.702 x), 1.702 as f64. -0 below -52.13, inf for inf; -inf and NaN
 * give NaN.
 */
// @ts-ignore: decorator
@inline
export function geluQuickf32x4(x: v128): v128 {
  const scale = v128.load64_splat(G + 16);
  const z = clamp(x, 128);
  return gate(x, f64x2.mul(lower64x2(z), scale), f64x2.mul(upper64x2(z), scale));
}

/** GELU, quick form, with the bits of a lane of geluQuickf32x4. */
export function geluQuickf(x: f32): f32 {
  return f32x4.extract_lane(geluQuickf32x4(f32x4.splat(x)), 0);
}

/**
 * log(1 + e^x), and x itself above 20 as ggml has it. -inf gives 0, inf gives inf, NaN gives NaN.
 */
// @ts-ignore: decorator
@inline
export function softplusf32x4(x: v128): v128 {
  const limit = f32x4.splat(20);
  // e^-150 is below half the smallest f32.
  const y = f32x4.pmax(f32x4.pmin(x, limit), f32x4.splat(-150));
  const soft = narrow(log1p64x2(exp64x2(lower64x2(y))), log1p64x2(exp64x2(upper64x2(y))));
  // A NaN is not at most 20, so it is returned as it came.
  return v128.bitselect(soft, x, f32x4.le(x, limit));
}

/** softplus with the bits of a lane of softplusf32x4. */
export function softplusf(x: f32): f32 {
  return f32x4.extract_lane(softplusf32x4(f32x4.splat(x)), 0);
}
