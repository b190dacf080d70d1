// The last tokens of a sequence, as penalties and DRY look back at them: a ring that grows up to
// its capacity, or for ever when that is Infinity.

import type { StateReader, StateWriter } from "./state.ts";

export class TokenHistory {
  length = 0;
  readonly #capacity: number;
  #ring = new Int32Array(16);
  /** Index of the oldest token. */
  #start = 0;

  /** @param lastN tokens to keep, at least 1; -1 keeps all */
  constructor(lastN: number) {
    this.#capacity = lastN === -1 ? Infinity : lastN;
  }

  /** Appends a token; returns the one that fell out, or -1. */
  push(token: number): number {
    if (this.length === this.#capacity) {
      const index = this.#start;
      const oldest = this.#ring[index];
      // A full ring may be longer than the capacity (it grows by doubling), so the new token goes
      // after the youngest, not into the oldest's place.
      this.#ring[(index + this.length) % this.#ring.length] = token;
      this.#start = (index + 1) % this.#ring.length;
      return oldest;
    }
    if (this.length === this.#ring.length) this.#grow();
    this.#ring[(this.#start + this.length) % this.#ring.length] = token;
    this.length++;
    return -1;
  }

  /** Writes the tokens into `out`, the youngest first, and returns how many. */
  copyBackwards(out: Int32Array): number {
    const ring = this.#ring;
    let from = (this.#start + this.length) % ring.length;
    for (let i = 0; i < this.length; i++) {
      from = from === 0 ? ring.length - 1 : from - 1;
      out[i] = ring[from];
    }
    return this.length;
  }

  clear(): void {
    this.length = 0;
    this.#start = 0;
  }

  write(state: StateWriter): void {
    state.u32(this.length);
    for (let i = 0; i < this.length; i++) {
      state.u32(this.#ring[(this.#start + i) % this.#ring.length]);
    }
  }

  /** Reads what write() wrote: the tokens, the oldest first. */
  static readTokens(state: StateReader): number[] {
    const length = state.u32();
    state.expectWords(length);
    return Array.from({ length }, () => state.u32());
  }

  #grow(): void {
    const ring = new Int32Array(this.#ring.length * 2);
    for (let i = 0; i < this.length; i++) {
      ring[i] = this.#ring[(this.#start + i) % this.#ring.length];
    }
    this.#ring = ring;
    this.#start = 0;
  }
}
