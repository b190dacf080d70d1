// x^y in f64 for RoPE's frequencies, YaRN and ALiBi slopes: e^(y log x) with the logarithm in two
// f64, because an error of half an ulp in y log x = 700 is 350 ulp in the result.

import { exp64, expSum64, LN2_HIGH, LN2_LOW } from "./exp";
import { exponentOf, mantissaOf, splitLog } from "./log";

/**
 * x^y for x >= 0. y = 0 or x = 1 gives 1 (for a NaN too); x < 0 and other NaN give NaN (whole y
 * included: no op needs it); 0^y and inf^y are 0 or inf.
 */
export function pow64(x: f64, y: f64): f64 {
  if (y == 0 || x == 1) return 1;
  if (!(x >= 0) || y != y) return NaN;
  if (x == 0) return y > 0 ? 0 : Infinity;
  if (x == Infinity) return y > 0 ? Infinity : 0;

  const split = splitLog(x);
  const m = mantissaOf(split);

  // s + sLow = (m - 1) / (m + 1)
  const f = m - 1; // exact
  const g = m + 1;
  const gLow = m - (g - 1);
  const s = f / g;
  const sg = s * g;
  const sLow = (f - sg - productError(s, g, sg) - s * gLow) / g;

  // log m = 2s + (2/3) s^3 + s^5 tail(s^2); the first two terms in two f64.
  const z = s * s;
  const zLow = productError(s, s, z) + 2 * s * sLow;
  const cube = s * z;
  const cubeLow = productError(s, z, cube) + s * zLow + sLow * z;
  const third: f64 = 2.0 / 3.0;
  const thirdLow: f64 = 3.700743415417188e-17; // 2/3 - third
  const term = cube * third;
  const termLow = productError(cube, third, term) + cube * thirdLow + cubeLow * third;
  const tail = s * z * z * atanhTail(z);

  // high + low = n ln2 + log m, largest first.
  const e = <f64>exponentOf(split);
  const first = e * LN2_HIGH; // exact
  const second = 2 * s;
  const sum = first + second;
  const sumLow = sumError(first, second, sum);
  const total = sum + term;
  const totalLow = sumError(sum, term, total);
  const low = sumLow + totalLow + (e * LN2_LOW + (2 * sLow + termLow + tail));
  const high = total + low;
  const highLow = total - high + low;

  const product = y * high;
  if (!(abs<f64>(product) < 800)) return exp64(product); // certain to overflow or to vanish
  return expSum64(product, productError(y, high, product) + y * highLow);
}

/** (2 atanh(s) - 2s - (2/3) s^3) / s^5 in z = s^2 <= 0.0295: truncation below 2^-72 of log m. */
// @ts-ignore: decorator
@inline
function atanhTail(z: f64): f64 {
  let q: f64 = 2.0 / 25.0;
  q = q * z + 2.0 / 23.0;
  q = q * z + 2.0 / 21.0;
  q = q * z + 2.0 / 19.0;
  q = q * z + 2.0 / 17.0;
  q = q * z + 2.0 / 15.0;
  q = q * z + 2.0 / 13.0;
  q = q * z + 2.0 / 11.0;
  q = q * z + 2.0 / 9.0;
  q = q * z + 2.0 / 7.0;
  return q * z + 2.0 / 5.0;
}

/**
 * a b - p for p = a b rounded: exact but for the last bit of the smallest partial product. No FMA
 * in WebAssembly.
 */
// @ts-ignore: decorator
@inline
function productError(a: f64, b: f64, p: f64): f64 {
  const aHigh = upperHalf(a);
  const bHigh = upperHalf(b);
  const aLow = a - aHigh;
  const bLow = b - bHigh;
  return aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/** The leading 26 bits of x. */
// @ts-ignore: decorator
@inline
function upperHalf(x: f64): f64 {
  return reinterpret<f64>(reinterpret<u64>(x) & 0xfffffffff8000000);
}

/** a + b - s for s = a + b rounded: exact, whichever of a and b is larger. */
// @ts-ignore: decorator
@inline
function sumError(a: f64, b: f64, s: f64): f64 {
  const bb = s - a;
  return a - (s - bb) + (b - bb);
}
