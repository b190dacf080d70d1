// sin and cos for RoPE, in f64 so that an angle of a million radians still rotates to the last bit
// of an f32. x = n pi/2 + r + rest, |r| <= pi/4, by subtracting n times pi/2 in four parts (beyond
// 2.1e8 by multiplying with the bits of 2/pi), then the Taylor series of sin and cos.

/** pi/2 in parts of 26 bits: n * part is exact for |n| < 2^27. */
const PIO2_1: f64 = 1.5707963109016418;
const PIO2_2: f64 = 1.5893254712295857e-8;
const PIO2_3: f64 = 6.123233932053594e-17;
/** What the three parts leave of pi/2. */
const PIO2_4: f64 = 6.36831716351095e-25;
/** 2/pi. */
const QUADRANTS: f64 = 0.6366197723675814;
/** Largest |x| that the parts can reduce: n < 2^27. */
const PARTS_LIMIT: f64 = 210000000;
/** 2^-27: below this sin x rounds to x (-0 included) and cos x to 1. */
const TINY: f64 = 7.450580596923828e-9;

/** sin x to `out`, cos x to `out + 8`. +-inf and NaN give NaN, sin +-0 = +-0. */
export function sincos64(x: f64, out: usize): void {
  sincos<f64>(x, out);
}

/** sin x to `out`, cos x to `out + 4`: the f64 results, each rounded once. */
export function sincosf(x: f32, out: usize): void {
  sincos<f32>(<f64>x, out);
}

/** sin x, the bits of sincos64. */
export function sin64(x: f64): f64 {
  if (abs<f64>(x) < TINY) return x;
  if (!(abs<f64>(x) <= PARTS_LIMIT)) return quarterOfLarge(x, 0);
  const n = nearest<f64>(x * QUADRANTS);
  const r = reduced(x, n);
  return quarter(<i32>n, r, reducedRest(x, n, r));
}

/** cos x, the bits of sincos64. */
export function cos64(x: f64): f64 {
  if (!(abs<f64>(x) <= PARTS_LIMIT)) return quarterOfLarge(x, 1);
  const n = nearest<f64>(x * QUADRANTS);
  const r = reduced(x, n);
  return quarter(<i32>n + 1, r, reducedRest(x, n, r));
}

// @ts-ignore: decorator
@inline
function sincos<T>(x: f64, out: usize): void {
  if (abs<f64>(x) < TINY) {
    store<T>(out, <T>x);
    store<T>(out + sizeof<T>(), 1);
    return;
  }
  if (!(abs<f64>(x) <= PARTS_LIMIT)) {
    store<T>(out, <T>quarterOfLarge(x, 0));
    store<T>(out + sizeof<T>(), <T>quarterOfLarge(x, 1));
    return;
  }
  const n = nearest<f64>(x * QUADRANTS);
  const r = reduced(x, n);
  const rest = reducedRest(x, n, r);
  const sine = sinCore(r, rest);
  const cosine = cosCore(r, rest);
  const quadrant = <i32>n;
  const s = (quadrant & 1) != 0 ? cosine : sine;
  const c = (quadrant & 1) != 0 ? sine : cosine;
  store<T>(out, <T>((quadrant & 2) != 0 ? -s : s));
  store<T>(out + sizeof<T>(), <T>(((quadrant + 1) & 2) != 0 ? -c : c));
}

/** sin(quadrant pi/2 + r + rest). */
// @ts-ignore: decorator
@inline
function quarter(quadrant: i32, r: f64, rest: f64): f64 {
  const v = (quadrant & 1) != 0 ? cosCore(r, rest) : sinCore(r, rest);
  return (quadrant & 2) != 0 ? -v : v;
}

/** x - n pi/2, rounded. */
// @ts-ignore: decorator
@inline
function reduced(x: f64, n: f64): f64 {
  const a = x - n * PIO2_1; // exact
  const b = a - n * PIO2_2;
  const c = b - n * PIO2_3;
  return c + reducedLow(a, b, c, n);
}

/** x - n pi/2 - r: what the rounding of r = reduced(x, n) dropped. */
// @ts-ignore: decorator
@inline
function reducedRest(x: f64, n: f64, r: f64): f64 {
  const a = x - n * PIO2_1;
  const b = a - n * PIO2_2;
  const c = b - n * PIO2_3;
  return c - r + reducedLow(a, b, c, n);
}

/** The part of x - n pi/2 below c. */
// @ts-ignore: decorator
@inline
function reducedLow(a: f64, b: f64, c: f64, n: f64): f64 {
  return differenceError(a, n * PIO2_2, b) + (differenceError(b, n * PIO2_3, c) - n * PIO2_4);
}

