import { describe, expect, it } from "vitest";
import type { Model } from "../../../src/index.ts";
import { cutWindows, measureStridedPerplexity } from "../../../src/tools/strided-perplexity.ts";
import { built, EMBEDDED } from "../../built.ts";
import { TEXT } from "./tiny-corpus.ts";

describe("measureStridedPerplexity", () => {
  it("is e to the mean of the last tokens' surprise, window by window", async () => {
    const model = (await built.loadModel(EMBEDDED, { threads: 1 })) as unknown as Model;
    try {
      const tokens = model.tokenize(TEXT),
        windows = cutWindows(tokens, 20, 6, 4);
      const { perplexity, scoredTokens } = await measureStridedPerplexity(model, windows);
      let nll = 0;
      for (let w = 0; w < 4; w++) {
        const window = tokens.slice(w * 6, w * 6 + 20),
          rows = await model.logits(window);
        for (let i = 13; i < 19; i++) {
          const sum = rows[i].reduce((s, x) => s + Math.exp(x), 0);
          nll += Math.log(sum) - rows[i][window[i + 1]];
        }
      }
      expect(scoredTokens).toBe(24);
      expect(perplexity.value).toBeCloseTo(Math.exp(nll / 24), 5);
    } finally {
      await model.close();
    }
  });

  it("covers the text with windows that move by the stride", () => {
    expect(cutWindows(new Int32Array(100), 20, 6).count).toBe(Math.ceil(80 / 6));
    expect(() => cutWindows([1, 2, 3], 20, 6)).toThrow("expected at least 40 tokens, found 3");
  });
});
