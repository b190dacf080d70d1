// Repeat, frequency and presence penalties over the last n accepted tokens, as llama.cpp's
// `penalties` sampler. The repeat penalty is that of CTRL (Keskar et al. 2019, section 4.1), except
// that logits <= 0 are multiplied: dividing would make a penalised token likelier.

import type { Candidates } from "./candidates.ts";
import { TokenHistory } from "./history.ts";
import type { ResolvedOptions } from "./options.ts";
import type { StateReader, StateWriter } from "./state.ts";
import type { Memory, Step } from "./step.ts";

export function penaltiesAreActive(options: ResolvedOptions): boolean {
  const { repeatLastN, repeatPenalty, frequencyPenalty, presencePenalty } = options;
  return (
    repeatLastN !== 0 && (repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0)
  );
}

/** logit (/ or *) repeat - (count * frequency + presence), each step rounded to f32. */
export class Penalties implements Step, Memory {
  readonly keepsBest = false;
  readonly memory = this;
  readonly #options: ResolvedOptions;
  readonly #history: TokenHistory;
  /** Occurrences in the history, of the tokens that occur. */
  readonly #counts = new Map<number, number>();

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#history = new TokenHistory(options.repeatLastN);
  }

  apply(candidates: Candidates): void {
    const { repeatPenalty, frequencyPenalty, presencePenalty } = this.#options;
    candidates.adjust(this.#counts, (logit, count) => {
      const repeated = Math.fround(logit <= 0 ? logit * repeatPenalty : logit / repeatPenalty);
      const perCount = Math.fround(count * frequencyPenalty);
      return repeated - Math.fround(perCount + presencePenalty);
    });
  }

  accept(token: number): void {
    const counts = this.#counts;
    counts.set(token, (counts.get(token) ?? 0) + 1);
    const oldest = this.#history.push(token);
    if (oldest < 0) return;
    const left = counts.get(oldest)! - 1;
    if (left === 0) counts.delete(oldest);
    else counts.set(oldest, left);
  }

  reset(): void {
    this.#history.clear();
    this.#counts.clear();
  }

  write(state: StateWriter): void {
    this.#history.write(state);
  }

  read(state: StateReader): void {
    for (const token of TokenHistory.readTokens(state)) this.accept(token);
  }
}
