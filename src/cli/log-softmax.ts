// Log-probabilities for printing, with the same bits everywhere: exp and log are the kernels' own.

import type { Model } from "../index.ts";

/** ln softmax(logits), f64 [nVocab]. Sums in index order. A logit of -Infinity stays -Infinity. */
export function logSoftmax(
  logits: Float32Array,
  { expF64, log64 }: Model["samplerMath"],
): Float64Array {
  const max = logits[argmax(logits)];
  const exps = Float64Array.from(logits, (x) => (x === -Infinity ? -1e9 : x - max)); // e^-1e9 is 0
  expF64(exps);
  let sum = 0;
  for (const e of exps) sum += e;
  const logSum = log64(sum);
  return Float64Array.from(logits, (x) => x - max - logSum);
}

/** Index of the largest value; of equal ones, the lowest. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
