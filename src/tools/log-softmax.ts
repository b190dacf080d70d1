// ln softmax of a row of logits without keeping it: maximum, minimum and the logarithm of the sum. Sums are f64 in index
// order, exp and log the kernels' own, so that the numbers are the same on every engine.

import type { SamplerMath } from "../sampling/math.ts";

export interface LogSoftmaxRow {
  readonly max: number;
  readonly min: number;
  /** Index of the maximum; of equal ones, the lowest. */
  readonly best: number;
  /** ln of the sum of e^(logit - max): ln p of token i is logits[i] - max - logSum. */
  readonly logSum: number;
}

export class LogSoftmax {
  private readonly exps: Float64Array;

  constructor(
    nVocab: number,
    private readonly math: SamplerMath,
  ) {
    this.exps = new Float64Array(nVocab);
  }

  /** `logits` is [nVocab]. A logit of -Infinity has probability 0. */
  of(logits: Float32Array): LogSoftmaxRow {
    const { exps } = this;
    let best = 0,
      min = logits[0];
    for (let i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) best = i;
      if (logits[i] < min) min = logits[i];
    }
    const max = logits[best];
    for (let i = 0; i < exps.length; i++) exps[i] = Math.max(logits[i] - max, -1e9); // finite; e^-1e9 is 0
    this.math.expF64(exps);
    let sum = 0;
    for (let i = 0; i < exps.length; i++) sum += exps[i];
    return { max, min, best, logSum: this.math.log64(sum) };
  }
}

/** e^x for any x. */
export function exp(x: number, math: SamplerMath): number {
  const one = Float64Array.of(x > 0 ? -x : x); // the kernels' function is meant for x <= 0
  math.expF64(one);
  return x > 0 ? 1 / one[0] : one[0];
}
