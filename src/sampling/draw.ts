// The end of the chain: draw a candidate by its weight, or take the best.

import type { Candidates } from "./candidates.ts";
import type { SamplerMath } from "./math.ts";
import type { Random } from "./random.ts";
import type { Choice } from "./step.ts";

/** Draws by weight. Uses one number per token, even if one candidate is left. */
export function drawn(math: SamplerMath, random: Random): Choice {
  return {
    choose(candidates) {
      candidates.weigh(math);
      return draw(candidates, random);
    },
  };
}

/** Takes the best candidate; of equals the lowest id. Uses no random number. */
export const greedy: Choice = {
  choose(candidates) {
    candidates.keepOnly(candidates.best());
    return 0;
  },
};

/**
 * Index of the first weighed candidate whose running sum exceeds u * total. The sum runs in the
 * order in which the total was made, so it ends at exactly the total, which exceeds u * total even
 * after rounding (u <= 1 - 2^-53): one is always found, and never one of weight 0.
 */
export function draw(candidates: Candidates, random: Random): number {
  const { weights } = candidates;
  const target = random.nextUnit() * candidates.weightTotal;
  let index = 0;
  for (let sum = weights[0]; sum <= target; sum += weights[index]) index++;
  return index;
}
