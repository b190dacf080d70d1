// WordPiece by hand; every case of llama.cpp and Hugging Face is in reference.test.ts.
import { describe, expect, it } from "vitest";
import { createTokenizer } from "../../../src/tokenizer/index.ts";
import { metadata } from "./tiny.ts";

const TOKENS = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "▁un",
  "aff",
  "able",
  "▁a",
  "▁,",
  "▁神",
  "▁un able",
];
const TYPES = Int32Array.from(TOKENS, (_, i) => (i < 5 ? 3 : 1));

function tiny(more: Record<string, unknown> = {}) {
  return createTokenizer(
    metadata({
      model: "bert",
      tokens: TOKENS,
      token_type: TYPES,
      bos_token_id: 2,
      seperator_token_id: 3,
      unknown_token_id: 1,
      ...more,
    }),
  );
}

describe("WordPiece", () => {
  it("takes the longest tokens of each word", () => {
    expect(tiny().encode("unaffable a")).toEqual([5, 6, 7, 8]);
    // one gap makes the whole word unknown
    expect(tiny().encode("unaffyable a")).toEqual([1, 8]);
    expect(tiny().encode("  ")).toEqual([]);
  });

  it("drops accents and case, cuts at punctuation and ideographs", () => {
    expect(tiny().encode("Ünäffàble,A\u0000\u200b")).toEqual([5, 6, 7, 9, 8]);
    expect(tiny().encode("a神a")).toEqual([8, 10, 8]);
  });

  it("stands between [CLS] and [SEP]", () => {
    expect(tiny().encode("a", { addSpecial: true })).toEqual([2, 8, 3]);
    expect(tiny().encode("a[MASK]", { addSpecial: true, parseSpecial: true })).toEqual([
      2, 8, 4, 3,
    ]);
    expect(() => tiny({ seperator_token_id: 99 })).toThrow(/seperator_token_id: expected an id/);
  });

  it("decodes words with spaces between them", () => {
    expect(tiny().decode([5, 6, 7, 8])).toBe("unaffable a");
  });

  it("says what is missing when there is no unknown token", () => {
    const without = tiny({ unknown_token_id: 99 });
    expect(() => without.encode("xyz")).toThrow(
      /unknown_token_id: expected an id, to encode "xyz"/,
    );
  });
});
