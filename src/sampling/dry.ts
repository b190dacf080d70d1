// DRY ("don't repeat yourself"): a token that would extend a repeat of earlier text is penalised by
// multiplier * base^(length of the repeat - allowed length). From p-e-w's proposal
// (oobabooga/text-generation-webui pull 5677) as llama.cpp's `dry` sampler does it. Integers,
// apart from the penalty itself.

import type { Candidates } from "./candidates.ts";
import type { Breakers } from "./dry-breakers.ts";
import { TokenHistory } from "./history.ts";
import type { ResolvedOptions } from "./options.ts";
import type { StateReader, StateWriter } from "./state.ts";
import type { Memory, Step } from "./step.ts";

export function dryIsActive(options: ResolvedOptions): boolean {
  return options.dryMultiplier !== 0 && options.dryBase >= 1 && options.dryPenaltyLastN !== 0;
}

export class Dry implements Step, Memory {
  readonly keepsBest = false;
  readonly memory = this;
  readonly #options: ResolvedOptions;
  readonly #breakers: Breakers;
  readonly #history: TokenHistory;
  /** Scratch, [capacity]: the history from its youngest token back, and its repeats. */
  #recent = new Int32Array(64);
  #repeats = new Int32Array(64);

  constructor(options: ResolvedOptions, breakers: Breakers) {
    this.#options = options;
    this.#breakers = breakers;
    this.#history = new TokenHistory(options.dryPenaltyLastN);
  }

  apply(candidates: Candidates): void {
    const { dryMultiplier, dryBase, dryAllowedLength } = this.#options;
    const lengths = this.#repeatLengths();
    if (lengths.size === 0) return;
    candidates.adjust(lengths, (logit, length) => {
      const power = wholePower(dryBase, length - dryAllowedLength);
      return logit - Math.fround(dryMultiplier * power);
    });
  }

  /** For each token that would extend a repeat: the length of the longest such repeat. */
  #repeatLengths(): Map<number, number> {
    const lengths = new Map<number, number>();
    const { dryAllowedLength } = this.#options;
    const n = this.#history.length;
    if (n <= dryAllowedLength) return lengths;
    if (this.#recent.length < n) {
      this.#recent = new Int32Array(2 * n);
      this.#repeats = new Int32Array(2 * n);
    }
    const recent = this.#recent;
    const repeats = this.#repeats;
    this.#history.copyBackwards(recent);
    const limit = tokensSinceBreaker(recent, n, this.#breakers);
    if (limit < dryAllowedLength) return lengths;
    prefixMatches(recent, n, repeats);
    for (let age = 1; age < n; age++) {
      const length = Math.min(repeats[age], limit);
      if (length < dryAllowedLength) continue;
      // The `length` tokens up to this age equal the youngest ones; the token that came next then
      // would extend the repeat now.
      const next = recent[age - 1];
      if (length <= (lengths.get(next) ?? -1)) continue;
      if (this.#breaksAlone(next)) continue;
      lengths.set(next, length);
    }
    return lengths;
  }

  #breaksAlone(token: number): boolean {
    return this.#breakers.get(token)?.some((rest) => rest.length === 0) ?? false;
  }

  accept(token: number): void {
    this.#history.push(token);
  }

  reset(): void {
    this.#history.clear();
  }

  write(state: StateWriter): void {
    this.#history.write(state);
  }

  read(state: StateReader): void {
    for (const token of TokenHistory.readTokens(state)) this.accept(token);
  }
}

/**
 * Number of tokens younger than the youngest breaker, or n. Of breakers that begin at the same
 * token the longest counts.
 */
function tokensSinceBreaker(recent: Int32Array, n: number, breakers: Breakers): number {
  for (let age = 0; age < n; age++) {
    const rests = breakers.get(recent[age]);
    if (rests === undefined) continue;
    let longest = -1;
    for (const rest of rests) {
      if (rest.length <= longest || rest.length > age) continue;
      if (rest.every((token, i) => token === recent[age - 1 - i])) longest = rest.length;
    }
    if (longest >= 0) return age - longest;
  }
  return n;
}

/**
 * Z-algorithm (Gusfield, "Algorithms on Strings, Trees and Sequences", chapter 1): out[i] = number
 * of tokens from index i on that equal those from index 0 on. Linear in n. out[0] is not set.
 */
function prefixMatches(tokens: Int32Array, n: number, out: Int32Array): void {
  // tokens[left..right) equals tokens[0..right - left).
  let left = 0;
  let right = 0;
  for (let i = 1; i < n; i++) {
    let length = i < right ? Math.min(out[i - left], right - i) : 0;
    while (i + length < n && tokens[length] === tokens[i + length]) length++;
    out[i] = length;
    if (i + length > right) {
      left = i;
      right = i + length;
    }
  }
}

/** base^exponent for an integer exponent >= 0 by squaring, in f64: no pow, and Infinity is fine. */
export function wholePower(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}
