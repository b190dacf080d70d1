// The tokens still in the running, with their logits: loaded once per drawn token from a row of
// logits, then changed by one sampler after the other, then drawn from. Buffers are kept between
// tokens, so a vocabulary of 256k costs no allocation.
//
// Always true between samplers: every logit is finite; the order is either ascending id
// (sorted = false) or descending logit with ties by ascending id (sorted = true). The one
// exception: dividing by a temperature may make neighbours of a sorted list equal; they keep
// their order.

import { SamplingError } from "./error.ts";
import type { SamplerMath } from "./math.ts";
import { f32Max } from "./options.ts";
import { maxVocabularySize, RadixSort, rankBest, unrank } from "./ranking.ts";

/** From about 16,384 on a heap is slower than sorting all 262,144 (measured, Node 20). */
const largestHeap = 4096;

export class Candidates {
  /** Token ids, [capacity]; the first `size` count. */
  ids = new Int32Array(0);
  /** Logits, [capacity], finite f32. */
  logits = new Float32Array(0);
  /** exp(logit - best logit) of the last weigh(), [capacity], f64. */
  weights = new Float64Array(0);
  /** Sum of the weights, added in candidate order in f64. */
  weightTotal = 0;
  size = 0;
  sorted = false;
  /** Length of the row of logits that was loaded. */
  vocabularySize = 0;
  #keys = new Float64Array(0);
  readonly #radixSort = new RadixSort();

  /**
   * Takes over a row of logits (copied) plus bias, leaving out tokens at -Infinity. Throws
   * SamplingError for NaN, +Infinity, a bias outside the vocabulary, or if no token is left.
   */
  load(row: Float32Array, bias: ReadonlyMap<number, number>): void {
    const n = row.length;
    this.#reserve(n);
    this.vocabularySize = n;
    this.sorted = false;
    const { ids, logits } = this;
    logits.set(row);
    for (const [token, amount] of bias) {
      if (token >= n) {
        throw new SamplingError("logitBias", `tokens below ${n}`, `token ${token}`);
      }
      const logit = row[token];
      if (logit - logit !== 0) continue; // -Infinity stays; NaN and +Infinity are reported below
      logits[token] = amount === -Infinity ? amount : saturate(logit + amount);
    }
    let kept = 0;
    for (let token = 0; token < n; token++) {
      const logit = logits[token];
      if (logit === -Infinity) continue;
      if (!(logit < Infinity)) throw badLogit(logit, token);
      ids[kept] = token;
      logits[kept++] = logit;
    }
    if (kept === 0) throw noCandidate(n);
    this.size = kept;
  }

  /** Index of the best candidate: highest logit, then first in order. */
  best(): number {
    if (this.sorted) return 0;
    const { logits, size } = this;
    let best = 0;
    for (let i = 1; i < size; i++) if (logits[i] > logits[best]) best = i;
    return best;
  }

  /** Sorts all candidates. */
  sort(): void {
    if (!this.sorted) this.#sortAll();
  }

  /** Keeps the k best (at least 1), sorted. */
  keepBest(k: number): void {
    const count = Math.max(1, Math.min(k, this.size));
    if (!this.sorted) {
      if (count > largestHeap) {
        this.#sortAll();
      } else {
        const keys = this.#keyBuffer(count);
        rankBest(this.ids, this.logits, this.size, count, keys);
        unrank(keys, count, this.ids, this.logits);
        this.sorted = true;
      }
    }
    this.size = count;
  }

  /** Logits of the k best in order, f64, without changing anything. For unsorted candidates. */
  peekBest(k: number): Float64Array {
    const count = Math.min(k, this.size);
    const keys = this.#keyBuffer(count);
    rankBest(this.ids, this.logits, this.size, count, keys);
    const best = new Float32Array(count);
    unrank(keys, count, new Int32Array(count), best);
    return Float64Array.from(best);
  }

  /** Keeps the candidates whose index passes, in their order. */
  filter(keep: (index: number) => boolean): void {
    const { ids, logits, size } = this;
    let kept = 0;
    for (let i = 0; i < size; i++) {
      if (!keep(i)) continue;
      ids[kept] = ids[i];
      logits[kept++] = logits[i];
    }
    this.size = kept;
  }

