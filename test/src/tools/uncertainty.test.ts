import { expect, it } from "vitest";
import { covarianceOf, meanOf, percentile } from "../../../src/tools/uncertainty.ts";

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

it("gives the mean and its standard error", () => {
  const values = [1, 2, 4, 9];
  const variance = sum(values.map((x) => (x - 4) ** 2)) / 4;
  expect(meanOf(16, sum(values.map((x) => x * x)), 4)).toEqual({
    value: 4,
    error: Math.sqrt(variance / 3),
  });
  expect(meanOf(3, 9, 1)).toEqual({ value: 3, error: 0 });
  expect(meanOf(0, 0, 0)).toEqual({ value: 0, error: 0 });
});

it("gives the covariance of two means", () => {
  const a = [1, 2, 3],
    b = [2, 4, 9];
  expect(covarianceOf(6, 15, sum(a.map((x, i) => x * b[i])), 3)).toBeCloseTo(
    sum(a.map((x, i) => (x - 2) * (b[i] - 5))) / 3 / 2,
    12,
  );
});

it("interpolates percentiles", () => {
  expect([0, 0.25, 0.5, 0.9, 1, 2].map((p) => percentile([1, 2, 3, 5], p))).toEqual([
    1,
    1.75,
    2.5,
    expect.closeTo(4.4, 12),
    5,
    5,
  ]);
  expect(percentile([7], 0.3)).toBe(7);
});
