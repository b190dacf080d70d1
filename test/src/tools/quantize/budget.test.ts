import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Choice, chooseWithin } from "../../../../src/tools/quantize/budget.ts";

const sum = (choices: readonly Choice<string>[], of: "bytes" | "loss") =>
  choices.reduce((n, choice) => n + choice[of], 0);

/** Least loss by trying everything. */
function best(items: readonly (readonly Choice<string>[])[], budget: number): number {
  if (items.length === 0) return budget < 0 ? Infinity : 0;
  const [first, ...rest] = items;
  return Math.min(...first.map(({ bytes, loss }) => loss + best(rest, budget - bytes)));
}

const choice = fc.record({
  type: fc.string({ maxLength: 2 }),
  bytes: fc.integer({ min: 1, max: 100 }),
  loss: fc.integer({ min: 0, max: 100 }),
});
const items = fc.array(fc.array(choice, { minLength: 1, maxLength: 5 }), {
  minLength: 1,
  maxLength: 5,
});

describe("chooseWithin", () => {
  it("stays within the budget, is close to the best, and finds something where there is something", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 400 }), (all, budget) => {
        const chosen = chooseWithin(all, budget),
          least = best(all, budget);
        expect(chosen === undefined).toBe(least === Infinity);
        if (!chosen) return;
        chosen.forEach((one, i) => expect(all[i]).toContain(one));
        expect(sum(chosen, "bytes")).toBeLessThanOrEqual(budget);
        // greedy on the hull misses the best by one step at most
        const step = Math.max(...all.flat().map(({ loss }) => loss));
        expect(sum(chosen, "loss")).toBeLessThanOrEqual(least + step);
      }),
      { seed: 1 },
    );
  });

  it("gives bytes to what loses most without them", () => {
    const ways = (loss: number): Choice<string>[] => [
      { type: "small", bytes: 10, loss: 4 * loss },
      { type: "large", bytes: 20, loss },
    ];
    const found = chooseWithin([ways(1), ways(5), ways(3)], 50)!;
    expect(found.map(({ type }) => type)).toEqual(["small", "large", "large"]);
  });

  it("passes over choices that others beat, and spends what is left", () => {
    const bad = { type: "bad", bytes: 15, loss: 9 },
      item = [{ type: "a", bytes: 10, loss: 10 }, bad, { type: "b", bytes: 20, loss: 1 }];
    expect(chooseWithin([item], 20)![0].type).toBe("b");
    // the step to b does not fit; bad is better than nothing
    expect(chooseWithin([item], 19)![0].type).toBe("bad");
    expect(chooseWithin([item], 9)).toBeUndefined();
  });
});
