import { expect, it } from "vitest";
import { exp, LogSoftmax } from "../../../src/tools/log-softmax.ts";

const math = {
  expF64(values: Float64Array) {
    // the contract of SamplerMath: finite, at most 0
    values.forEach((x, i) => {
      expect(x <= 0 && x > -Infinity).toBe(true);
      values[i] = Math.exp(x);
    });
  },
  log64: Math.log,
  pow64: Math.pow,
};

it("gives maximum, minimum and the logarithm of the sum", () => {
  const softmax = new LogSoftmax(4, math);
  expect(softmax.of(Float32Array.of(1, 3, -2, 3))).toEqual({
    max: 3,
    min: -2,
    best: 1,
    logSum: Math.log(Math.exp(-2) + 1 + Math.exp(-5) + 1),
  });
  const row = softmax.of(Float32Array.of(-Infinity, 100, -Infinity, -Infinity));
  expect(row).toEqual({ max: 100, min: -Infinity, best: 1, logSum: 0 });
});

it("takes e to any power", () => {
  for (const x of [-3, 0, 0.5, 20]) expect(exp(x, math)).toBeCloseTo(Math.exp(x), 6);
});
