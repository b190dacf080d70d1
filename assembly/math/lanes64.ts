// Two f64 lanes: where a f32 result needs more than f32 on the way (the GELUs, log, erf, softplus),
// it is computed in two halves of f64 and rounded once at the end. Relative errors here are near
// 2^-31, so such a result is the correctly rounded one except very near a tie. Not exported from
// index.ts.

// prettier-ignore
const D: usize = memory.data<f64>([
  1.4426950408889634, // 0: log2(e)
  6755399441055744.0, // 8: 1.5 * 2^52: adding it leaves round(x) in the low bits of the sum
  0.6931471805599453, // 16: ln2
  // (e^r - 1 - r) / r^2 for |r| <= ln2/2, lowest degree first; relative error of e^r - 1: 2^-30.8
  0.5000000013457727, // 24
  0.16666666681614256, // 32
  0.04166646500604005, // 40
  0.008333310934448869, // 48
  0.0013933641031986701, // 56
  0.00019890980869750327, // 64
  // (log((1 + s) / (1 - s)) - 2s) / s^3 in s^2, for (1 + s) / (1 - s) within sqrt(2); relative
  // error of log: 2^-35.8
  0.6666666655449709, // 72
  0.40000121839806124, // 80
  0.28550820815960665, // 88
  0.23330467216303835, // 96
  4503599627371519.0, // 104: 2^52 + 1023
], 16);

/** Broadcast of the constant at byte `offset` of the table. */
// @ts-ignore: decorator
@inline
function d(offset: usize): v128 {
  return v128.load64_splat(D + offset);
}

/** Lanes 0 and 1 of four f32, as f64. Exact. */
// @ts-ignore: decorator
@inline
export function lower64x2(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

/** Lanes 2 and 3 of four f32, as f64. Exact. */
// @ts-ignore: decorator
@inline
export function upper64x2(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0));
}

/** Four f32 from two halves, rounded to nearest even. */
// @ts-ignore: decorator
@inline
export function narrow(lower: v128, upper: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(lower), f32x4.demote_f64x2_zero(upper), 0, 2);
}

/** e^x for |x| <= 700. NaN gives NaN. */
// @ts-ignore: decorator
@inline
export function exp64x2(x: v128): v128 {
  const t = exponent64x2(x);
  return f64x2.mul(f64x2.add(expm1Core64x2(x, t), f64x2.splat(1)), power64x2(t));
}

/** n = round(x / ln2), held in the low bits of an f64 near 1.5 * 2^52. */
// @ts-ignore: decorator
@inline
export function exponent64x2(x: v128): v128 {
  return f64x2.add(f64x2.mul(x, d(0)), d(8));
}

/** e^r - 1 for r = x - n ln2, where t = exponent64x2(x). */
// @ts-ignore: decorator
@inline
export function expm1Core64x2(x: v128, t: v128): v128 {
  const r = f64x2.sub(x, f64x2.mul(f64x2.sub(t, d(8)), d(16)));
  const z = f64x2.mul(r, r);
  const q01 = f64x2.add(f64x2.mul(d(32), r), d(24));
  const q23 = f64x2.add(f64x2.mul(d(48), r), d(40));
  const q45 = f64x2.add(f64x2.mul(d(64), r), d(56));
  const q = f64x2.add(f64x2.mul(f64x2.add(f64x2.mul(q45, z), q23), z), q01);
  return f64x2.add(f64x2.mul(z, q), r);
}

/**
 * 2^n for t = exponent64x2(x). A product with it keeps a NaN; an addition to the exponent field
 * would not.
 */
// @ts-ignore: decorator
@inline
export function power64x2(t: v128): v128 {
  return i64x2.add(i64x2.shl(t, 52), f64x2.splat(1));
}

/**
 * log x for positive normal x; anything else gives a meaningless number that the caller replaces.
 */
// @ts-ignore: decorator
@inline
export function log64x2(x: v128): v128 {
  const one = f64x2.splat(1);
  // x = 2^n m with m in [sqrt(1/2), sqrt(2)): shift the borders of the exponent field to sqrt(1/2)
  // (bits 0x3fe6a09e667f3bcd), take n + 1023 above and the rest, shifted back, below.
  const shifted = i64x2.add(x, i64x2.splat(0x3ff0000000000000 - 0x3fe6a09e667f3bcd));
  // 2^52 + n + 1023
  const biased = v128.or(i64x2.shr_u(shifted, 52), i64x2.splat(0x4330000000000000));
  const n = f64x2.sub(biased, d(104));
  const m = i64x2.add(
    v128.and(shifted, i64x2.splat(0x000fffffffffffff)),
    i64x2.splat(0x3fe6a09e667f3bcd),
  );
  const s = f64x2.div(f64x2.sub(m, one), f64x2.add(m, one));
  const z = f64x2.mul(s, s);
  let q = f64x2.add(f64x2.mul(d(96), z), d(88));
  q = f64x2.add(f64x2.mul(q, z), d(80));
  q = f64x2.add(f64x2.mul(q, z), d(72));
  const logm = f64x2.add(f64x2.mul(f64x2.mul(s, z), q), f64x2.add(s, s));
  return f64x2.add(f64x2.mul(n, d(16)), logm);
}

/** log(1 + x) for 1 + x positive and normal, relatively accurate near 0. */
// @ts-ignore: decorator
@inline
export function log1p64x2(x: v128): v128 {
  const one = f64x2.splat(1);
  const u = f64x2.add(x, one);
  const lost = f64x2.sub(x, f64x2.sub(u, one)); // what the rounding of 1 + x dropped
  return f64x2.add(log64x2(u), f64x2.div(lost, u));
}
