import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { minP, topK, topNSigma, topP, typical } from "../../../src/sampling/truncation.ts";
import {
  after,
  ascending,
  type Candidate,
  fromLogits,
  idsOf,
  minPReference,
  noisyLogits,
  testMath,
  topKReference,
  topNSigmaReference,
  topPReference,
  typicalReference,
  filled,
} from "./reference.ts";
import type { Step } from "../../../src/sampling/step.ts";

// Rows with many equal logits and rows of any floats: ties and extremes are where it goes wrong.
const row = fc.oneof(
  fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 40 }),
  fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 40 }),
);
const share = fc.float({ min: 0, max: Math.fround(0.999), noNaN: true });
const minKeep = fc.constantFrom(0, 1, 2, 7);

/** The step leaves the candidates of the reference, whether they come unsorted or sorted. */
function agrees(step: Step, values: number[], reference: (list: Candidate[]) => Candidate[]): void {
  const expected = reference(fromLogits(values));
  const unsorted = after(step, values);
  const sorted = after(step, values, true);
  expect(ascending(idsOf(unsorted))).toEqual(ascending(idsOf(expected)));
  expect(ascending(idsOf(sorted))).toEqual(ascending(idsOf(expected)));
  for (const { id, logit } of unsorted) expect(logit).toBe(Math.fround(values[id]) + 0);
}

/** Logits whose softmax is these probabilities: the style of llama.cpp's own vectors. */
const logs = (probabilities: number[]): number[] => probabilities.map(Math.log);

describe("top-k", () => {
  it("keeps exactly the k best, ties by lower id", () => {
    fc.assert(
      fc.property(row, fc.integer({ min: 1, max: 50 }), (values, k) => {
        const kept = after(topK(k), values);
        expect(kept).toEqual(topKReference(fromLogits(values), k));
        expect(kept.length).toBe(Math.min(k, values.length));
      }),
      { seed: 1, numRuns: 300 },
    );
    expect(idsOf(after(topK(2), [1, 3, 3, 3]))).toEqual([1, 2]);
  });
});

describe("top-p", () => {
  it("keeps the smallest set that reaches p", () => {
    fc.assert(
      fc.property(row, share, minKeep, (values, p, keep) => {
        // The order of summing differs for sorted input, so p at a border may fall either way:
        // compared with the reference for unsorted input, and by its defining property for sorted.
        const list = fromLogits(values);
        const expected = topPReference(list, p, keep);
        expect(idsOf(after(topP(p, keep, testMath), values))).toEqual(idsOf(expected));
        const kept = after(topP(p, keep, testMath), values, true).length;
        expect(Math.abs(kept - expected.length)).toBeLessThanOrEqual(1);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it.each([
    [0, [3]],
    [0.7, [3, 2]],
    [0.8, [3, 2, 1]],
  ])("agrees with llama.cpp's vectors: p = %d", (p, ids) => {
    expect(idsOf(after(topP(p, 0, testMath), logs([0.1, 0.2, 0.3, 0.4])))).toEqual(ids);
  });

  it.each([0.01, 0.3, 0.9, 0.99999])("finds the set in a large vocabulary: p = %d", (p) => {
    const values = Array.from(noisyLogits(20_000, 11));
    const expected = topPReference(fromLogits(values), p, 0);
    expect(after(topP(p, 0, testMath), values)).toEqual(expected);
  });

  it("crosses from the first look to the whole sort", () => {
    const flat = filled(5000, 0);
    expect(idsOf(after(topP(0.5, 0, testMath), flat))).toEqual(
      flat.slice(0, 2500).map((_, i) => i),
    );
    expect(after(topP(0.01, 0, testMath), flat).length).toBe(50);
    expect(after(topP(0.01, 300, testMath), flat).length).toBe(300);
  });
});

describe("min-p", () => {
  it("keeps what reaches p times the best, at least minKeep", () => {
    fc.assert(
      fc.property(
        row,
        fc.float({ min: Math.fround(0.001), max: 1, noNaN: true }),
        minKeep,
        (values, p, keep) => {
          agrees(minP(p, keep, testMath), values, (list) => minPReference(list, p, keep));
        },
      ),
      { seed: 3, numRuns: 500 },
    );
  });

  it.each([
    [0.24, 4],
    [0.26, 3],
    [0.49, 3],
    [0.51, 2],
    [0.74, 2],
    [0.76, 1],
    [1, 1],
  ])("agrees with llama.cpp's vectors: p = %d", (p, count) => {
    expect(after(minP(p, 0, testMath), logs([0.1, 0.2, 0.3, 0.4])).length).toBe(count);
  });
});

describe("top-n-sigma", () => {
  it("keeps what lies within n standard deviations of the best", () => {
    fc.assert(
      fc.property(row, fc.float({ min: Math.fround(0.01), max: 4, noNaN: true }), (values, n) => {
        const expected = topNSigmaReference(fromLogits(values), n);
        expect(after(topNSigma(n), values)).toEqual(expected.map((c) => ({ ...c })));
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  it.each([
    [1, [2, 3]],
    [3, [0, 1, 2, 3]],
  ])("agrees with llama.cpp's vectors: n = %d", (n, ids) => {
    expect(idsOf(after(topNSigma(n), logs([0.1, 0.2, 0.3, 0.4])))).toEqual(ids);
  });
});

describe("typical", () => {
  it("keeps the nearest to the expected surprise, ties by the better candidate", () => {
    fc.assert(
      fc.property(row, share, minKeep, (values, p, keep) => {
        agrees(typical(p, keep, testMath), values, (list) => typicalReference(list, p, keep));
      }),
      { seed: 5, numRuns: 1000 },
    );
  });

  it("agrees with llama.cpp's vectors", () => {
    expect(idsOf(after(typical(0.5, 1, testMath), logs([0.97, 0.01, 0.01, 0.01])))).toEqual([0]);
    expect(idsOf(after(typical(0.5, 1, testMath), logs([0.4, 0.2, 0.2, 0.2])))).toEqual([1, 2, 3]);
  });

  it("cuts a run of equal logits at its lower ids, on either side of the entropy", () => {
    // Four equal tokens less surprising than the entropy, and a crowd of rare ones.
    const values = [2, 2, 2, 2, ...filled(20, 0)];
    for (const p of [0.05, 0.2, 0.4, 0.5, 0.6, 0.7]) {
      const expected = typicalReference(fromLogits(values), p, 0);
      expect(idsOf(after(typical(p, 0, testMath), values))).toEqual(idsOf(expected));
    }
    expect(idsOf(after(typical(0.2, 0, testMath), values))).toEqual([0, 1]);
  });

  it("survives candidates whose probability underflows", () => {
    expect(idsOf(after(typical(0.5, 0, testMath), [0, -2000, -3000]))).toEqual([0]);
  });
});
