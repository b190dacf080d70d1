// The word cache against a Map, with more words than it holds and with words that share a hash.
import { describe, expect, it } from "vitest";
import { IntList } from "../../../src/tokenizer/int-list.ts";
import { WordCache } from "../../../src/tokenizer/word-cache.ts";

/** The tokens that the cache has for `word`, or undefined. */
function take(cache: WordCache, word: Int32Array): number[] | undefined {
  const out = new IntList();
  out.push(-7); // it appends
  const around = Int32Array.of(1, ...word, 2);
  const known = cache.take(around, 1, 1 + word.length, out);
  expect(out.array[0]).toBe(-7);
  if (!known) expect(out.length).toBe(1);
  return known ? out.toArray().slice(1) : undefined;
}

function set(cache: WordCache, word: Int32Array, tokens: readonly number[]): void {
  cache.set(word, 0, word.length, Int32Array.from(tokens));
}

describe("word cache", () => {
  it("gives back what was remembered, and nothing for a beginning or an end of it", () => {
    const cache = new WordCache();
    const word = Int32Array.of(0x20, 0x1f600, 0x61);
    expect(take(cache, word)).toBeUndefined();
    set(cache, word, [3, 4]);
    set(cache, word.subarray(0, 2), []);
    expect(take(cache, word)).toEqual([3, 4]);
    expect(take(cache, word.subarray(0, 2))).toEqual([]);
    expect(take(cache, word.subarray(1))).toBeUndefined();
    expect(take(cache, word.subarray(0, 1))).toBeUndefined();
  });

  it("leaves long words alone", () => {
    const cache = new WordCache();
    const word = new Int32Array(65).fill(97);
    set(cache, word, [1]);
    expect(take(cache, word)).toBeUndefined();
    set(cache, word.subarray(1), [1]);
    expect(take(cache, word.subarray(1))).toEqual([1]);
  });

  it("forgets, but never mistakes a word for another", () => {
    const cache = new WordCache();
    const out = new IntList();
    const count = 200_000; // more than it holds
    const wordOf = (i: number) => Int32Array.of(97 + (i % 26), i, i >> 3);
    let known = 0;
    const wrong: number[] = [];
    for (let i = 1; i <= count; i++) {
      set(cache, wordOf(i), [i, -i]);
      for (const earlier of [i, (i + 1) >> 1]) {
        out.clear();
        const found = cache.take(wordOf(earlier), 0, 3, out);
        if (found) known++;
        if (found ? out.array[0] !== earlier || out.array[1] !== -earlier : earlier === i) {
          wrong.push(earlier);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(known).toBeGreaterThan(1.25 * count); // all as the newest, some as an older one
    expect(known).toBeLessThan(2 * count);
  });

  it("looks at few of the words that share a hash", () => {
    const cache = new WordCache();
    // The multiplier of word-cache.ts: the second code point undoes what the first one did.
    const wordOf = (i: number) => Int32Array.of(i, Math.imul(i, 0x61c88647) ^ 12345);
    const words = Array.from({ length: 1000 }, (_, i) => wordOf(i));
    for (const [i, word] of words.entries()) {
      set(cache, word, [i]);
      expect(take(cache, word)).toEqual([i]);
    }
    const known = words.filter((word) => take(cache, word) !== undefined);
    expect(known.length).toBeLessThanOrEqual(8);
  });
});