/** a - b - d for d = a - b rounded: exact, whichever of a and b is larger. */
// @ts-ignore: decorator
@inline
function differenceError(a: f64, b: f64, d: f64): f64 {
  const bb = a - d;
  return a - (d + bb) + (bb - b);
}

/** sin(r + rest) for |r| <= pi/4: the series to r^17, truncation below 2^-63. */
// @ts-ignore: decorator
@inline
function sinCore(r: f64, rest: f64): f64 {
  const z = r * r;
  let q: f64 = 1.0 / 355687428096000.0;
  q = q * z - 1.0 / 1307674368000.0;
  q = q * z + 1.0 / 6227020800.0;
  q = q * z - 1.0 / 39916800.0;
  q = q * z + 1.0 / 362880.0;
  q = q * z - 1.0 / 5040.0;
  q = q * z + 1.0 / 120.0;
  q = q * z - 1.0 / 6.0;
  return r + (r * z * q + rest * (1 - 0.5 * z));
}

/** cos(r + rest) for |r| <= pi/4: the series to r^16, truncation below 2^-58. */
// @ts-ignore: decorator
@inline
function cosCore(r: f64, rest: f64): f64 {
  const z = r * r;
  let q: f64 = 1.0 / 20922789888000.0;
  q = q * z - 1.0 / 87178291200.0;
  q = q * z + 1.0 / 479001600.0;
  q = q * z - 1.0 / 3628800.0;
  q = q * z + 1.0 / 40320.0;
  q = q * z - 1.0 / 720.0;
  q = q * z + 1.0 / 24.0;
  const h = 0.5 * z;
  const w = 1 - h;
  return w + (1 - w - h + (z * z * q - r * rest)); // 1 - w - h: what the rounding of w dropped
}

/** 2/pi = 0.1010001011..., 1152 bits after a word of zeros: enough for the largest f64. */
// prettier-ignore
const TWO_OVER_PI: usize = memory.data<u64>([
  0,
  0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561, 0xb7246e3a424dd2e0,
  0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4,
  0x9c845f8bbdf9283b, 0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
  0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08,
], 16);

/** sin(x + shift pi/2) for |x| > PARTS_LIMIT, infinite or NaN; error below 2^-50 (absolute). */
function quarterOfLarge(x: f64, shift: i32): f64 {
  const bits = reinterpret<u64>(x) & 0x7fffffffffffffff;
  if (bits >= 0x7ff0000000000000) return NaN;
  // |x| = mantissa 2^e. Of mantissa 2^e 2/pi only the value mod 4 matters: as a fixed-point number
  // with 2 bits before the point and 62 after, that is mantissa * window >> 64 (mod 2^64), the
  // window being the 128 bits of 2/pi from weight 2^(1 - e) down; e >= -25, so it starts in the
  // table's leading word or after.
  const mantissa = (bits & 0x000fffffffffffff) | 0x0010000000000000;
  const e = <i32>(bits >> 52) - 1075;
  const start = <u32>(e - 2 + 64);
  const turn =
    mantissa * bitsOfTwoOverPi(start) + multiplyHigh(mantissa, bitsOfTwoOverPi(start + 64));
  const quadrant = <i32>((turn + 0x2000000000000000) >> 62); // to nearest
  const fraction = <i64>(turn - (<u64>quadrant << 62));
  const r = <f64>fraction * 3.4061215800865545e-19; // pi/2 * 2^-62
  // sin(-y + shift pi/2) is sin(-(y - shift pi/2)): mirror instead of negating the fixed-point
  // number.
  const negative = x < 0;
  return quarter((negative ? -quadrant : quadrant) + shift, negative ? -r : r, 0);
}

/** 64 bits of the table from bit `start` on. */
// @ts-ignore: decorator
@inline
function bitsOfTwoOverPi(start: u32): u64 {
  const word = TWO_OVER_PI + (<usize>(start >> 6) << 3);
  const shift = <u64>(start & 63);
  const upper = load<u64>(word) << shift;
  return shift == 0 ? upper : upper | (load<u64>(word, 8) >> (64 - shift));
}

/** The upper 64 bits of a b. */
// @ts-ignore: decorator
@inline
function multiplyHigh(a: u64, b: u64): u64 {
  const aHigh = a >> 32;
  const aLow = a & 0xffffffff;
  const bHigh = b >> 32;
  const bLow = b & 0xffffffff;
  const low = aHigh * bLow + ((aLow * bLow) >> 32); // no overflow: (2^32 - 1)^2 + 2^32 - 1 < 2^64
  const middle = aLow * bHigh + (low & 0xffffffff);
  return aHigh * bHigh + (low >> 32) + (middle >> 32);
}
