// The f64 reference: elementary functions in BigInt fixed point, slow and obvious. A value is `m *
// 2^(e - P)`.

/** Fraction bits: 2^-320 leaves room for cancellation and for arguments of 2^60. */
const P = 320n;
const ONE = 1n << P;

export interface Exact {
  /** Mantissa in fixed point with P fraction bits. */
  m: bigint;
  /** Binary exponent on top of it. */
  e: number;
}

/** x * 2^P, exact for |x| >= 2^-268 (and for 0). */
export function fixed(x: number): bigint {
  const { m, e } = parts(x);
  const shift = P + BigInt(e);
  return shift >= 0n ? m << shift : m >> -shift;
}

/** |got - reference| in units of the last place of an f64 at the reference. */
export function ulps64(got: number, reference: Exact): number {
  if (reference.m === 0n) return got === 0 ? 0 : Infinity;
  const size = reference.m < 0n ? -reference.m : reference.m;
  const exponent = bitLength(size) - 1 - Number(P) + reference.e; // of the reference
  const ulp = Math.max(exponent - 52, -1074);
  // Everything in units of 2^-64 ulp.
  const unit = BigInt(ulp - 64);
  const value = shifted(reference.m, BigInt(reference.e) - P - unit);
  const { m, e } = parts(got);
  const difference = shifted(m, BigInt(e) - unit) - value;
  return Math.abs(Number(difference)) / 2 ** 64;
}

export function exp(x: bigint): Exact {
  const n = (x + LN2 / 2n) / LN2 - (x < -LN2 / 2n ? 1n : 0n); // near enough to round(x / ln2)
  const r = x - n * LN2;
  let term = ONE;
  let sum = ONE;
  for (let i = 1n; term !== 0n && i < 200n; i++) {
    term = (term * r) / (i << P);
    sum += term;
  }
  return { m: sum, e: Number(n) };
}

/** log x for x = m 2^e > 0. */
export function log(x: number): bigint {
  const { m, e } = parts(x);
  const length = bitLength(m);
  return logFixed((m << P) >> BigInt(length), e + length);
}

/** log(1 + x) for x > -1. */
export function log1p(x: number): bigint {
  const sum = ONE + fixed(x);
  const length = bitLength(sum);
  const up = BigInt(length) - P;
  return logFixed(up >= 0n ? sum >> up : sum << -up, Number(up));
}

/** log(m 2^e), m in [1/2, 1]. */
function logFixed(m: bigint, e: number): bigint {
  return BigInt(e) * LN2 - 2n * atanh(ONE - m, ONE + m);
}

export function tanh(x: number): bigint {
  const { m, e } = exp(2n * fixed(Math.abs(x)));
  const power = m << BigInt(e);
  const value = ((power - ONE) << P) / (power + ONE);
  return x < 0 ? -value : value;
}

export function sin(x: number): bigint {
  return sinOfQuadrant(fixed(x), 0n);
}

export function cos(x: number): bigint {
  return sinOfQuadrant(fixed(x), 1n);
}

function sinOfQuadrant(x: bigint, shift: bigint): bigint {
  const half = PI / 2n;
  let n = x / half;
  if (x < n * half) n -= 1n;
  const r = x - n * half;
  const quadrant = (((n + shift) % 4n) + 4n) % 4n;
  let term = quadrant & 1n ? ONE : r;
  let sum = term;
  for (let i = quadrant & 1n ? 1n : 2n; term !== 0n; i += 2n) {
    term = (-term * ((r * r) >> P)) / ((i * (i + 1n)) << P);
    sum += term;
  }
  return quadrant & 2n ? -sum : sum;
}

/** atanh(a / b) by its series. */
function atanh(a: bigint, b: bigint): bigint {
  const s = (a << P) / b;
  const z = (s * s) >> P;
  let power = s;
  let sum = 0n;
  for (let i = 1n; power !== 0n; i += 2n) {
    sum += power / i;
    power = (power * z) >> P;
  }
  return sum;
}

function atan(inverse: bigint): bigint {
  let power = ONE / inverse;
  let sum = 0n;
  for (let i = 1n; power !== 0n; i += 2n) {
    sum += i % 4n === 1n ? power / i : -power / i;
    power /= inverse * inverse;
  }
  return sum;
}

const LN2 = 2n * atanh(1n, 3n);
/** Machin's formula. */
const PI = 4n * (4n * atan(5n) - atan(239n));

/** x = m 2^e exactly. */
function parts(x: number): { m: bigint; e: number } {
  const bits = new BigUint64Array(new Float64Array([x]).buffer)[0];
  const field = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const m = field === 0 ? fraction : fraction | 0x10000000000000n;
  return { m: bits >> 63n ? -m : m, e: Math.max(field, 1) - 1075 };
}

function shifted(x: bigint, by: bigint): bigint {
  return by >= 0n ? x << by : x >> -by;
}

function bitLength(x: bigint): number {
  return x.toString(2).length;
}
