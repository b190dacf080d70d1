// The f64 functions against BigInt arithmetic, in units of the last place, and their special cases.

import { beforeAll, describe, expect, it } from "vitest";
import { compileSelftest, instantiateMath, type MathExports } from "./compile.ts";
import * as exact from "./exact.ts";
import { f64Functions } from "./functions.mjs";

/** Largest errors that README.md of assembly/math states, in ulp. */
const BOUND = {
  exp64: 0.85,
  log64: 0.85,
  log1p64: 1.5,
  tanh64: 2,
  sin64: 0.8,
  cos64: 0.8,
  pow64: 0.9,
};

let math: MathExports;
let base: number;
beforeAll(async () => {
  math = await instantiateMath(await compileSelftest());
  base = math.memory.grow(1) * 65536;
});

function call(name: string, x: number): number {
  new Float64Array(math.memory.buffer, base, 1)[0] = x;
  math.mapF64(f64Functions.indexOf(name), base, base, 1);
  return new Float64Array(math.memory.buffer, base, 1)[0];
}

/** A seeded generator of numbers in [0, 1) with all 53 bits. */
function randoms(seed: number): () => number {
  const next = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) >>> 0;
  };
  return () => (next() * 2097152 + (next() >>> 11)) / 2 ** 53;
}

const fixedPoint = (m: bigint): exact.Exact => ({ m, e: 0 });

function worst(
  name: string,
  reference: (x: number) => exact.Exact,
  draws: ((u: () => number) => number)[],
): { ulps: number; x: number } {
  const u = randoms(1);
  let result = { ulps: 0, x: 0 };
  for (const draw of draws) {
    for (let i = 0; i < 500; i++) {
      const x = draw(u);
      const ulps = exact.ulps64(call(name, x), reference(x));
      if (!(ulps <= result.ulps)) result = { ulps, x };
    }
  }
  return result;
}

