import { describe, expect, it } from "vitest";
import type { Model } from "../../../src/index.ts";
import {
  chunkTokens,
  cutChunks,
  firstScored,
  scoredPerChunk,
  scoreChunks,
} from "../../../src/tools/chunks.ts";

/** Logits are the position and the token; a history must not outlive its chunk. */
function fakeModel(addBos: boolean): Model {
  return {
    tokenizer: { addBos, bosToken: 1 },
    createSession() {
      let length = 0;
      return {
        async evaluate(
          tokens: Int32Array,
          {
            outputs,
            onLogits,
          }: { outputs: string; onLogits?: (row: Float32Array, i: number) => void },
        ) {
          tokens.forEach(
            (token, i) => outputs === "all" && onLogits!(Float32Array.of(length + i, token), i),
          );
          length += tokens.length;
        },
        close() {},
      };
    },
  } as unknown as Model;
}
const TEXT = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22];

describe("chunks", () => {
  it("cuts a text, and leaves the rest out", () => {
    expect(cutChunks(TEXT, 5)).toEqual({
      tokens: Int32Array.from(TEXT.slice(0, 10)),
      nCtx: 5,
      count: 2,
    });
    expect(cutChunks(TEXT, 5, 1)).toEqual({
      tokens: Int32Array.from(TEXT.slice(0, 5)),
      nCtx: 5,
      count: 1,
    });
    expect(() => cutChunks(TEXT, 7)).toThrow("text: expected at least 14 tokens, found 13");
    for (const nCtx of [0, -1, 2.5, Number.NaN])
      expect(() => cutChunks(TEXT, nCtx)).toThrow(
        `nCtx: expected an integer from 1, found ${nCtx}`,
      );
  });

  it("puts BOS where the model adds one, and keeps the text", () => {
    const chunks = cutChunks(TEXT, 5);
    expect(Array.from(chunkTokens(chunks, 1, fakeModel(true)))).toEqual([1, 16, 17, 18, 19]);
    expect(Array.from(chunkTokens(chunks, 1, fakeModel(false)))).toEqual([15, 16, 17, 18, 19]);
    expect(chunks.tokens[5]).toBe(15);
  });

  it.each([4, 5, 6, 256])("scores the second half of %i, as llama.cpp counts it", (nCtx) => {
    const counted = Array.from({ length: nCtx }, (_, i) => i).filter(
      (i) => i >= Math.floor(nCtx / 2) && i < nCtx - 1,
    );
    expect([firstScored(nCtx), scoredPerChunk(nCtx)]).toEqual([counted[0], counted.length]);
  });

  it("hands out logits with the token that came", async () => {
    const seen: unknown[] = [];
    await scoreChunks(fakeModel(true), cutChunks(TEXT, 5), {
      onChunk: (i) => void seen.push(`chunk ${i}`),
      onPrediction: ([position, token], next) => void seen.push([position, token, next]),
      onChunkEnd: (i) => void seen.push(`end ${i}`),
    });
    expect(seen).toEqual([
      "chunk 0",
      [2, 12, 13],
      [3, 13, 14],
      "end 0",
      "chunk 1",
      [2, 17, 18],
      [3, 18, 19],
      "end 1",
    ]);
  });
});
