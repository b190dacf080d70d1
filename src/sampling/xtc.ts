// XTC ("exclude top choices"): by chance, drops all candidates at or above a threshold except the
// least likely of them. From p-e-w's proposal (oobabooga/text-generation-webui pull 6335) as
// llama.cpp's `xtc` sampler does it, with the sequence's own generator.

import type { SamplerMath } from "./math.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { Step } from "./step.ts";

export function xtcIsActive(options: ResolvedOptions): boolean {
  // Two candidates cannot both have more than half.
  return options.xtcProbability > 0 && options.xtcThreshold <= 0.5;
}

/** Draws one number per token, whether it acts or not. */
export function xtc(options: ResolvedOptions, math: SamplerMath, random: Random): Step {
  const { xtcProbability, xtcThreshold, minKeep } = options;
  return {
    keepsBest: false,
    apply(candidates) {
      // Drawn first, so that the numbers a token uses do not depend on its logits.
      if (random.nextUnit() >= xtcProbability || candidates.size < 2) return;
      candidates.weigh(math);
      const { logits, weights, size, sorted } = candidates;
      const least = xtcThreshold * candidates.weightTotal;
      let last = -1;
      let above = 0;
      for (let i = 0; i < size; i++) {
        if (weights[i] < least) continue;
        above++;
        // The worst of them: later in a sorted list; lower, or equal with a higher id, in another.
        if (last < 0 || sorted || logits[i] <= logits[last]) last = i;
      }
      if (above < 2 || size - (above - 1) < minKeep) return;
      candidates.filter((i) => i === last || weights[i] < least);
    },
  };
}
