import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveOptions, type SamplingOptions } from "../../../src/sampling/options.ts";
import { Penalties, penaltiesAreActive } from "../../../src/sampling/penalties.ts";
import { after } from "./reference.ts";

function penalties(options: Partial<SamplingOptions>, tokens: readonly number[]): Penalties {
  const step = new Penalties(resolveOptions(options));
  for (const token of tokens) step.accept(token);
  return step;
}

const f = Math.fround;

describe("penalties", () => {
  it("count the last n tokens, in f32 step by step", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(9), { maxLength: 90 }),
        fc.constantFrom(1, 2, 15, 16, 17, 40, -1),
        fc.array(fc.float({ min: -9, max: 9, noNaN: true }), { minLength: 10, maxLength: 10 }),
        (tokens, lastN, logits) => {
          const step = penalties(
            { repeatLastN: lastN, repeatPenalty: 1.3, frequencyPenalty: 0.7, presencePenalty: 0.2 },
            tokens,
          );
          const window = lastN === -1 ? tokens : tokens.slice(-lastN);
          const expected = logits.map((logit, id) => {
            const count = window.filter((token) => token === id).length;
            if (count === 0) return logit + 0;
            const repeated = f(logit <= 0 ? logit * f(1.3) : logit / f(1.3));
            return f(repeated - f(f(count * f(0.7)) + f(0.2)));
          });
          expect(after(step, logits).map(({ logit }) => logit + 0)).toEqual(expected);
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it("push a seen token down whatever its sign", () => {
    const step = penalties({ repeatPenalty: 2 }, [0, 1, 2]);
    expect(after(step, [4, -4, 0, 4]).map(({ logit }) => logit + 0)).toEqual([2, -8, 0, 4]);
  });

  it("ignore tokens that are not candidates", () => {
    const step = penalties({ repeatPenalty: 2 }, [1, 77]);
    expect(after(step, [1, -Infinity, 1]).length).toBe(2);
  });

  it("forget on reset", () => {
    const step = penalties({ repeatPenalty: 2 }, [0]);
    step.reset();
    expect(after(step, [4])[0].logit).toBe(4);
    step.accept(0);
    expect(after(step, [4])[0].logit).toBe(2);
  });

  it("are off by default and with a window of 0", () => {
    const active = (options: Partial<SamplingOptions>): boolean =>
      penaltiesAreActive(resolveOptions(options));
    expect(active({})).toBe(false);
    expect(active({ repeatPenalty: 1.1, repeatLastN: 0 })).toBe(false);
    expect(active({ repeatPenalty: 1.1 })).toBe(true);
    expect(active({ frequencyPenalty: -0.5 })).toBe(true);
    expect(active({ presencePenalty: 0.5 })).toBe(true);
  });
});
