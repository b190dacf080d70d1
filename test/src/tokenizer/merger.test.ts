// Merging against the plain rule, around the length where a queue takes over and far beyond it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Merger, type PairTable } from "../../../src/tokenizer/merger.ts";

/** Symbols 0..count-1; which pairs merge, into what and how early, follows from `seed`. */
class Pairs implements PairTable {
  priority = 0;
  readonly #count: number;
  readonly #seed: number;

  constructor(count: number, seed: number) {
    this.#count = count;
    this.#seed = seed;
  }

  merge(left: number, right: number): number {
    if (left < 0 || right < 0) return -1;
    let hash = Math.imul(this.#seed + left * 101 + right, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0x61c88647) >>> 8;
    if (hash % 3 === 0) return -1;
    // Few priorities, so that there are ties; an infinite one is the last, but it counts.
    this.priority = [0, -1.5, 2, Infinity][(hash >>> 4) & 3];
    return (hash >>> 6) % this.#count;
  }
}

function slowMerge(pairs: Pairs, symbols: readonly number[]) {
  const left = symbols.map((symbol, first) => ({ symbol, first }));
  for (;;) {
    let best = { at: -1, merged: -1, priority: NaN };
    for (let at = 0; at + 1 < left.length; at++) {
      const merged = pairs.merge(left[at].symbol, left[at + 1].symbol);
      const { priority } = pairs;
      if (merged >= 0 && !(priority >= best.priority)) best = { at, merged, priority };
    }
    if (best.at < 0) return left;
    left.splice(best.at, 2, { symbol: best.merged, first: left[best.at].first });
  }
}

describe("merging", () => {
  const lengths = fc.oneof(fc.nat(12), fc.integer({ min: 28, max: 36 }), fc.nat(300));
  const symbols = (length: number, count: number) =>
    fc.array(fc.integer({ min: -1, max: count - 1 }), { minLength: length, maxLength: length });

  it("joins the pair of lowest priority, the leftmost of equals, until none is left", () => {
    fc.assert(
      fc.property(
        fc.tuple(lengths, fc.integer({ min: 1, max: 60 })).chain(([length, count]) =>
          fc.record({
            words: fc.array(symbols(length, count), { minLength: 1, maxLength: 3 }),
            count: fc.constant(count),
            seed: fc.nat(1e6),
          }),
        ),
        ({ words, count, seed }) => {
          const pairs = new Pairs(count, seed);
          const merger = new Merger(pairs);
          for (const word of words) {
            merger.symbols.clear();
            for (const symbol of word) merger.symbols.push(symbol);
            merger.run();
            const found = merger.symbols
              .toArray()
              .map((symbol, i) => ({ symbol, first: merger.first[i] }));
            expect(found).toEqual(slowMerge(pairs, word));
          }
        },
      ),
      { seed: 8, numRuns: 1500 },
    );
  });
});
