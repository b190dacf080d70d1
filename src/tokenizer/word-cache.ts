// Tokens of words met before. Text repeats its words: nine of ten come from here, so finding one
// makes no string and no object: words are compared by their code points.
import { IntList } from "./int-list.ts";

// 64 code points: longer words hardly ever come back.
const MAX_WORD = 64;
// 2^20 numbers, 4 MB: about 90,000 words. Then all are forgotten.
const MAX_POOL = 1 << 20;
const SLOT_BITS = 17; // more slots than words
const SLOT_MASK = (1 << SLOT_BITS) - 1;
// Slots in which a word may be: a text made so that all its words have one hash loses the cache's
// use, not linear time.
const WAYS = 8;
/** Hash, length of the word, number of tokens; then the word and the tokens. */
const HEADER = 3;

export class WordCache {
  /** Where in the pool each entry begins; 0 for none. */
  readonly #slots = new Int32Array(1 << SLOT_BITS);
  readonly #pool = new IntList();

  constructor() {
    this.#clear();
  }

  /** Appends the tokens of the word codes[start..end) to `out`; false for a word not known. */
  take(codes: Int32Array, start: number, end: number, out: IntList): boolean {
    const length = end - start;
    if (length > MAX_WORD) return false;
    const hash = hashOf(codes, start, end);
    const pool = this.#pool.array;
    for (let way = 0; way < WAYS; way++) {
      const at = this.#slots[(hash + way) & SLOT_MASK];
      if (at === 0) return false;
      if (pool[at] !== hash || pool[at + 1] !== length) continue;
      const word = at + HEADER;
      let i = 0;
      while (i < length && pool[word + i] === codes[start + i]) i++;
      if (i < length) continue;
      const tokens = word + length;
      out.append(pool, tokens, tokens + pool[at + 2]);
      return true;
    }
    return false;
  }

  /** Remembers the tokens of a word that `take` does not know. */
  set(codes: Int32Array, start: number, end: number, tokens: Int32Array): void {
    const length = end - start;
    if (length > MAX_WORD) return;
    const pool = this.#pool;
    if (pool.length + HEADER + length + tokens.length > MAX_POOL) this.#clear();
    const hash = hashOf(codes, start, end);
    let slot = hash & SLOT_MASK;
    for (let way = 0; way < WAYS; way++) {
      const free = (hash + way) & SLOT_MASK;
      if (this.#slots[free] !== 0) continue;
      slot = free;
      break;
    }
    this.#slots[slot] = pool.length;
    pool.push(hash);
    pool.push(length);
    pool.push(tokens.length);
    pool.append(codes, start, end);
    pool.append(tokens, 0, tokens.length);
  }

  #clear(): void {
    this.#slots.fill(0);
    this.#pool.clear();
    this.#pool.push(0); // no entry begins at 0
  }
}

function hashOf(codes: Int32Array, start: number, end: number): number {
  let hash = 0;
  // Odd constants near 2^32 / golden ratio and its square; the high bits are the well-mixed ones.
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ codes[i], 0x61c88647);
  hash = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
  return hash ^ (hash >>> 15);
}
