import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Neighbours } from "../../../src/tokenizer/neighbours.ts";

const code = (character: string) => character.codePointAt(0)!;
const CHARACTERS = ["a", "b", "~", " ", "▁", "é", "中", "文", "😀", "\n"];

describe("neighbours in tokens", () => {
  const token = fc.string({ unit: fc.constantFrom(...CHARACTERS), maxLength: 6 });

  it("have every pair of every token", () => {
    fc.assert(
      fc.property(fc.array(token, { maxLength: 20 }), (tokens) => {
        const neighbours = new Neighbours(tokens);
        for (const text of tokens) {
          const codes = Array.from(text, code);
          for (let i = 1; i < codes.length; i++) {
            expect(neighbours.has(codes[i - 1], codes[i])).toBe(true);
          }
        }
      }),
      { seed: 9, numRuns: 500 },
    );
  });

  it("have no other pair of ASCII characters or written spaces, and few beyond", () => {
    const neighbours = new Neighbours(["▁ab", "b▁", "é中", "a😀"]);
    const has = (pair: string) => {
      const [left, right] = Array.from(pair, code);
      return neighbours.has(left, right);
    };
    expect(["▁a", "ab", "b▁", "é中", "a😀"].map(has)).toEqual(Array(5).fill(true));
    expect(["ba", "a▁", "▁b", "aa", "▁▁", "a\n", "\na"].map(has)).toEqual(Array(7).fill(false));
    let others = 0;
    for (let right = 128; right < 10_128; right++) if (neighbours.has(code("a"), right)) others++;
    expect(others).toBeLessThan(10);
  });
});
