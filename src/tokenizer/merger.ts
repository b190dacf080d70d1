// Merging: a sequence of symbols, neighbours of which are joined best candidate first until none
// is left. SPM and BPE differ in what a candidate is worth; this part they share.
import { MergeQueue } from "./merge-queue.ts";
import { IntList } from "./int-list.ts";

/**
 * What the pair (left, right) of symbols becomes. `priority`: lower merges first, ties go left.
 * Returns the merged symbol, or -1 when the pair does not merge.
 */
export interface PairTable {
  merge(left: number, right: number): number;
  /** Priority of the pair that `merge` found last. */
  priority: number;
}

// Up to here all pairs are looked through for each merge: in short sequences, and nearly all words
// are short, that is faster than a queue. Measured: bench/RESULTS.md.
const SHORT = 32;

/** Symbols are numbers that only the pair table understands. Buffers are reused between words. */
export class Merger {
  /** The symbols to merge, in order. Fill it, then call `run`. */
  readonly symbols = new IntList();
  /** After `run`: at which initial symbol each of the symbols left begins. */
  first = new Int32Array(256);
  readonly #pairs: PairTable;
  // Of a short sequence: what each symbol and the next become, or -1, and the priority of that.
  readonly #merged = new Int32Array(SHORT);
  readonly #priority = new Float64Array(SHORT);
  readonly #queue = new MergeQueue();
  // Of a long one: a list of symbols.
  #previous = new Int32Array(256);
  #next = new Int32Array(256);
  /** Initial symbols in each; 0 for one that was merged into its left neighbour. */
  #size = new Int32Array(256);

  constructor(pairs: PairTable) {
    this.#pairs = pairs;
  }

  /** Merges until no pair is left that does. */
  run(): void {
    const n = this.symbols.length;
    if (this.first.length < n) this.first = new Int32Array(Math.max(n, this.first.length * 2));
    if (n <= SHORT) this.#runShort();
    else this.#runLong(n);
  }

  #runShort(): void {
    const symbols = this.symbols.array;
    const [first, merged, priority] = [this.first, this.#merged, this.#priority];
    let last = this.symbols.length - 1; // the last symbol, which begins no pair
    for (let i = 0; i <= last; i++) {
      first[i] = i;
      if (i < last) this.#look(i);
    }
    for (;;) {
      let best = -1;
      for (let i = 0; i < last; i++) {
        if (merged[i] >= 0 && (best < 0 || priority[i] < priority[best])) best = i;
      }
      if (best < 0) break;
      symbols[best] = merged[best];
      for (let i = best + 1; i < last; i++) {
        symbols[i] = symbols[i + 1];
        first[i] = first[i + 1];
        merged[i] = merged[i + 1];
        priority[i] = priority[i + 1];
      }
      last--;
      if (best > 0) this.#look(best - 1);
      if (best < last) this.#look(best);
    }
    this.symbols.length = last + 1;
  }

  // What symbol i and the next become.
  #look(i: number): void {
    const { array } = this.symbols;
    this.#merged[i] = this.#pairs.merge(array[i], array[i + 1]);
    this.#priority[i] = this.#pairs.priority;
  }

  #runLong(n: number): void {
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
    let length = 0;
    for (let i = 0; i >= 0; i = next[i]) {
      symbols[length] = symbols[i];
      this.first[length++] = i;
    }
    this.symbols.length = length;
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
