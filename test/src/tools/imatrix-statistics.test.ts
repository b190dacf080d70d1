import { expect, it } from "vitest";
import { imatrixStatistics } from "../../../src/tools/imatrix-statistics.ts";

it("describes the mean squares of every weight", () => {
  const entry = (values: number[], ...counts: number[]) => ({
    sums: Float32Array.from(values),
    counts: Float32Array.from(counts),
  });
  const [b, a, c] = imatrixStatistics(
    {
      entries: new Map([
        ["blk.0.q", entry([2, 6, 0, 0], 2)],
        ["blk.1.q", entry([40, 40, 0, 0], 8)],
        ["output.weight", entry([1, 1, 9, 9], 1, 0)], // the second expert saw nothing
        ["blk.2.k", entry([1], 0)],
      ]),
      datasets: [],
      chunkCount: 1,
      chunkSize: 2,
    },
    { log64: Math.log },
  );
  expect(b).toMatchObject({
    name: "blk.1.q",
    layer: 1,
    n: 4,
    sum: 10,
    min: 0,
    max: 5,
    mean: 2.5,
    deviation: 2.5,
    active: 0.5,
    entropy: 1,
    normalisedEntropy: 0.5,
    zScore: 0,
  });
  expect(b.cosine).toBeCloseTo(4 / Math.sqrt(20), 12);
  expect(a).toMatchObject({ name: "blk.0.q", sum: 4, mean: 1, zScore: 0.25, cosine: undefined });
  expect(a.entropy).toBeCloseTo(-(0.25 * Math.log2(0.25) + 0.75 * Math.log2(0.75)), 12);
  expect(c).toMatchObject({
    name: "output.weight",
    layer: undefined,
    n: 2,
    sum: 2,
    deviation: 0,
    zScore: 0,
    cosine: undefined,
  });
});
