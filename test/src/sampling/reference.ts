// Slow, obvious twins of the samplers, on lists of objects that are sorted with comparators, written
// from the definitions in src/sampling/README.md. Also the SamplerMath of unit tests: Math.* is
// fine here, because both sides of a comparison use it.

import { Candidates } from "../../../src/sampling/candidates.ts";
import { createSampler, type Sampler } from "../../../src/sampling/chain.ts";
import type { SamplerMath } from "../../../src/sampling/math.ts";
import type { SamplingOptions } from "../../../src/sampling/options.ts";
import type { Step } from "../../../src/sampling/step.ts";

export const testMath: SamplerMath = {
  expF64: (values) => {
    for (let i = 0; i < values.length; i++) values[i] = Math.exp(values[i]);
  },
  log64: Math.log,
  pow64: Math.pow,
};

export interface Candidate {
  id: number;
  logit: number;
}

export const noBias: ReadonlyMap<number, number> = new Map();

export function loaded(logits: ArrayLike<number>): Candidates {
  const candidates = new Candidates();
  candidates.load(Float32Array.from(logits), noBias);
  return candidates;
}

export function listed(candidates: Candidates): Candidate[] {
  return Array.from({ length: candidates.size }, (_, i) => ({
    id: candidates.ids[i],
    logit: candidates.logits[i] + 0, // -0 equals 0, and sorting makes it so
  }));
}

/** Applies a step to a row of logits. `sortedFirst` sorts before, as an earlier sampler might. */
export function after(step: Step, logits: ArrayLike<number>, sortedFirst = false): Candidate[] {
  const candidates = loaded(logits);
  if (sortedFirst) candidates.sort();
  step.apply(candidates);
  return listed(candidates);
}

export function idsOf(list: readonly Candidate[]): number[] {
  return list.map(({ id }) => id);
}

export function ascending(ids: readonly number[]): number[] {
  return [...ids].sort((a, b) => a - b);
}

export function fromLogits(logits: ArrayLike<number>): Candidate[] {
  return Array.from(logits, (logit, id) => ({ id, logit: Math.fround(logit) + 0 })).filter(
    ({ logit }) => logit !== -Infinity,
  );
}

export function sortedByLogit(list: readonly Candidate[]): Candidate[] {
  return [...list].sort((a, b) => b.logit - a.logit || a.id - b.id);
}

/** exp(logit - best), and their sum in list order. */
export function weightsOf(list: readonly Candidate[]): { weights: number[]; total: number } {
  const best = Math.max(...list.map(({ logit }) => logit));
  const weights = list.map(({ logit }) => Math.exp(logit - best));
  return { weights, total: weights.reduce((sum, weight) => sum + weight, 0) };
}

export function topKReference(list: Candidate[], k: number): Candidate[] {
  return sortedByLogit(list).slice(0, k);
}

export function topPReference(list: Candidate[], p: number, minKeep: number): Candidate[] {
  const { total } = weightsOf(list);
  const sorted = sortedByLogit(list);
  const { weights } = weightsOf(sorted);
  let sum = 0;
  const count = weights.findIndex((weight, i) => {
    sum += weight;
    return sum >= p * total && i + 1 >= minKeep;
  });
  return count < 0 ? sorted : sorted.slice(0, count + 1);
}

export function minPReference(list: Candidate[], p: number, minKeep: number): Candidate[] {
  const sorted = sortedByLogit(list);
  const least = sorted[0].logit + Math.log(p);
  return sorted.filter(({ logit }, i) => logit >= least || i < minKeep);
}

export function topNSigmaReference(list: Candidate[], n: number): Candidate[] {
  const mean = list.reduce((sum, { logit }) => sum + logit, 0) / list.length;
  const squares = list.reduce((sum, { logit }) => sum + (logit - mean) * (logit - mean), 0);
  const deviation = Math.sqrt(squares / list.length);
  const best = Math.max(...list.map(({ logit }) => logit));
  return list.filter(({ logit }) => logit >= best - n * deviation);
}

export function typicalReference(list: Candidate[], p: number, minKeep: number): Candidate[] {
  const sorted = sortedByLogit(list);
  const { weights, total } = weightsOf(sorted);
  const best = sorted[0].logit;
  const mean = weights.reduce((sum, w, i) => sum + w * (sorted[i].logit - best), 0) / total;
  const entropy = Math.log(total) - mean;
  const order = sorted
    .map((candidate, rank) => {
      const surprise = Math.log(total) - (candidate.logit - best);
      return { candidate, rank, weight: weights[rank], distance: Math.abs(surprise - entropy) };
    })
    .sort((a, b) => a.distance - b.distance || a.rank - b.rank);
  let sum = 0;
  const last = order.findIndex(({ weight }, i) => {
    sum += weight;
    return sum > p * total && i + 1 >= minKeep;
  });
  const kept = last < 0 ? order : order.slice(0, last + 1);
  return kept.sort((a, b) => a.rank - b.rank).map(({ candidate }) => candidate);
}

/** What XTC leaves when it acts. */
export function xtcReference(list: Candidate[], threshold: number, minKeep: number): Candidate[] {
  const { total } = weightsOf(list);
  const sorted = sortedByLogit(list);
  const { weights } = weightsOf(sorted);
  const above = weights.filter((weight) => weight >= threshold * total).length;
  if (above < 2 || sorted.length - (above - 1) < minKeep) return sorted;
  return sorted.slice(above - 1);
}

/** For each token: the longest match of the tokens before some occurrence of it with the end. */
export function dryLengthsReference(tokens: readonly number[], limit: number): Map<number, number> {
  const lengths = new Map<number, number>();
  for (let next = 0; next < tokens.length; next++) {
    let length = 0;
    while (length < next && tokens[next - 1 - length] === tokens[tokens.length - 1 - length]) {
      length++;
    }
    // An occurrence at the start of the text has nothing before it.
    if (next === 0) continue;
    const best = Math.max(lengths.get(tokens[next]) ?? 0, Math.min(length, limit));
    lengths.set(tokens[next], best);
  }
  return lengths;
}

export function filled(n: number, value: number): number[] {
  return Array.from({ length: n }, () => value);
}

/** Small linear congruential generator: the tests' own, so that they do not rest on Random. */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

/** A plausible row of logits: a few high values, many low, some equal. */
export function noisyLogits(n: number, seed: number): Float32Array {
  const next = noise(seed);
  return Float32Array.from({ length: n }, () => {
    const x = (next() + next() + next() + next() - 2) * 6;
    return Math.round(x * 64) / 64 + 0;
  });
}

/** Tokens of a sampler that is fed its own choices and rows of noise. */
export function run(sampler: Sampler, count: number, vocabulary: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => {
    const token = sampler.sample(noisyLogits(vocabulary, 1000 + from + i));
    sampler.accept(token);
    return token;
  });
}

export function sampler(options: Partial<SamplingOptions>): Sampler {
  return createSampler({ seed: 1, ...options }, testMath);
}
