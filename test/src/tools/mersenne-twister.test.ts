import { describe, expect, it } from "vitest";
import { drawTasks, MersenneTwister } from "../../../src/tools/mersenne-twister.ts";

describe("MersenneTwister", () => {
  it("draws the standard's ten-thousandth number", () => {
    const random = new MersenneTwister(5489); // [rand.predef] of the C++ standard
    for (let i = 1; i < 10_000; i++) random.next();
    expect(random.next()).toBe(4123659995);
  });

  it("begins as MT19937 does from seed 1", () => {
    const random = new MersenneTwister(1);
    expect([random.next(), random.next(), random.next()]).toEqual([
      1791095845, 4282876139, 3093770124,
    ]);
  });

  it("draws below a bound by the upper half of a product", () => {
    const random = new MersenneTwister(1);
    // 1791095845 / 2^32 = 0.417, 4282876139 / 2^32 = 0.997
    expect([random.below(10), random.below(10)]).toEqual([4, 9]);
    expect(random.below(1)).toBe(0);
  });
});

describe("drawTasks", () => {
  const items = Array.from({ length: 50 }, (_, i) => i);

  it("keeps all of them in order where no fewer are asked for", () => {
    expect(drawTasks(items, 0)).toEqual(items);
    expect(drawTasks(items, 50)).toEqual(items);
  });

  it("draws each at most once, the last of those left into the gap", () => {
    const drawn = drawTasks(items, 3);
    // 0.417 of 50, then 0.997 of 49 (where 49 now stands at 20), then 0.720 of 48
    expect(drawn).toEqual([20, 48, 34]);
    expect(new Set(drawTasks(items, 49)).size).toBe(49);
  });
});
