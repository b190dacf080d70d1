import { describe, expect, it } from "vitest";
import { argmax, logSoftmax } from "../../../src/cli/log-softmax.ts";

// Any exp and log serve here: the command hands in the kernels' own.
const math = {
  expF64: (values: Float64Array) => values.forEach((x, i) => void (values[i] = Math.exp(x))),
  log64: Math.log,
  pow64: Math.pow,
};

describe("logSoftmax", () => {
  it("gives logarithms of probabilities", () => {
    const probabilities = [0.5, 0.25, 0.125, 0.125];
    const logits = Float32Array.from(probabilities, (p) => Math.log(p) + 3);
    logSoftmax(logits, math).forEach((x, i) =>
      expect(x).toBeCloseTo(Math.log(probabilities[i]), 6),
    );
  });

  it("keeps large and forbidden logits in range", () => {
    const found = logSoftmax(Float32Array.of(3e38, -3e38, -Infinity), math);
    expect(found[0]).toBe(0);
    expect(found[1]).toBeLessThan(-5e38);
    expect(found[2]).toBe(-Infinity);
  });
});

describe("argmax", () => {
  it("takes the lowest of equal ones", () => {
    expect(argmax([1, 3, 2, 3])).toBe(1);
    expect(argmax([-2])).toBe(0);
  });
});
