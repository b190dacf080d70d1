// The merges of a BPE vocabulary as a hash table from a pair of tokens to rank and merged token:
// open addressing in typed arrays, because a Map keyed by pairs would allocate for each look-up.
import { TokenizerError } from "./errors.ts";
import type { PairTable } from "./merger.ts";
import type { VocabularyMetadata } from "./metadata.ts";
import type { Vocabulary } from "./vocabulary.ts";

const KEY = "tokenizer.ggml.merges";

export class MergeTable implements PairTable {
  /** Rank of the merge found last. */
  priority = 0;
  readonly #mask: number;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #rank: Int32Array;
  readonly #merged: Int32Array;

  /** Reads `tokenizer.ggml.merges`: "left right" in order of rank. Every part must be a token. */
  static read(meta: VocabularyMetadata, { ids }: Vocabulary, optional: boolean): MergeTable {
    const merges = meta.strings(KEY);
    if (merges === undefined && !optional) throw meta.wrong(KEY, "an array of strings");
    const table = new MergeTable(merges?.length ?? 0);
    const find = (text: string, rank: number, merge: string): number => {
      const id = ids.get(text);
      if (id !== undefined) return id;
      throw badMerge(rank, `${JSON.stringify(text)} among the tokens`, merge);
    };
    for (const [rank, merge] of merges?.entries() ?? []) {
      const gap = merge.indexOf(" ", 1);
      const [left, right] = [merge.slice(0, Math.max(gap, 0)), merge.slice(gap + 1)];
      if (gap < 0 || right === "") throw badMerge(rank, 'two tokens, "left right"', merge);
      const merged = find(left + right, rank, merge);
      table.#insert(find(left, rank, merge), find(right, rank, merge), rank, merged);
    }
    return table;
  }

  private constructor(count: number) {
    let capacity = 16;
    while (capacity < 2 * count) capacity *= 2;
    this.#mask = capacity - 1;
    this.#left = new Int32Array(capacity).fill(-1);
    this.#right = new Int32Array(capacity);
    this.#rank = new Int32Array(capacity);
    this.#merged = new Int32Array(capacity);
  }

  merge(left: number, right: number): number {
    if (left < 0 || right < 0) return -1;
    const slot = this.#slot(left, right);
    if (this.#left[slot] < 0) return -1;
    this.priority = this.#rank[slot];
    return this.#merged[slot];
  }

  // The slot of the pair, or the empty one where it belongs.
  #slot(left: number, right: number): number {
    // Two odd constants near 2^32 / golden ratio and its square spread neighbouring ids.
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x61c88647);
    hash ^= hash >>> 15;
    let slot = hash & this.#mask;
    while (this.#left[slot] >= 0 && (this.#left[slot] !== left || this.#right[slot] !== right)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #insert(left: number, right: number, rank: number, merged: number): void {
    const slot = this.#slot(left, right);
    if (this.#left[slot] >= 0) return; // a pair counts with its first rank
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#rank[slot] = rank;
    this.#merged[slot] = merged;
  }
}

function badMerge(rank: number, expected: string, merge: string): TokenizerError {
  return new TokenizerError({
    subject: `${KEY}[${rank}]`,
    expected,
    found: JSON.stringify(merge),
    remedy: "the vocabulary and its merges do not belong together: convert the model again",
  });
}
