import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveOptions } from "../../../src/sampling/options.ts";
import { temperature } from "../../../src/sampling/temperature.ts";
import { after, fromLogits, idsOf, testMath, weightsOf } from "./reference.ts";

function step(value: number, dynatempRange = 0, dynatempExponent = 1) {
  const options = resolveOptions({ temperature: value, dynatempRange, dynatempExponent });
  return temperature(options, testMath);
}

describe("temperature", () => {
  it("divides in f32 and keeps order and ids", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1 }),
        fc.float({ min: Math.fround(0.01), max: 5, noNaN: true }),
        (values, by) => {
          const left = after(step(by), values);
          expect(left.map(({ logit }) => logit + 0)).toEqual(
            values.map((value) => Math.fround(value / by) + 0),
          );
          expect(idsOf(left)).toEqual(values.map((_, i) => i));
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  it("rounds the option to f32 as llama.cpp holds it", () => {
    // 0.61 is a logit for which 0.8 as a double would round to another quotient.
    const logit = Math.fround(0.61);
    const expected = Math.fround(logit / Math.fround(0.8));
    expect(expected).not.toBe(Math.fround(logit / 0.8));
    expect(after(step(0.8), [logit])).toEqual([{ id: 0, logit: expected }]);
  });
});

describe("dynamic temperature", () => {
  it("follows the normalised entropy between its ends", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 30 }),
        fc.constantFrom(0.5, 1, 2),
        (values, exponent) => {
          const list = fromLogits(values);
          const { weights, total } = weightsOf(list);
          const entropy = -weights.reduce((sum, w) => sum + (w / total) * Math.log(w / total), 0);
          const share = Math.min(1, Math.max(0, entropy / Math.log(values.length)));
          // 1 +- 0.5 in f32 is exact.
          const expected = 0.5 + Math.pow(share, exponent);
          const left = after(step(1, 0.5, exponent), values);
          // The reference computes entropy by another formula: equal to about 1e-6 after f32.
          left.forEach(({ logit }, i) => {
            expect(Math.abs(logit - list[i].logit / expected)).toBeLessThan(1e-4);
          });
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  it("reaches its upper end for equal candidates and its lower end for a certain one", () => {
    expect(after(step(1, 0.5), [3, 3, 3, 3]).map(({ logit }) => logit)).toEqual([2, 2, 2, 2]);
    expect(after(step(1, 0.5), [3, -3000]).map(({ logit }) => logit)).toEqual([6, -6000]);
    expect(after(step(1, 0.5), [3]).map(({ logit }) => logit)).toEqual([3]);
  });

  it("survives a logarithm that rounds the entropy below 0", () => {
    const low = { ...testMath, log64: (x: number) => Math.log(x) - 1e-16 };
    const options = resolveOptions({ temperature: 1, dynatempRange: 0.5, dynatempExponent: 0.5 });
    const left = after(temperature(options, low), [3, -3000]);
    expect(left.map(({ logit }) => logit)).toEqual([6, -6000]);
  });

  it("keeps the best alone where it comes down to 0", () => {
    expect(idsOf(after(step(0.5, 1), [-3000, 0, -4000]))).toEqual([1]);
  });
});
