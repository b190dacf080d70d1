// Unigram by hand, and against a search of every way to cut a text.
import { describe, expect, it } from "vitest";
import { createTokenizer } from "../../../src/tokenizer/index.ts";
import { metadata } from "./tiny.ts";

const PIECES: [text: string, score: number, type?: number][] = [
  ["<pad>", 0, 3],
  ["</s>", 0, 3],
  ["<unk>", 0, 2],
  ["▁", -2],
  ["a", -3],
  ["b", -3.5],
  ["▁a", -4],
  ["ab", -5],
  ["aba", -7.25],
  ["é", -4],
  ["X Y", -9, 4],
];

function tiny(more: Record<string, unknown> = {}) {
  return createTokenizer(
    metadata({
      model: "t5",
      tokens: PIECES.map(([text]) => text),
      scores: Float32Array.from(PIECES, ([, score]) => score),
      token_type: Int32Array.from(PIECES, ([, , type]) => type ?? 1),
      remove_extra_whitespaces: true,
      ...more,
    }),
  );
}
const names = (ids: number[]): string[] => ids.map((id) => PIECES[id][0]);

/** The best cut by trying all; unknown characters cost 10 more than the least likely token. */
function exhaustive(text: string): { tokens: string[]; score: number } {
  if (text === "") return { tokens: [], score: 0 };
  const normal = PIECES.filter(([, , type]) => type === undefined);
  const options = normal
    .filter(([piece]) => text.startsWith(piece))
    .map(([piece, score]) => ({ piece, score, length: piece.length }));
  const known = options.some(({ length }) => length === 1);
  const worst = Math.min(...normal.map(([, score]) => score));
  if (!known) options.push({ piece: "<unk>", score: worst - 10, length: 1 });
  return options
    .map(({ piece, score, length }) => {
      const rest = exhaustive(text.slice(length));
      return { tokens: [piece, ...rest.tokens], score: score + rest.score };
    })
    .reduce((a, b) => (b.score > a.score ? b : a));
}

describe("Unigram", () => {
  it("finds the most likely of all cuts", () => {
    const t = tiny();
    for (let i = 0; i < 2 ** 9; i++) {
      const letters = Array.from({ length: 9 }, (_, bit) => "abé?"[(i >> bit) & 1 ? bit % 4 : 0]);
      const text = letters.join("");
      const { tokens } = exhaustive(`▁${text}`);
      const merged = tokens.filter((name, k) => name !== "<unk>" || tokens[k - 1] !== "<unk>");
      expect(names(t.encode(text))).toEqual(merged);
    }
  });

  it("treats spaces as the file says", () => {
    expect(names(tiny().encode("  a  b "))).toEqual(["▁a", "▁", "b"]);
    const kept = tiny({ remove_extra_whitespaces: false });
    expect(names(kept.encode("a  b"))).toEqual(["▁a", "▁", "▁", "b"]);
    const bare = tiny({ add_space_prefix: false, remove_extra_whitespaces: false });
    expect(names(bare.encode("ab"))).toEqual(["ab"]);
    expect(tiny().decode(tiny().encode("a b"))).toBe("a b");
  });

  it("ends with EOS, and keeps user-defined tokens whole", () => {
    expect(names(tiny().encode("a", { addSpecial: true }))).toEqual(["▁a", "</s>"]);
    expect(names(tiny().encode("aX Yb"))).toEqual(["▁a", "X Y", "▁", "b"]);
  });

  it("replaces characters by the map of the file", () => {
    // One entry, "B" -> "aba". Root: base 1. Its child 1 ^ 0x42 = 0x43 has the label 0x42, a leaf,
    // and base 2: node 0x43 ^ 2 = 0x41 holds the offset of the text.
    const nodes = new Uint32Array(0x44);
    nodes[0] = 1 << 10;
    nodes[0x43] = (2 << 10) | (1 << 8) | 0x42;
    nodes[0x41] = 3;
    const texts = [...new TextEncoder().encode("xx\0aba\0")];
    const bytes = [
      ...new Uint8Array(Uint32Array.of(nodes.length * 4).buffer),
      ...new Uint8Array(nodes.buffer),
      ...texts,
    ];
    const source = metadata({
      model: "t5",
      tokens: PIECES.map(([text]) => text),
      scores: Float32Array.from(PIECES, ([, score]) => score),
      token_type: Int32Array.from(PIECES, ([, , type]) => type ?? 1),
    });
    const map = (values: number[]) =>
      source.metadata.set("tokenizer.ggml.precompiled_charsmap", {
        type: "array",
        value: { elementType: "u8", values: Uint8Array.from(values) },
      });
    map(bytes);
    expect(names(createTokenizer(source).encode("aBC"))).toEqual(["▁a", "aba", "<unk>"]);
    for (const damaged of [bytes.slice(0, 3), bytes.slice(0, -1), [255, 255, 255, 255, 0]]) {
      map(damaged);
      expect(() => createTokenizer(source)).toThrow(
        /precompiled_charsmap: expected a table of nodes/,
      );
    }
  });
});
