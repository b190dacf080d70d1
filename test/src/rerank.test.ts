// What a reranker is given, and its scores.

import { describe, expect, it } from "vitest";
import { rerankTokens } from "../../src/rerank.ts";
import { createTokenizer } from "../../src/tokenizer/index.ts";
import { built } from "../built.ts";
import { ReferenceModel } from "../reference/model.ts";
import { RANDOM_ENCODERS } from "../reference/random-encoders.ts";
import { randomGguf } from "../reference/random-models.ts";
import { metadata } from "./tokenizer/tiny.ts";

const SPECIALS = 5;

function wordPiece(more: Record<string, unknown> = {}) {
  const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[EOS]", "▁query", "▁document", "▁{", "▁}"];
  const keys = { bos_token_id: 2, seperator_token_id: 3, unknown_token_id: 1, ...more };
  const token_type = Int32Array.from(tokens, (_, i) => (i < SPECIALS ? 3 : 1));
  return createTokenizer(metadata({ model: "bert", tokens, token_type, ...keys }));
}

function gpt2(pre: string, more: Record<string, unknown> = {}) {
  const tokens = ["<s>", "</s>", "a", "b"];
  const token_type = Int32Array.of(3, 3, 1, 1);
  const special = { bos_token_id: 0, eos_token_id: 1, seperator_token_id: 1 };
  const keys = { model: "gpt2", pre, tokens, token_type, merges: [], ...special, ...more };
  return createTokenizer(metadata(keys));
}

describe("rerankTokens", () => {
  const pair = (tokenizer: ReturnType<typeof wordPiece>) =>
    rerankTokens(tokenizer, undefined, "query", "document");

  it("puts those special tokens between the texts that the vocabulary adds", () => {
    expect(pair(wordPiece())).toEqual([2, 5, 3, 6]);
    expect(pair(wordPiece({ add_eos_token: true, eos_token_id: 4 }))).toEqual([2, 5, 4, 3, 6, 4]);
    expect(pair(wordPiece({ add_sep_token: false }))).toEqual([2, 5, 6]);
    const added = { add_bos_token: true, add_eos_token: true };
    const ab = (tokenizer: ReturnType<typeof gpt2>) => rerankTokens(tokenizer, undefined, "a", "b");
    expect(ab(gpt2("roberta-bpe", added))).toEqual([0, 2, 1, 1, 3, 1]);
    expect(ab(gpt2("gpt-2", added))).toEqual([0, 2, 1, 3, 1]);
    expect(ab(gpt2("gpt-2"))).toEqual([2, 3]);
  });

  it("reads no special tokens in the texts, but in a template", () => {
    const tokenizer = wordPiece();
    expect(rerankTokens(tokenizer, undefined, "[EOS]", "query")).not.toContain(4);
    const template = "[CLS]{query}[EOS]{document}";
    expect(rerankTokens(tokenizer, template, "query", "document")).toEqual([2, 5, 4, 6]);
    // what stands for the query is not searched for {document}
    const odd = rerankTokens(tokenizer, "{query}", "{document}", "query");
    expect(odd).toEqual(tokenizer.encode("{document}"));
  });
});

describe("model.rerank", () => {
  const [random] = RANDOM_ENCODERS.filter(({ name }) => name === "bert-reranker");
  const documents = ["a cat", "the weather of tomorrow", "cats and dogs", "x"];

  it("scores each document as the pair alone", async () => {
    const bytes = await randomGguf(random);
    await using model = await built.loadModel(bytes, {
      threads: 2,
      weights: "f32",
      cacheTypeK: "f32",
      cacheTypeV: "f32",
    });
    const scores = await model.rerank("what purrs?", documents);
    const reference = await ReferenceModel.fromBytes("reranker", bytes);
    for (const [i, document] of documents.entries()) {
      const tokens = rerankTokens(model.tokenizer, undefined, "what purrs?", document);
      const [[score]] = reference.fresh().run(tokens);
      expect(scores[i]).toBeCloseTo(score, 4);
      expect(await model.rerank("what purrs?", [document])).toEqual([scores[i]]);
    }
    expect(await model.rerank("what purrs?", [])).toEqual([]);
  });

  it("refuses models that give no scores", async () => {
    const bytes = await randomGguf(random);
    await using vectors = await built.loadModel(bytes, { pooling: "mean" });
    await expect(vectors.rerank("a", ["b"])).rejects.toThrow(/pooling: expected rank, found mean/);
    const [plain] = RANDOM_ENCODERS.filter(({ name }) => name === "bert-last");
    await expect(built.loadModel(await randomGguf(plain), { pooling: "rank" })).rejects.toThrow(
      /pooling rank: expected a classifier.*found neither/,
    );
  });
});
