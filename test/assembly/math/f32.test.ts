// The f32 functions against f64 references, in units of the last place, over bit patterns spread
// across all f32 and over dense ramps; their special cases; and scalar = lane.

import { beforeAll, describe, expect, it } from "vitest";
import { compileSelftest, instantiateMath, type MathExports } from "./compile.ts";
import { f32Functions } from "./functions.mjs";

const N = 65536;

/** What README.md of assembly/math states for a function. */
interface Contract {
  /** An f64 reference, good to some ulp of f64. */
  reference: (x: number) => number;
  /** Largest error in ulp (measured over all f32; stated in README.md). */
  ulps: number;
  /**
   * Below this the result is exactly 0 or -0 (the divisor is infinite), and the reference below
   * 2^-120.
   */
  zeroBelow?: number;
  /** Results for 0, -0, inf, -inf. */
  special: [number, number, number, number];
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const contracts: Record<string, Contract> = {
  expf32x4: { reference: Math.exp, ulps: 0.81, special: [1, 1, Infinity, 0] },
  tanhf32x4: { reference: Math.tanh, ulps: 0.51, special: [0, -0, 1, -1] },
  sigmoidf32x4: {
    reference: sigmoid,
    ulps: 1.51,
    zeroBelow: -88.7229,
    special: [0.5, 0.5, 1, 0],
  },
  siluf32x4: {
    reference: (x) => x * sigmoid(x),
    ulps: 1.51,
    zeroBelow: -88.7229,
    special: [0, -0, Infinity, NaN],
  },
  geluf32x4: {
    reference: (x) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * x * (1 + 0.044715 * x * x)),
    ulps: 1.51,
    zeroBelow: -10.061,
    special: [0, -0, Infinity, NaN],
  },
  geluErff32x4: {
    reference: (x) => x * normal(x),
    ulps: 0.51,
    special: [0, -0, Infinity, -0],
  },
  geluQuickf32x4: {
    reference: (x) => x * sigmoid(1.702 * x),
    ulps: 1.51,
    zeroBelow: -52.1286,
    special: [0, -0, Infinity, NaN],
  },
  erff32x4: { reference: erf, ulps: 0.51, special: [0, -0, 1, -1] },
  softplusf32x4: {
    reference: (x) => (x > 20 ? x : Math.log1p(Math.exp(x))),
    ulps: 0.51,
    special: [Math.fround(Math.LN2), Math.fround(Math.LN2), Infinity, 0],
  },
  logf32x4: { reference: Math.log, ulps: 0.51, special: [-Infinity, -Infinity, Infinity, NaN] },
  log1pf32x4: { reference: Math.log1p, ulps: 0.51, special: [0, -0, Infinity, NaN] },
};

/** Phi(x), the normal distribution, with relative accuracy in the lower tail. */
function normal(x: number): number {
  return x < 0 ? upperTail(-x / Math.SQRT2) / 2 : 1 - upperTail(x / Math.SQRT2) / 2;
}

function erf(x: number): number {
  const size = Math.abs(x);
  return Math.sign(x) * (size < 2 ? erfSeries(size) : 1 - upperTail(size));
}

/** erfc(x), x >= 0. */
function upperTail(x: number): number {
  if (x < 2) return 1 - erfSeries(x);
  // Continued fraction, from the far end; 120 terms converge to f64 from x = 2 on.
  let f = 0;
  for (let k = 120; k > 0; k--) f = k / 2 / (x + f);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}

/** 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!: all terms positive. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

let math: MathExports;
let base: number;
beforeAll(async () => {
  math = await instantiateMath(await compileSelftest());
  base = math.memory.grow(8) * 65536;
});

/** f over `values`, at most N of them. */
function map(name: string, values: Float32Array): Float32Array {
  const { buffer } = math.memory;
  new Float32Array(buffer, base, N).set(values);
  math.mapF32(f32Functions.indexOf(name), base, base + 4 * N, values.length);
  return new Float32Array(buffer, base + 4 * N, values.length).slice();
}

/** Bit patterns i * stride: the whole of f32 for odd strides, a different part for each. */
function patterns(stride: number): Float32Array {
  const bits = Uint32Array.from({ length: N }, (_, i) => Math.imul(i, stride));
  return new Float32Array(bits.buffer);
}

