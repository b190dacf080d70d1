import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveOptions } from "../../../src/sampling/options.ts";
import { Random } from "../../../src/sampling/random.ts";
import type { Step } from "../../../src/sampling/step.ts";
import { xtc, xtcIsActive } from "../../../src/sampling/xtc.ts";
import { after, ascending, fromLogits, idsOf, testMath, xtcReference } from "./reference.ts";

function step(probability: number, threshold: number, minKeep = 0, random = new Random(1)): Step {
  const options = resolveOptions({
    xtcProbability: probability,
    xtcThreshold: threshold,
    minKeep,
  });
  return xtc(options, testMath, random);
}

describe("xtc", () => {
  it("drops all above the threshold except the least of them", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 20 }),
        fc.float({ min: 0, max: 0.5, noNaN: true }),
        fc.constantFrom(0, 1, 5),
        (values, threshold, minKeep) => {
          const expected = ascending(idsOf(xtcReference(fromLogits(values), threshold, minKeep)));
          expect(idsOf(after(step(1, threshold, minKeep), values))).toEqual(expected);
          const sorted = after(step(1, threshold, minKeep), values, true);
          expect(ascending(idsOf(sorted))).toEqual(expected);
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });

  it.each([
    [0.09, [0]],
    [0.19, [0, 1]],
    [0.29, [0, 1, 2]],
    [0.39, [0, 1, 2, 3]],
  ])("agrees with llama.cpp's vectors: threshold %d", (threshold, ids) => {
    const logits = [0.1, 0.2, 0.3, 0.4].map(Math.log);
    expect(idsOf(after(step(0.99, threshold), logits))).toEqual(ids);
  });

  it("acts as often as asked, and draws once per token always", () => {
    const random = new Random(3);
    const twin = new Random(3);
    const xtcStep = step(0.25, 0.1, 0, random);
    let acted = 0;
    for (let i = 0; i < 4000; i++) {
      const left = after(xtcStep, i % 2 === 0 ? [0, 0] : [0]).length;
      const u = twin.nextUnit();
      expect(left).toBe(i % 2 === 0 && u >= 0.25 ? 2 : 1);
      if (u < 0.25) acted++;
    }
    expect(acted).toBeGreaterThan(900);
    expect(acted).toBeLessThan(1100);
    expect(random.nextU32()).toBe(twin.nextU32());
  });

  it("is off at probability 0 or a threshold over one half", () => {
    const active = (xtcProbability: number, xtcThreshold: number): boolean =>
      xtcIsActive(resolveOptions({ xtcProbability, xtcThreshold }));
    expect([active(0, 0.1), active(1, 0.51), active(1, 0.5)]).toEqual([false, false, true]);
  });
});
