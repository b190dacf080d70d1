// SPM: by hand over a tiny vocabulary, against a slow reference over random ones, and the ids of
// the embedded model.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTokenizer } from "../../../src/tokenizer/index.ts";
import { SPM_BASE, texts, tinySpm } from "./tiny.ts";
import { readVocabularyFile } from "./vocabulary-files.ts";

// Scores fall: "▁a" (0) is better than "ab" (-1), and so on. "▁" and single letters are last.
const PIECES = ["▁a", "ab", "bc", "abc", "▁abc", "▁▁", "é", "▁", "a", "b", "c", "<|end|>", "[x]"];
const id = (piece: string) => SPM_BASE + PIECES.indexOf(piece);
const byte = (b: number) => 3 + b;

describe("SPM", () => {
  const tokenizer = createTokenizer(tinySpm(PIECES));

  it("merges the best pair first, the leftmost of equals", () => {
    // "▁abc": ▁a (0) before ab and bc; then nothing joins ▁a and b but bc is there: ▁a bc -> ▁abc.
    expect(tokenizer.encode("abc")).toEqual([id("▁abc")]);
    // "▁aab": ▁a, then ab.
    expect(tokenizer.encode("aab")).toEqual([id("▁a"), id("ab")]);
    // "▁ababc": ▁a takes the first a; ab (2,3) leaves c, and ab+c is abc.
    expect(tokenizer.encode("ababc")).toEqual([id("▁a"), id("b"), id("abc")]);
    expect(tokenizer.encode("bcbc")).toEqual([id("▁"), id("bc"), id("bc")]);
  });

  it("falls back to bytes for characters that are no tokens", () => {
    expect(tokenizer.encode("é€x")).toEqual([
      id("▁"),
      id("é"),
      byte(0xe2),
      byte(0x82),
      byte(0xac),
      byte(0x78),
    ]);
    expect(tokenizer.encode("😀").slice(1)).toEqual([0xf0, 0x9f, 0x98, 0x80].map(byte));
    expect(tokenizer.decode(tokenizer.encode("é€x😀"))).toBe("é€x😀");
  });

  it("joins characters that are tokens only together", () => {
    const t = createTokenizer(tinySpm(["▁", "zy", "xzy"]));
    expect(t.encode("zy")).toEqual([SPM_BASE, SPM_BASE + 1]);
    expect(t.encode("xzy")).toEqual([SPM_BASE, SPM_BASE + 2]);
  });

  it("uses the unknown token where a byte token is missing", () => {
    const one = tinySpm(PIECES);
    texts(one)[byte(0xc3)] = "<no byte>";
    expect(createTokenizer(one).encode("ñ")).toEqual([id("▁"), 0, byte(0xb1)]);
    one.metadata.set("tokenizer.ggml.unknown_token_id", { type: "i32", value: -1 });
    texts(one)[0] = "<s0>";
    expect(() => createTokenizer(one).encode("ñ")).not.toThrow(); // 0 is the default
  });

  it("puts a space before the text and after each special token", () => {
    const parse = { parseSpecial: true, addSpecial: true };
    expect(tokenizer.encode("a<|end|>a", parse)).toEqual([1, id("▁a"), id("<|end|>"), id("▁a")]);
    expect(tokenizer.encode("<|end|>", parse)).toEqual([1, id("<|end|>")]);
    expect(tokenizer.encode("", parse)).toEqual([1]);
    expect(tokenizer.encode("")).toEqual([]);
    const plain = createTokenizer(
      tinySpm(PIECES, { add_space_prefix: false, add_eos_token: true }),
    );
    expect(plain.encode("a<|end|>a", parse)).toEqual([1, id("a"), id("<|end|>"), id("a"), 2]);
    expect(plain.decode([id("▁a")])).toBe(" a");
  });

  it("cuts user-defined tokens out of any text, control tokens only when asked", () => {
    expect(tokenizer.encode("a[x]b")).toEqual([id("▁a"), id("[x]"), id("▁"), id("b")]);
    expect(tokenizer.encode("<|end|>")).not.toContain(id("<|end|>"));
  });

  it("equals a slow reference, with and without tokens that cross words", () => {
    const piece = fc.string({ unit: fc.constantFrom(..."ab▁é"), minLength: 2, maxLength: 4 });
    const vocabulary = fc.uniqueArray(piece, { maxLength: 12 });
    const text = fc.string({ unit: fc.constantFrom(..."ab é😀"), maxLength: 24 });
    fc.assert(
      fc.property(vocabulary, text, fc.boolean(), (extra, t, singles) => {
        const pieces = singles ? [..."ab▁", ...extra] : extra;
        const encoded = createTokenizer(tinySpm(pieces)).encode(t);
        expect(encoded).toEqual(t === "" ? [] : slowSpm(pieces, `▁${t.replaceAll(" ", "▁")}`));
      }),
      { seed: 7, numRuns: 2000 },
    );
  });

  it("takes a megabyte of one character", () => {
    const run = createTokenizer(tinySpm(["aaaa", "aa", "a", "▁"]));
    const tokens = run.encode("a".repeat(1_000_000));
    expect(tokens.length).toBe(1 + 250_000);
    expect(run.decode(tokens)).toBe("a".repeat(1_000_000));
    expect(run.encode("€".repeat(300_000)).length).toBe(1 + 900_000);
    expect(run.encode(" ".repeat(1_000_000)).length).toBe(1_000_001);
  });
});

/** Joins the best neighbours until none fit; one string per symbol. */
function slowSpm(pieces: readonly string[], text: string): number[] {
  const symbols = Array.from(text);
  for (;;) {
    let best = -1;
    let bestScore = Infinity;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const score = pieces.indexOf(symbols[i] + symbols[i + 1]);
      if (score >= 0 && score < bestScore) [best, bestScore] = [i, score];
    }
    if (best < 0) break;
    symbols.splice(best, 2, symbols[best] + symbols[best + 1]);
  }
  return symbols.flatMap((symbol) => {
    const index = pieces.indexOf(symbol);
    return index >= 0 ? [SPM_BASE + index] : Array.from(new TextEncoder().encode(symbol), byte);
  });
}

const embedded = fileURLToPath(
  new URL("../../../models/embedded/tldr-6m-q4_k_m.gguf", import.meta.url),
);

describe.skipIf(!existsSync(embedded))("the embedded model's tokenizer", () => {
  it("encodes a page and gives it back", async () => {
    const tokenizer = createTokenizer(await readVocabularyFile(embedded));
    expect(tokenizer.vocabSize).toBe(4096);
    expect(tokenizer.warnings).toEqual([]);
    const page =
      "# git stash\n\n> Stash local Git changes.\n\n`git stash push {{[-m|--message]}} naïve 中`";
    const tokens = tokenizer.encode(page, { addSpecial: true });
    expect(tokens[0]).toBe(tokenizer.bosToken);
    expect(tokenizer.decode(tokens)).toBe(page);
    expect(tokens.map((token) => tokenizer.tokenText(token)).join(" ")).toBe(
      "<s> ▁# ▁git ▁st ash <0x0A> <0x0A> > ▁St ash ▁local ▁Git ▁changes . <0x0A> <0x0A> ` git ▁st " +
        "ash ▁push ▁{{[- m |-- message ]}} ▁ na <0xC3> <0xAF> ve ▁ <0xE4> <0xB8> <0xAD> `",
    );
  });
});