function ramp(from: number, to: number): Float32Array {
  return Float32Array.from({ length: N }, (_, i) => from + (i * (to - from)) / N);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The exponent of an f32's last place at y; -149 for subnormals. */
function ulp(y: number): number {
  float[0] = Math.abs(y);
  return 2 ** (Math.max(word[0] >>> 23, 1) - 150);
}

function ulps(got: number, reference: number): number {
  if (Number.isNaN(reference)) return Number.isNaN(got) ? 0 : Infinity;
  const rounded = Math.fround(reference);
  // At the border of overflow the two may round to different sides.
  if (!Number.isFinite(rounded) && got === rounded) return 0;
  if (Object.is(got, 0) !== Object.is(rounded, 0) && got === 0 && rounded === 0) return Infinity;
  return Math.abs(got - reference) / ulp(reference);
}

describe.each(Object.entries(contracts))("%s", (name, contract) => {
  it(`errs by less than ${contract.ulps} ulp`, () => {
    let worst = { ulps: 0, x: 0, y: 0 };
    const inputs = [65537, 48271, 2654435761].map(patterns);
    inputs.push(ramp(-110, 110), ramp(-16, 16), ramp(-1, 1), ramp(0.5, 1.5), ramp(-0.001, 0.001));
    for (const values of inputs) {
      const results = map(name, values);
      for (let i = 0; i < N; i++) {
        const [x, y] = [values[i], results[i]];
        if (!Number.isFinite(x)) continue;
        const reference = contract.reference(x);
        if (contract.zeroBelow !== undefined && x < contract.zeroBelow) {
          if (y !== 0 || Math.abs(reference) > 2 ** -120) worst = { ulps: Infinity, x, y };
          continue;
        }
        const error = ulps(y, reference);
        if (!(error <= worst.ulps)) worst = { ulps: error, x, y };
      }
    }
    expect(worst.ulps, `f(${worst.x}) = ${worst.y}`).toBeLessThan(contract.ulps);
  });

  it("special cases, and NaN of any payload gives NaN", () => {
    const results = map(name, Float32Array.of(0, -0, Infinity, -Infinity));
    expect([...results]).toEqual(contract.special);
    // Signalling, with payloads in the low bits that an exponent shift would pick up, of both
    // signs.
    const bits = Uint32Array.of(
      0x7f800001,
      0x7fc00001,
      0x7fffffff,
      0xff8000ff,
      0xffc001ff,
      0xffffffff,
    );
    expect([...map(name, new Float32Array(bits.buffer))]).toEqual(Array(6).fill(NaN));
  });

  it("the scalar twin has the bits of a lane, wherever the lane", () => {
    const values = patterns(65537 * 16 + 1).subarray(0, 4096);
    const lanes = map(name, values);
    const shifted = map(name, values.subarray(1, 4093));
    for (let i = 0; i < values.length; i++) {
      const scalar = map(name, values.subarray(i, i + 1))[0]; // n < 4: the scalar path
      if (!Object.is(scalar, lanes[i])) expect(scalar, `f(${values[i]})`).toBe(lanes[i]);
      if (i < 4092 && !Object.is(shifted[i], lanes[i + 1])) {
        expect(shifted[i], `f(${values[i + 1]})`).toBe(lanes[i + 1]);
      }
    }
  });
});

it("expf32x4: e^0 = 1 exactly, underflow is gradual, overflow at the right place", () => {
  const values = Float32Array.of(0, -87.5, -103.2, -103.97, -103.98, -104.5, 88.72283, 88.72284);
  const results = [...map("expf32x4", values)];
  expect(results).toEqual(Array.from(values, (x) => Math.fround(Math.exp(x))));
  expect(results.slice(3)).toEqual([
    2 ** -149,
    0,
    0,
    Math.fround(Math.exp(Math.fround(88.72283))),
    Infinity,
  ]);
});

it("sincosf: within 0.5001 ulp up to a million radians, interleaved", () => {
  let worst = 0;
  for (const values of [ramp(0, 1048576), ramp(-3000, 3000), ramp(-4, 4), patterns(65537)]) {
    const { buffer } = math.memory;
    new Float32Array(buffer, base, N).set(values);
    math.mapSincosF32(base, base + 4 * N, N / 2);
    const results = new Float32Array(buffer, base + 4 * N, N);
    for (let i = 0; i < N / 2; i++) {
      // Math.sin of a large argument is itself exact to an ulp of f64 on the engines that run this
      // suite.
      worst = Math.max(worst, ulps(results[2 * i], Math.sin(values[i])));
      worst = Math.max(worst, ulps(results[2 * i + 1], Math.cos(values[i])));
    }
  }
  expect(worst).toBeLessThan(0.5001);
  // The f32 nearest to a multiple of pi/2 of all (30 bits cancel), far beyond the four-part
  // reduction.
  const { buffer } = math.memory;
  const x = 16367173 * 2 ** 72;
  math.sincosf(x, base);
  const [sine, cosine] = new Float32Array(buffer, base, 2);
  expect(Math.abs(cosine)).toBeLessThan(2 ** -29);
  expect(ulps(sine, Math.sin(x))).toBeLessThan(0.51);
  expect(ulps(cosine, Math.cos(x))).toBeLessThan(0.51);
});
