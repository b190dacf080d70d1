// Special tokens cut out of a text, against llama.cpp's way: each token in turn, longest first, over all raw text.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Fragment, SpecialTokenPartition } from "../../../src/tokenizer/fragments.ts";
import { ATTRIBUTE, type Vocabulary } from "../../../src/tokenizer/vocabulary.ts";

function vocabularyOf(tokens: readonly { text: string; attribute: number }[]): Vocabulary {
  const texts = tokens.map(({ text }) => text);
  return {
    texts,
    ids: new Map(texts.map((text, id) => [text, id])),
    scores: undefined,
    attributes: Uint8Array.from(tokens, ({ attribute }) => attribute),
    special: {},
    warnings: [],
  };
}

function slowSplit({ texts, attributes }: Vocabulary, text: string, parseSpecial: boolean) {
  const bytes = (id: number) => new TextEncoder().encode(texts[id]).length;
  const hidden = parseSpecial ? 0 : ATTRIBUTE.control | ATTRIBUTE.unknown;
  const ids = texts
    .map((_, id) => id)
    .filter((id) => (attributes[id] & hidden) === 0)
    .sort((a, b) => bytes(b) - bytes(a) || a - b);
  let fragments: Fragment[] = [text];
  for (const id of ids) {
    fragments = fragments.flatMap((fragment) => {
      if (typeof fragment === "number") return [fragment];
      const cut: Fragment[] = [];
      let rest = fragment;
      for (let at = rest.indexOf(texts[id]); at >= 0; at = rest.indexOf(texts[id])) {
        const before = rest.slice(0, at);
        const strips = (bit: number) => (attributes[id] & bit) !== 0;
        cut.push(strips(ATTRIBUTE.stripLeft) ? before.replace(/[ \t-\r]+$/, "") : before, id);
        rest = rest.slice(at + texts[id].length);
        if (strips(ATTRIBUTE.stripRight)) rest = rest.replace(/^[ \t-\r]+/, "");
      }
      return [...cut, rest];
    });
  }
  return fragments.filter((fragment) => fragment !== "");
}

describe("special tokens in a text", () => {
  const piece = fc.constantFrom("a", "b", " ", "  ", "<", "<a", "é", "\n");
  const word = fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));
  const strip = fc.constantFrom(0, 0, ATTRIBUTE.stripLeft, ATTRIBUTE.stripRight, 64 | 128);
  const kind = fc.constantFrom(ATTRIBUTE.control, ATTRIBUTE.userDefined);
  const vocabulary = (strips: fc.Arbitrary<number>) =>
    fc
      .uniqueArray(fc.tuple(word, kind, strips), { maxLength: 8, selector: ([text]) => text })
      .map((rows) =>
        vocabularyOf(rows.map(([text, type, more]) => ({ text, attribute: type | more }))),
      );
  const text = fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(""));

  it.each([
    ["without strip attributes", fc.constant(0)],
    ["with them", strip],
  ])("equal a slow reference %s", (_, strips) => {
    fc.assert(
      fc.property(vocabulary(strips), text, fc.boolean(), (v, t, parseSpecial) => {
        const partition = new SpecialTokenPartition(
          v,
          v.texts.map((_text, id) => id),
        );
        expect(partition.split(t, parseSpecial)).toEqual(slowSplit(v, t, parseSpecial));
      }),
      { seed: 6, numRuns: 5000 },
    );
  });

  it("take the longest of tokens of blanks, wherever a run of them ends", () => {
    const v = vocabularyOf(
      [2, 3, 4].map((n) => ({ text: " ".repeat(n), attribute: ATTRIBUTE.userDefined })),
    );
    const partition = new SpecialTokenPartition(v, [0, 1, 2]);
    const split = (n: number) => partition.split(`a${" ".repeat(n)}b`, false);
    expect([1, 2, 3, 4, 5, 6, 8, 9].map(split)).toEqual([
      ["a b"],
      ["a", 0, "b"],
      ["a", 1, "b"],
      ["a", 2, "b"],
      ["a", 2, " b"],
      ["a", 2, 0, "b"],
      ["a", 2, 2, "b"],
      ["a", 2, 2, " b"],
    ]);
  });
});
