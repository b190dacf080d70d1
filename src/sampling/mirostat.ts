// Mirostat 1 and 2 (Basu et al. 2021, "Mirostat: a neural text decoding algorithm that directly
// controls perplexity"): cut the candidates at a surprise that is steered, token by token, towards
// the target tau. They draw the token themselves, as llama.cpp's do. Surprise is in bits.

import type { Candidates } from "./candidates.ts";
import { draw } from "./draw.ts";
import type { SamplerMath } from "./math.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { StateReader, StateWriter } from "./state.ts";
import type { Choice, Memory } from "./step.ts";

/** log(2), the nats of one bit. Math.LN2 is the same double. */
const ln2 = 0.6931471805599453;

/** Best candidates that the exponent of Zipf's law is estimated from, llama.cpp's and the paper's. */
const estimatedFrom = 100;

export class Mirostat implements Choice, Memory {
  readonly memory = this;
  readonly #options: ResolvedOptions;
  readonly #math: SamplerMath;
  readonly #random: Random;
  /** The surprise to cut at, bits. */
  #mu = 0;
  /** log((i + 2) / (i + 1)): the steps of log(rank). */
  readonly #rankSteps: Float64Array;

  constructor(options: ResolvedOptions, math: SamplerMath, random: Random) {
    this.#options = options;
    this.#math = math;
    this.#random = random;
    this.#rankSteps = Float64Array.from({ length: estimatedFrom - 1 }, (_, i) =>
      math.log64((i + 2) / (i + 1)),
    );
    this.reset();
  }

  choose(candidates: Candidates): number {
    if (this.#options.mirostat === 1) this.#keepEstimatedK(candidates);
    else this.#keepUpToMu(candidates);
    const best = candidates.weigh(this.#math);
    const chosen = draw(candidates, this.#random);
    const surprise = this.#surpriseOf(candidates.logits[chosen] - best, candidates.weightTotal);
    const { mirostatEta, mirostatTau } = this.#options;
    this.#mu -= mirostatEta * (surprise - mirostatTau);
    return chosen;
  }

  /** Version 2: candidates whose surprise is at most mu, or the best one. */
  #keepUpToMu(candidates: Candidates): void {
    const best = candidates.weigh(this.#math);
    const { logits } = candidates;
    const logTotal = this.#math.log64(candidates.weightTotal);
    // surprise = (logTotal - (logit - best)) / ln 2 <= mu, solved for logit - best.
    const least = logTotal - this.#mu * ln2;
    if (least > 0) candidates.keepOnly(candidates.best());
    else candidates.filter((i) => logits[i] - best >= least);
  }

  /** Version 1: the k best, k from mu and the estimated exponent s of Zipf's law. */
  #keepEstimatedK(candidates: Candidates): void {
    const math = this.#math;
    const s = this.#estimateExponent(candidates);
    // Candidates that are all alike (s = 0) or stand alone (s = NaN) give no k: cut nothing.
    if (!(s > 0 && 1 / s < Infinity)) return;
    const epsilon = s - 1;
    const base =
      (epsilon * math.pow64(2, this.#mu)) / (1 - math.pow64(candidates.vocabularySize, -epsilon));
    // Nor do candidates that follow 1/rank exactly: epsilon = 0, base = NaN.
    if (!(base >= 0 && base < Infinity)) return;
    const k = math.pow64(base, 1 / s);
    candidates.keepBest(k < candidates.size ? Math.floor(k) : candidates.size);
  }

  #estimateExponent(candidates: Candidates): number {
    const n = Math.min(estimatedFrom, candidates.size);
    const { logits, sorted } = candidates;
    const best = sorted ? logits : candidates.peekBest(n);
    let products = 0;
    let squares = 0;
    for (let i = 0; i < n - 1; i++) {
      // log(p[i] / p[i + 1]) is the difference of the logits.
      const step = this.#rankSteps[i];
      products += step * (best[i] - best[i + 1]);
      squares += step * step;
    }
    return products / squares;
  }

  /** Surprise in bits of a candidate so far below the best, among weights of this total. */
  #surpriseOf(below: number, weightTotal: number): number {
    return (this.#math.log64(weightTotal) - below) / ln2;
  }

  accept(): void {
    // Mirostat learns from what it drew itself, when it drew it, as in llama.cpp.
  }

  reset(): void {
    this.#mu = 2 * this.#options.mirostatTau;
  }

  write(state: StateWriter): void {
    state.f64(this.#mu);
  }

  read(state: StateReader): void {
    this.#mu = state.f64();
  }
}
