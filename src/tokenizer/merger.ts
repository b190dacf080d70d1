// Merging: a sequence of symbols, neighbours of which are joined best candidate first until none
// is left. SPM and BPE differ in what a candidate is worth; this part they share.
import { MergeQueue } from "./merge-queue.ts";
import type { IntList } from "./int-list.ts";

/**
 * What the pair (left, right) of symbols becomes. `priority`: lower merges first, ties go left.
 * Returns the merged symbol, or -1 when the pair does not merge.
 */
export interface PairTable {
  merge(left: number, right: number): number;
  /** Priority of the pair that `merge` found last. */
  priority: number;
}

/** Symbols are numbers that only the pair table understands. Buffers are reused between words. */
export class Merger {
  readonly #pairs: PairTable;
  readonly #queue = new MergeQueue();
  /** The symbols to merge, in order. Fill it, then call `run`. */
  readonly symbols: IntList;
  #previous = new Int32Array(256);
  #next = new Int32Array(256);
  /** Initial symbols in each; 0 for one that was merged into its left neighbour. */
  #size = new Int32Array(256);

  constructor(pairs: PairTable, symbols: IntList) {
    this.#pairs = pairs;
    this.symbols = symbols;
  }

  /** Merges and calls `emit` with what is left: symbol, first initial symbol and how many. */
  run(emit: (symbol: number, first: number, count: number) => void): void {
    const n = this.symbols.length;
    if (n === 0) return;
    this.#link(n);
    const queue = this.#queue;
    const symbols = this.symbols.array;
    const [previous, next, size] = [this.#previous, this.#next, this.#size];
    for (let i = 1; i < n; i++) this.#consider(i - 1, i);
    while (queue.length > 0) {
      queue.pop();
      const { left, right } = queue;
      if (size[left] === 0 || size[right] === 0 || size[left] + size[right] !== queue.size)
        continue;
      symbols[left] = queue.merged;
      size[left] += size[right];
      size[right] = 0;
      const after = next[right];
      next[left] = after;
      if (after >= 0) previous[after] = left;
      this.#consider(previous[left], left);
      this.#consider(left, after);
    }
    for (let i = 0; i >= 0; i = next[i]) emit(symbols[i], i, size[i]);
  }

  #consider(left: number, right: number): void {
    if (left < 0 || right < 0) return;
    const { array } = this.symbols;
    const merged = this.#pairs.merge(array[left], array[right]);
    if (merged < 0) return;
    const size = this.#size[left] + this.#size[right];
    this.#queue.push(this.#pairs.priority, left, right, size, merged);
  }

  #link(n: number): void {
    if (this.#next.length < n) {
      const capacity = Math.max(n, this.#next.length * 2);
      this.#previous = new Int32Array(capacity);
      this.#next = new Int32Array(capacity);
      this.#size = new Int32Array(capacity);
    }
    for (let i = 0; i < n; i++) {
      this.#previous[i] = i - 1;
      this.#next[i] = i + 1;
      this.#size[i] = 1;
    }
    this.#next[n - 1] = -1;
    this.#queue.clear();
  }
}
