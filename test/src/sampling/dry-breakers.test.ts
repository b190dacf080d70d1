import { describe, expect, it } from "vitest";
import { createSampler } from "../../../src/sampling/chain.ts";
import { dryBreakers, type SamplingVocabulary } from "../../../src/sampling/dry-breakers.ts";
import { testMath, filled } from "./reference.ts";

/** Tokens are these texts; text is tokenized greedily, the longest token first. */
function vocabularyOf(texts: string[]): SamplingVocabulary & { calls: number } {
  const encoder = new TextEncoder();
  const tokens = texts.map((text) => encoder.encode(text));
  const vocabulary = {
    calls: 0,
    nTokens: tokens.length,
    tokenBytes(token: number): Uint8Array {
      vocabulary.calls++;
      return tokens[token];
    },
    tokenize(bytes: Uint8Array): number[] {
      const out: number[] = [];
      for (let at = 0; at < bytes.length;) {
        const fits = tokens
          .map((token, id) => ({ id, length: token.length, token }))
          .filter(({ token }) => token.every((byte, i) => byte === bytes[at + i]))
          .sort((a, b) => b.length - a.length);
        if (fits.length === 0) throw new Error(`no token for byte ${bytes[at]}`);
        out.push(fits[0].id);
        at += fits[0].length;
      }
      return out;
    },
  };
  return vocabulary;
}

describe("dryBreakers", () => {
  it("finds tokens that hold a breaker and tokens that begin one", () => {
    const vocabulary = vocabularyOf(["a", "b", "c", "ab", "xabcx", "ca", "bc", "cab", "d"]);
    const breakers = dryBreakers(["abc"], vocabulary);
    expect(breakers).toEqual(
      new Map([
        [0, [[6]]], // a + bc
        [3, [[2]]], // ab + c
        [4, [[]]], // xabcx holds it
        [5, [[6]]], // ca ends with a
        [7, [[2]]], // cab ends with ab
      ]),
    );
  });

  it("keeps every way a token may begin a breaker, once", () => {
    const vocabulary = vocabularyOf(["a", "aa", "b"]);
    // aa ends with `a` and with `aa` of `aab`.
    expect(dryBreakers(["aab", "aab"], vocabulary)).toEqual(
      new Map([
        [0, [[0, 2]]],
        [1, [[2], [0, 2]]],
      ]),
    );
    const several = dryBreakers(["b", "ab"], vocabulary);
    expect(several).toEqual(
      new Map([
        [0, [[2]]],
        [1, [[2]]],
        [2, [[]]],
      ]),
    );
  });

  it("works on bytes, inside a character", () => {
    const vocabulary = vocabularyOf(["x"]);
    const [first, second] = new TextEncoder().encode("é");
    const split = {
      ...vocabulary,
      nTokens: 2,
      tokenBytes: (token: number) => Uint8Array.of(token === 0 ? first : second),
      tokenize: (bytes: Uint8Array) => Array.from(bytes, (byte) => (byte === first ? 0 : 1)),
    };
    expect(dryBreakers(["é"], split)).toEqual(new Map([[0, [[1]]]]));
  });

  it("cuts a breaker at 40 bytes and its rest at 20 tokens", () => {
    const vocabulary = vocabularyOf(["a", "b", "a".repeat(40)]);
    const breakers = dryBreakers(["a".repeat(40) + "b"], vocabulary);
    expect(breakers.get(2)).toEqual([[]]);
    expect(breakers.get(0)).toEqual([filled(20, 0)]);
  });

  it("walks a vocabulary once per list of texts", () => {
    const vocabulary = vocabularyOf(["a", "b"]);
    const first = dryBreakers(["a"], vocabulary);
    expect(dryBreakers(["a"], vocabulary)).toBe(first);
    expect(vocabulary.calls).toBe(2);
    dryBreakers(["b"], vocabulary);
    expect(vocabulary.calls).toBe(4);
  });

  it("is used by the chain: a repeat before a newline costs nothing", () => {
    const vocabulary = vocabularyOf(["\n", "a", "b", "c", "d"]);
    const next = (tokens: number[], drySequenceBreakers: string[]): number => {
      const options = { dryMultiplier: 5, drySequenceBreakers, temperature: 0 };
      const sampler = createSampler(options, testMath, vocabulary);
      for (const token of tokens) sampler.accept(token);
      // d is likeliest, c close behind.
      return sampler.sample(Float32Array.of(0, 0, 0, 2.5, 3));
    };
    const tokens = [1, 2, 0, 3, 4, 1, 2, 0, 3];
    expect(next(tokens, [])).toBe(3);
    expect(next(tokens, ["\n"])).toBe(4);
  });
});
