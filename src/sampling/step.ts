// One sampler of the chain: something that changes the candidates, and perhaps remembers tokens.

import type { Candidates } from "./candidates.ts";
import type { StateReader, StateWriter } from "./state.ts";

export interface Step {
  /** Changes the candidates; at least one is left. */
  apply(candidates: Candidates): void;
  /** True if the best candidate always survives as the best: before a greedy choice, a no-op. */
  readonly keepsBest: boolean;
  /** Present where the step's effect depends on more than the candidates. */
  readonly memory?: Memory;
}

/** What a step remembers of its sequence. */
export interface Memory {
  accept(token: number): void;
  reset(): void;
  write(state: StateWriter): void;
  /** Called on a fresh memory only. */
  read(state: StateReader): void;
}

/** The end of the chain: chooses one candidate. */
export interface Choice {
  /** Returns the index of the chosen candidate, whose weights are then filled in. */
  choose(candidates: Candidates): number;
  readonly memory?: Memory;
}
