import { describe, expect, it } from "vitest";
import { argmax, Candidates } from "../../../src/sampling/candidates.ts";
import { SamplingError } from "../../../src/sampling/error.ts";
import {
  fromLogits,
  idsOf,
  listed,
  loaded,
  noBias,
  noisyLogits,
  sortedByLogit,
  testMath,
} from "./reference.ts";

const f32Max = 3.4028234663852886e38;

describe("Candidates.load", () => {
  it("adds the bias in f32, forbids with -Infinity and leaves the row alone", () => {
    const row = Float32Array.of(1, 2, -Infinity, 0.1, f32Max);
    const bias = new Map([
      [0, -Infinity],
      [2, 100],
      [3, Math.fround(0.2)],
      [4, f32Max],
    ]);
    const candidates = new Candidates();
    candidates.load(row, bias);
    expect(listed(candidates)).toEqual([
      { id: 1, logit: 2 },
      { id: 3, logit: Math.fround(Math.fround(0.1) + Math.fround(0.2)) },
      { id: 4, logit: f32Max },
    ]);
    expect([...row]).toEqual([1, 2, -Infinity, Math.fround(0.1), f32Max]);
  });

  it("takes rows of changing length", () => {
    const candidates = new Candidates();
    for (const n of [3, 10, 2, 10]) {
      candidates.load(noisyLogits(n, n), noBias);
      candidates.weigh(testMath);
      expect(idsOf(listed(candidates))).toEqual(Array.from({ length: n }, (_, i) => i));
      expect(candidates.vocabularySize).toBe(n);
    }
  });

  const bad: [string, number[], RegExp][] = [
    ["NaN", [0, NaN], /^logits: expected numbers or -Infinity, found NaN at token 1; .*damaged/],
    ["Infinity", [Infinity, 0], /found Infinity at token 0/],
    ["nothing to draw", [-Infinity, -Infinity], /found -Infinity for all 2 tokens/],
    ["no logits", [], /found an empty row/],
  ];
  it.each(bad)("refuses %s, in the greedy fast path too", (_, values, message) => {
    const row = Float32Array.from(values);
    for (const use of [() => new Candidates().load(row, noBias), () => argmax(row)]) {
      expect(use).toThrow(SamplingError);
      expect(use).toThrow(message);
    }
  });

  it("reports NaN and Infinity through a bias, and a bias outside the vocabulary", () => {
    const load = (row: number[], token: number) => () =>
      new Candidates().load(Float32Array.from(row), new Map([[token, -Infinity]]));
    expect(load([NaN, 1], 0)).toThrow(/NaN at token 0/);
    expect(load([1, Infinity], 1)).toThrow(/Infinity at token 1/);
    expect(load([1, 2], 2)).toThrow(/logitBias: expected tokens below 2, found token 2/);
  });
});

describe("Candidates", () => {
  it("keeps the k best of a large row, by heap and by sort", () => {
    const row = noisyLogits(5000, 3);
    const expected = sortedByLogit(fromLogits(row));
    for (const k of [1, 2, 40, 4096, 4097, 4999, 5000, 6000]) {
      const candidates = loaded(row);
      candidates.keepBest(k);
      expect(listed(candidates)).toEqual(expected.slice(0, k));
      candidates.keepBest(0);
      expect(listed(candidates)).toEqual(expected.slice(0, 1));
    }
  });

  it("adjusts the same tokens whether or not index = id, and restores the order", () => {
    const values = new Map([
      [3, 5],
      [7, -5],
      [4000, 1],
    ]);
    const change = (logit: number, value: number): number => logit + value;
    const row = Array.from(noisyLogits(50, 4));
    const expected = fromLogits(row).map((c) => ({
      ...c,
      logit: c.logit + (values.get(c.id) ?? 0),
    }));

    const dense = loaded(row);
    dense.adjust(values, change);
    expect(listed(dense)).toEqual(expected);

    const holed = loaded(row.map((logit, id) => (id === 5 ? -Infinity : logit)));
    holed.adjust(values, change);
    expect(listed(holed)).toEqual(expected.filter(({ id }) => id !== 5));

    const sorted = loaded(row);
    sorted.sort();
    sorted.adjust(values, change);
    expect(listed(sorted)).toEqual(sortedByLogit(expected));
  });

  it("saturates what would overflow", () => {
    const candidates = loaded([f32Max, -f32Max, 0]);
    candidates.adjust(
      new Map([
        [0, 2],
        [1, 2],
        [2, Infinity],
      ]),
      (a, b) => a * b || -b,
    );
    expect([...candidates.logits]).toEqual([f32Max, -f32Max, -f32Max]);
    const colder = loaded([1, -1e38, 0.5]);
    colder.divide(Math.fround(0.1));
    expect(colder.logits[1]).toBe(-f32Max);
  });

  it("keeps the best alone where the temperature would overflow it", () => {
    for (const row of [
      [1, 10, 10, 9],
      [-20, -10, -10, -11],
    ]) {
      const candidates = loaded(row);
      candidates.divide(1e-38);
      expect(idsOf(listed(candidates))).toEqual([1]);
    }
  });

  it("weighs against the best, in order", () => {
    const candidates = loaded([0, 1, -200, 1]);
    expect(candidates.weigh(testMath)).toBe(1);
    expect([...candidates.weights.subarray(0, 4)]).toEqual([Math.exp(-1), 1, Math.exp(-201), 1]);
    expect(candidates.weightTotal).toBe(Math.exp(-1) + 1 + Math.exp(-201) + 1);
  });
});

describe("argmax", () => {
  it("takes the lowest id among equals", () => {
    expect(argmax(Float32Array.of(-Infinity, -3, 2, 2, -0))).toBe(2);
    expect(argmax(Float32Array.of(-0, 0))).toBe(0);
  });
});
