import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Dry, dryIsActive, wholePower } from "../../../src/sampling/dry.ts";
import type { Breakers } from "../../../src/sampling/dry-breakers.ts";
import { resolveOptions, type SamplingOptions } from "../../../src/sampling/options.ts";
import { after, dryLengthsReference, filled } from "./reference.ts";

const none: Breakers = new Map();

function dry(
  tokens: readonly number[],
  options: Partial<SamplingOptions> = {},
  breakers: Breakers = none,
): Dry {
  const resolved = resolveOptions({
    dryMultiplier: 1,
    dryBase: 2,
    dryPenaltyLastN: -1,
    ...options,
  });
  const step = new Dry(resolved, breakers);
  for (const token of tokens) step.accept(token);
  return step;
}

/** What each of n tokens with logit 0 loses. */
function lost(step: Dry, n: number): number[] {
  return after(step, filled(n, 0)).map(({ logit }) => 0 - logit);
}

describe("DRY", () => {
  it("penalises as a search for the longest repeat says", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2), { maxLength: 60 }),
        fc.constantFrom(0, 1, 2, 4),
        fc.constantFrom(-1, 1, 5, 20),
        (tokens, allowed, lastN) => {
          const step = dry(tokens, { dryAllowedLength: allowed, dryPenaltyLastN: lastN });
          const window = lastN === -1 ? tokens : tokens.slice(-lastN);
          const lengths = dryLengthsReference(window, Infinity);
          const expected = [0, 1, 2].map((id) => {
            const length = lengths.get(id);
            if (length === undefined || length < allowed) return 0;
            return Math.fround(2 ** (length - allowed));
          });
          expect(lost(step, 3)).toEqual(expected);
        },
      ),
      { seed: 1, numRuns: 1000 },
    );
  });

  it("penalises the example of its description: a b c c b c y a b c", () => {
    const [a, b, c, y] = [0, 1, 2, 3];
    const step = dry([a, b, c, c, b, c, y, a, b, c], { dryAllowedLength: 2 });
    const result = lost(step, 4);
    // After `a b c` came c; after `b c` came y; one token alone is allowed.
    expect(result).toEqual([0, 0, 2, 1]);
  });

  it("stops repeats at a breaker, and never penalises a token that breaks alone", () => {
    const tokens = [1, 2, 9, 3, 4, 1, 2, 9, 3];
    expect(lost(dry(tokens, { dryAllowedLength: 1 }), 10)[4]).toBe(8);
    const breaks: Breakers = new Map([[9, [[]]]]);
    // Only `3` lies after the breaker.
    expect(lost(dry(tokens, { dryAllowedLength: 1 }, breaks), 10)[4]).toBe(1);
    expect(lost(dry(tokens.slice(0, -2), { dryAllowedLength: 1 }), 10)[9]).toBe(2);
    expect(lost(dry(tokens.slice(0, -2), { dryAllowedLength: 1 }, breaks), 10)[9]).toBe(0);
  });

  it("takes the longest of the breakers that begin at a token, if the rest follows", () => {
    // 9 8 is a breaker and 9 8 7 is another; 9 5 is not.
    const breaks: Breakers = new Map([[9, [[8], [8, 7]]]]);
    const repeated = (middle: number[]): number => {
      const once = [1, ...middle, 2, 3];
      return lost(dry([...once, 4, ...once], { dryAllowedLength: 0 }, breaks), 10)[4];
    };
    expect(repeated([9, 5, 6])).toBe(2 ** 6);
    expect(repeated([9, 8, 6])).toBe(2 ** 3);
    expect(repeated([9, 8, 7])).toBe(2 ** 2);
  });

  it("is at most the largest f32, never infinite", () => {
    const step = dry(filled(3000, 1), { dryBase: 10 });
    expect(lost(step, 2)).toEqual([0, 3.4028234663852886e38]);
  });

  it("is off without a multiplier, with a base below 1 or a window of 0", () => {
    const active = (options: Partial<SamplingOptions>): boolean =>
      dryIsActive(resolveOptions({ dryMultiplier: 1, ...options }));
    expect(active({})).toBe(true);
    expect(active({ dryMultiplier: 0 })).toBe(false);
    expect(active({ dryBase: 0.9 })).toBe(false);
    expect(active({ dryPenaltyLastN: 0 })).toBe(false);
  });
});

describe("wholePower", () => {
  it("is exact where f64 is, and close elsewhere", () => {
    for (let n = 0; n < 33; n++) expect(wholePower(3, n)).toBe(Number(3n ** BigInt(n)));
    // Squaring rounds about 2 log2(n) times: n = 40 stays within 40 units of the last place.
    const exact = Math.pow(1.75, 40);
    expect(Math.abs(wholePower(1.75, 40) / exact - 1)).toBeLessThan(40 * 2 ** -53);
    expect(wholePower(1, 2 ** 31)).toBe(1);
    expect(wholePower(2, 5000)).toBe(Infinity);
  });
});