  /** Keeps one candidate. */
  keepOnly(index: number): void {
    this.ids[0] = this.ids[index];
    this.logits[0] = this.logits[index];
    this.size = 1;
    this.sorted = true;
  }

  /**
   * Replaces the logits of the tokens that are in `values` and still candidates, then restores the
   * order. Results are saturated to finite f32.
   */
  adjust<T>(values: ReadonlyMap<number, T>, change: (logit: number, value: T) => number): void {
    const { ids, logits, size } = this;
    if (!this.sorted && size === this.vocabularySize) {
      // Nothing has been left out, so index = id: no search through the vocabulary.
      for (const [token, value] of values) {
        if (token < size) logits[token] = saturate(change(logits[token], value));
      }
      return;
    }
    for (let i = 0; i < size; i++) {
      const value = values.get(ids[i]);
      if (value !== undefined) logits[i] = saturate(change(logits[i], value));
    }
    if (this.sorted) this.#sortAll();
  }

  /** Divides all logits by a positive f32. If the best overflows, it alone is left. */
  divide(by: number): void {
    const { logits, size } = this;
    const best = this.best();
    const scaled = Math.fround(logits[best] / by);
    if (scaled === Infinity || scaled === -Infinity) {
      this.keepOnly(best);
      return;
    }
    for (let i = 0; i < size; i++) logits[i] = saturate(logits[i] / by);
  }

  /** Fills weights and weightTotal; returns the best logit, whose weight is 1. */
  weigh(math: SamplerMath): number {
    const { logits, size } = this;
    if (this.weights.length < size) this.weights = new Float64Array(this.logits.length);
    const best = logits[this.best()];
    const weights = this.weights.subarray(0, size);
    for (let i = 0; i < size; i++) weights[i] = logits[i] - best;
    math.expF64(weights);
    let total = 0;
    for (let i = 0; i < size; i++) total += weights[i];
    this.weightTotal = total;
    return best;
  }

  #sortAll(): void {
    // A list that was sorted by logit is in no order of ids.
    this.#radixSort.sort(this.ids, this.logits, this.size, !this.sorted);
    this.sorted = true;
  }

  #keyBuffer(n: number): Float64Array {
    if (this.#keys.length < n) this.#keys = new Float64Array(n);
    return this.#keys.subarray(0, n);
  }

  #reserve(n: number): void {
    if (n > maxVocabularySize) {
      throw new SamplingError("logits", `at most ${maxVocabularySize} values`, String(n));
    }
    // Exactly n: `logits.set` and a view of all bits then need no bounds of their own.
    if (this.logits.length === n) return;
    this.ids = new Int32Array(n);
    this.logits = new Float32Array(n);
  }
}

/**
 * The greedy fast path: the id of the highest logit, the lowest id among equals. Throws as
 * Candidates.load does.
 */
export function argmax(row: Float32Array): number {
  let best = -1;
  let bestLogit = -Infinity;
  for (let token = 0; token < row.length; token++) {
    const logit = row[token];
    if (logit > bestLogit) {
      if (logit === Infinity) throw badLogit(logit, token);
      best = token;
      bestLogit = logit;
    } else if (logit !== logit) {
      throw badLogit(logit, token);
    }
  }
  if (best < 0) throw noCandidate(row.length);
  return best;
}

/** Rounds to f32; what would overflow becomes the largest finite value. */
export function saturate(x: number): number {
  return x > f32Max ? f32Max : x < -f32Max ? -f32Max : Math.fround(x);
}

function badLogit(logit: number, token: number): SamplingError {
  const remedy =
    "the model's weights or the numbers of its metadata are damaged: download or convert it again";
  return new SamplingError("logits", "numbers or -Infinity", `${logit} at token ${token}`, remedy);
}

function noCandidate(n: number): SamplingError {
  const found = n === 0 ? "an empty row" : `-Infinity for all ${n} tokens`;
  return new SamplingError("logits", "a token that may be drawn", found);
}
