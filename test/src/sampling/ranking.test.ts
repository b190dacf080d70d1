import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RadixSort, rankBest, unrank } from "../../../src/sampling/ranking.ts";
import { fromLogits, noise, sortedByLogit } from "./reference.ts";

const logit = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, -1, 1.401298464324817e-45, -1.401298464324817e-45),
);

function unranked(keys: Float64Array): { id: number; logit: number }[] {
  const ids = new Int32Array(keys.length);
  const logits = new Float32Array(keys.length);
  unrank(keys, keys.length, ids, logits);
  return Array.from(ids, (id, i) => ({ id, logit: logits[i] }));
}

describe("ranking", () => {
  it("sorts by logit, then id, from any order, and gives -0 back as 0", () => {
    const radixSort = new RadixSort();
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 60 }), fc.nat(99), (values, seed) => {
        const list = fromLogits(values);
        const next = noise(seed);
        const shuffled = list
          .map((candidate) => ({ candidate, at: next() }))
          .sort((a, b) => a.at - b.at)
          .map(({ candidate }) => candidate);
        for (const [order, idsAscend] of [
          [list, true],
          [shuffled, false],
        ] as const) {
          const ids = Int32Array.from(order, ({ id }) => id * 30_000);
          const logits = Float32Array.from(order, (candidate) => values[candidate.id]);
          radixSort.sort(ids, logits, values.length, idsAscend);
          const sorted = Array.from(ids, (id, i) => ({ id: id / 30_000, logit: logits[i] }));
          expect(sorted).toEqual(sortedByLogit(list));
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("finds the k best as a whole sort does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(logit, fc.integer({ min: -3, max: 3 })), { minLength: 1, maxLength: 99 }),
        fc.nat(),
        (values, some) => {
          const k = 1 + (some % values.length);
          const logits = Float32Array.from(values, (value) => value + 0);
          const ids = Int32Array.from(values, (_, i) => i);
          const keys = new Float64Array(k);
          rankBest(ids, logits, values.length, k, keys);
          expect(unranked(keys)).toEqual(sortedByLogit(fromLogits(logits)).slice(0, k));
        },
      ),
      { seed: 2, numRuns: 500 },
    );
  });

  it("holds the largest id and the extreme logits in one exact key", () => {
    for (const extreme of [3.4028234663852886e38, -3.4028234663852886e38]) {
      const keys = new Float64Array(1);
      rankBest(Int32Array.of(2_097_151), Float32Array.of(extreme), 1, 1, keys);
      expect(Number.isSafeInteger(keys[0])).toBe(true);
      expect(unranked(keys)).toEqual([{ id: 2_097_151, logit: extreme }]);
    }
  });
});
