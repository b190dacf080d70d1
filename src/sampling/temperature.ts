// Temperature, and the dynamic one whose value follows the entropy of the candidates, as
// llama.cpp's `temperature` sampler. Temperatures of 0 and less never come here: they make the
// chain greedy (chain.ts).

import type { SamplerMath } from "./math.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Step } from "./step.ts";
import { surpriseScale } from "./truncation.ts";

export function temperatureIsActive(options: ResolvedOptions): boolean {
  return options.temperature !== 1 || options.dynatempRange > 0;
}

export function temperature(options: ResolvedOptions, math: SamplerMath): Step {
  const { temperature: middle, dynatempRange, dynatempExponent } = options;
  if (dynatempRange === 0) {
    return { keepsBest: true, apply: (candidates) => candidates.divide(middle) };
  }
  const lowest = Math.max(0, Math.fround(middle - dynatempRange));
  const span = middle + dynatempRange - lowest;
  return {
    keepsBest: true,
    apply(candidates) {
      if (candidates.size < 2) return;
      const best = candidates.weigh(math);
      const { entropy } = surpriseScale(candidates, best, math);
      // Rounding may leave the entropy a hair outside its range, where pow has no value.
      const share = Math.min(1, Math.max(0, entropy / math.log64(candidates.size)));
      const value = Math.fround(lowest + span * math.pow64(share, dynatempExponent));
      if (value > 0) candidates.divide(value);
      else candidates.keepOnly(candidates.best());
    },
  };
}