describe("f64 functions", () => {
  it("exp64", () => {
    const { ulps, x } = worst("exp64", (x) => exact.exp(exact.fixed(x)), [
      (u) => u() * 1450 - 742,
      (u) => u() * 2 - 1,
      (u) => (u() - 0.5) * 2 ** (-60 * u()),
    ]);
    expect(ulps, `at ${x}`).toBeLessThan(BOUND.exp64);
  });

  it("log64", () => {
    const { ulps, x } = worst("log64", (x) => fixedPoint(exact.log(x)), [
      (u) => 2 ** (2000 * u() - 1000),
      (u) => 0.5 + u(),
      (u) => 1 + (u() - 0.5) * 2 ** (-40 * u()),
      (u) => 2 ** (-1022 - 50 * u()),
    ]);
    expect(ulps, `at ${x}`).toBeLessThan(BOUND.log64);
  });

  it("log1p64", () => {
    const { ulps, x } = worst("log1p64", (x) => fixedPoint(exact.log1p(x)), [
      (u) => 2 ** (600 * u() - 100),
      (u) => u() * 2 - 1,
      (u) => (u() - 0.5) * 2 ** (-60 * u()),
    ]);
    expect(ulps, `at ${x}`).toBeLessThan(BOUND.log1p64);
  });

  it("tanh64", () => {
    const { ulps, x } = worst("tanh64", (x) => fixedPoint(exact.tanh(x)), [
      (u) => u() * 50 - 25,
      (u) => u() * 2 - 1,
      (u) => (u() - 0.5) * 2 ** (-60 * u()),
    ]);
    expect(ulps, `at ${x}`).toBeLessThan(BOUND.tanh64);
  });

  const angles = [
    (u: () => number) => u() * 2 - 1,
    (u: () => number) => (u() - 0.5) * 4e6,
    (u: () => number) => (u() - 0.5) * 4.2e8,
    (u: () => number) => (Math.floor(u() * 2 ** 20) * Math.PI) / 2, // all but the last bits cancel
    (u: () => number) => (u() - 0.5) * 2 ** (-60 * u()),
  ];
  it("sin64", () => {
    const { ulps, x } = worst("sin64", (x) => fixedPoint(exact.sin(x)), angles);
    expect(ulps, `at ${x}`).toBeLessThan(BOUND.sin64);
  });
  it("cos64", () => {
    const { ulps, x } = worst("cos64", (x) => fixedPoint(exact.cos(x)), angles);
    expect(ulps, `at ${x}`).toBeLessThan(BOUND.cos64);
  });

  it("sin64 and cos64 beyond the four-part reduction: absolute error below 2^-50", () => {
    const u = randoms(3);
    for (let i = 0; i < 2000; i++) {
      const x = (u() < 0.5 ? -1 : 1) * 2.1e8 * 2 ** (240 * u());
      const error = (name: string, reference: bigint) =>
        Math.abs(Number(exact.fixed(call(name, x)) - reference)) / 2 ** 320;
      expect(error("sin64", exact.sin(x)), `sin ${x}`).toBeLessThan(2 ** -50);
      expect(error("cos64", exact.cos(x)), `cos ${x}`).toBeLessThan(2 ** -50);
    }
    for (const x of [2 ** 1000, -Number.MAX_VALUE]) {
      expect(call("sin64", x) ** 2 + call("cos64", x) ** 2).toBeCloseTo(1, 14);
    }
  });

  it("sincos64 and sincosf: the bits of sin64 and cos64, rounded once for f32", () => {
    const u = randoms(4);
    for (let i = 0; i < 2000; i++) {
      const x = Math.fround((u() - 0.5) * 2 ** (60 * u() - 10));
      const expected = [call("sin64", x), call("cos64", x)];
      math.sincos64(x, base);
      expect([...new Float64Array(math.memory.buffer, base, 2)]).toEqual(expected);
      new Float32Array(math.memory.buffer, base, 3)[2] = 7;
      math.sincosf(x, base);
      expect([...new Float32Array(math.memory.buffer, base, 3)]).toEqual([
        ...expected.map(Math.fround),
        7, // writes 8 bytes, no more
      ]);
    }
  });

  it("pow64", () => {
    const u = randoms(2);
    const cases: [number, number][] = [];
    for (let i = 0; i < 500; i++) {
      cases.push([2 ** (40 * u() - 20), (u() - 0.5) * 30]);
      cases.push([2 ** (2000 * u() - 1000), (u() - 0.5) * 2]);
      cases.push([0.5 + 1.5 * u(), (u() - 0.5) * 1400]);
      const nearOne = 1 + (u() - 0.5) * 2 ** (-10 - 30 * u());
      cases.push([nearOne, ((u() - 0.5) * 1400) / Math.log(nearOne)]);
      cases.push([[10000, 500000, 1000000][i % 3], (-2 * (i % 64)) / 128]); // theta_scale
      cases.push([2, -8 * u()]); // ALiBi slopes
    }
    let result = { ulps: 0, at: "" };
    for (const [x, y] of cases) {
      const product = (exact.fixed(y) * exact.log(x)) >> 320n;
      const ulps = exact.ulps64(math.pow64(x, y), exact.exp(product));
      if (!(ulps <= result.ulps)) result = { ulps, at: `${x} ** ${y}` };
    }
    expect(result.ulps, result.at).toBeLessThan(BOUND.pow64);
  });

  it("special cases", () => {
    const table: [string, number, number][] = [
      ["exp64", 0, 1],
      ["exp64", -0, 1],
      ["exp64", Infinity, Infinity],
      ["exp64", -Infinity, 0],
      ["exp64", NaN, NaN],
      ["exp64", 709.782712893384, 1.7976931348622732e308],
      ["exp64", 709.7827128933841, Infinity],
      ["exp64", -745.1332191019411, 5e-324],
      ["exp64", -745.1332191019412, 0],
      ["log64", 0, -Infinity],
      ["log64", -0, -Infinity],
      ["log64", 1, 0],
      ["log64", -1, NaN],
      ["log64", -Infinity, NaN],
      ["log64", Infinity, Infinity],
      ["log64", NaN, NaN],
      ["log1p64", 0, 0],
      ["log1p64", -0, -0],
      ["log1p64", -1, -Infinity],
      ["log1p64", -1.5, NaN],
      ["log1p64", Infinity, Infinity],
      ["log1p64", -Infinity, NaN],
      ["log1p64", NaN, NaN],
      ["log1p64", 5e-324, 5e-324],
      ["tanh64", 0, 0],
      ["tanh64", -0, -0],
      ["tanh64", Infinity, 1],
      ["tanh64", -Infinity, -1],
      ["tanh64", NaN, NaN],
      ["tanh64", -5e-324, -5e-324],
      ["sin64", 0, 0],
      ["sin64", -0, -0],
      ["sin64", Infinity, NaN],
      ["sin64", -Infinity, NaN],
      ["sin64", NaN, NaN],
      ["sin64", 5e-324, 5e-324],
      ["cos64", 0, 1],
      ["cos64", -0, 1],
      ["cos64", Infinity, NaN],
      ["cos64", NaN, NaN],
    ];
    for (const [name, x, expected] of table) expect(call(name, x), `${name} ${x}`).toBe(expected);
    const powers: [number, number, number][] = [
      [0, 0, 1],
      [NaN, 0, 1],
      [1, NaN, 1],
      [1, Infinity, 1],
      [2, NaN, NaN],
      [NaN, 2, NaN],
      [-2, 2, NaN],
      [0, 3, 0],
      [-0, 3, 0],
      [0, -3, Infinity],
      [Infinity, 2, Infinity],
      [Infinity, -2, 0],
      [2, Infinity, Infinity],
      [0.5, Infinity, 0],
      [2, -Infinity, 0],
      [2, 1024, Infinity],
      [2, -1074, 5e-324],
      [2, -1080, 0],
      [10, 2, 100],
      [2, -3, 0.125],
      [5e-324, 1, 5e-324],
    ];
    for (const [x, y, expected] of powers) {
      expect(math.pow64(x, y), `${x} ** ${y}`).toBe(expected);
    }
  });
});
