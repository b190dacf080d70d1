// The samplers that leave out unlikely candidates: top-n-sigma, top-k, typical, top-p, min-p.
// Probabilities are exp(logit - best) in f64, compared without dividing by their sum: p_i >= x is
// computed as weight_i >= x * total. Meaning and borders as in llama.cpp.

import type { Candidates } from "./candidates.ts";
import type { SamplerMath } from "./math.ts";
import type { Step } from "./step.ts";

/** Keeps logits >= best - n * standard deviation (Tang et al. 2024, "Top-nσ"). n > 0. */
export function topNSigma(n: number): Step {
  return {
    keepsBest: true,
    apply(candidates) {
      const { logits, size } = candidates;
      if (size <= 1) return;
      let sum = 0;
      for (let i = 0; i < size; i++) sum += logits[i];
      const mean = sum / size;
      let squares = 0;
      for (let i = 0; i < size; i++) squares += (logits[i] - mean) * (logits[i] - mean);
      const least = logits[candidates.best()] - n * Math.sqrt(squares / size);
      candidates.filter((i) => logits[i] >= least);
    },
  };
}

/** Keeps the k best, sorted. k > 0. */
export function topK(k: number): Step {
  return {
    keepsBest: true,
    apply: (candidates) => candidates.keepBest(k),
  };
}

/**
 * Keeps the shortest run of best candidates with probability >= p (Holtzman et al. 2020, "The
 * Curious Case of Neural Text Degeneration"), and at least minKeep. p < 1.
 */
export function topP(p: number, minKeep: number, math: SamplerMath): Step {
  /** So many best candidates are looked at before the whole vocabulary is sorted. */
  const looks = [256, 4096];
  return {
    keepsBest: true,
    apply(candidates) {
      const best = candidates.weigh(math);
      const enough = p * candidates.weightTotal;
      for (const look of looks) {
        // Sorting few candidates costs no more than looking for their best.
        if (candidates.sorted || candidates.size <= 4 * look) break;
        const weights = candidates.peekBest(look);
        for (let i = 0; i < look; i++) weights[i] -= best;
        math.expF64(weights);
        const count = countToReach(weights, look, enough, minKeep);
        if (count > 0) {
          candidates.keepBest(count);
          return;
        }
      }
      if (!candidates.sorted) {
        candidates.sort();
        candidates.weigh(math);
      }
      const count = countToReach(candidates.weights, candidates.size, enough, minKeep);
      if (count > 0) candidates.keepBest(count);
    },
  };
}

/** Length of the shortest run of at least minKeep weights whose sum reaches `enough`, or 0. */
function countToReach(weights: Float64Array, n: number, enough: number, minKeep: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    sum += weights[i];
    if (sum >= enough && i + 1 >= minKeep) return i + 1;
  }
  return 0;
}

/**
 * Keeps candidates with probability >= p times the best one's, and at least minKeep. 0 < p <= 1.
 * Compares logits with best + log(p): one logarithm for the sampler's life.
 */
export function minP(p: number, minKeep: number, math: SamplerMath): Step {
  const logP = math.log64(p);
  return {
    keepsBest: true,
    apply(candidates) {
      const { logits, size } = candidates;
      const least = logits[candidates.best()] + logP;
      let count = 0;
      for (let i = 0; i < size; i++) if (logits[i] >= least) count++;
      if (count < minKeep) candidates.keepBest(minKeep);
      else candidates.filter((i) => logits[i] >= least);
    },
  };
}

/**
 * Keeps the candidates whose surprise is nearest to the expected surprise, until their probability
 * exceeds p and there are minKeep (Meister et al. 2023, "Locally Typical Sampling"). Ties: the
 * better candidate first. p < 1. Leaves them sorted by logit.
 */
export function typical(p: number, minKeep: number, math: SamplerMath): Step {
  return {
    keepsBest: false,
    apply(candidates) {
      candidates.sort();
      const best = candidates.weigh(math);
      const { logits, weights, size } = candidates;
      const { logTotal, entropy } = surpriseScale(candidates, best, math);
      const enough = p * candidates.weightTotal;
      const distance = (i: number): number => {
        const d = logTotal - (logits[i] - best) - entropy;
        return d < 0 ? -d : d;
      };
      // Surprise ascends along the sorted list, so what is nearest to the entropy grows from one
      // spot to both sides: kept = [left + 1, right). No sort by distance is needed.
      let right = 0;
      while (right < size && logTotal - (logits[right] - best) < entropy) right++;
      let left = right - 1;
      let sum = 0;
      let count = 0;
      let done = false;
      /** Kept part of a run of equal distances on the left that was cut short: [from, to). */
      let from = 0;
      let to = 0;
      const take = (i: number): void => {
        sum += weights[i];
        count++;
        done = sum > enough && count >= minKeep;
      };
      while (!done && count < size) {
        if (right >= size || (left >= 0 && distance(left) <= distance(right))) {
          // On the left, going outwards meets better candidates last; among equals they go first.
          let start = left;
          while (start > 0 && distance(start - 1) === distance(left)) start--;
          let i = start;
          while (!done && i <= left) take(i++);
          if (i <= left) [from, to] = [start, i];
          else left = start - 1;
        } else {
          take(right++);
        }
      }
      candidates.filter((i) => (i > left && i < right) || (i >= from && i < to));
    },
  };
}

/**
 * Of weighed candidates: logTotal, so that surprise_i = logTotal - (logit_i - best) in nats, and the
 * entropy, which is its mean. Logarithms of single probabilities are never needed.
 */
export function surpriseScale(
  candidates: Candidates,
  best: number,
  math: SamplerMath,
): { logTotal: number; entropy: number } {
  const { logits, weights, size, weightTotal } = candidates;
  const logTotal = math.log64(weightTotal);
  let sum = 0;
  for (let i = 0; i < size; i++) sum += weights[i] * (logits[i] - best);
  return { logTotal, entropy: logTotal - sum / weightTotal };
}
