// Architectures without a zoo model, as tiny random ones: the engine against the slow reference, and one hash for threads
// and batch sizes. What the forward passes say was read in llama.cpp; no numbers of it stand behind them here.

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { built } from "../built.ts";
import { randomModel, VOCAB_SIZE } from "../random-model.ts";
import { RECURRENT_MODELS } from "../reference/recurrent-models.ts";
import { ReferenceModel } from "../reference/model.ts";
import { logProbabilities, largestDifference } from "../reference/zoo.ts";

describe.each(RECURRENT_MODELS)("%s", (_, architecture, keys, optional) => {
  const tokens = Array.from({ length: 37 }, (_, i) => (i * i * 7 + 3 * i) % VOCAB_SIZE);

  it("agrees with the slow reference, with one hash for threads and batches", async () => {
    const bytes = await randomModel(architecture, keys, optional);
    const expected = (await ReferenceModel.fromBytes(architecture, bytes)).run(tokens);
    const hashes = new Set<string>();
    for (const options of [
      { threads: 1 },
      { threads: 3 },
      { threads: 2, nBatch: 1 },
      { threads: 2, nBatch: 7 },
    ]) {
      const model = await built.loadModel(bytes, {
        ...options,
        cacheTypeK: "f32",
        cacheTypeV: "f32",
      });
      const rows = await model.logits(tokens);
      await model.close();
      const hash = createHash("sha256");
      rows.forEach((row, i) => {
        hash.update(new Uint8Array(row.buffer));
        // 2e-4: float noise of three layers; a mistake moves log-probabilities by whole units
        expect(
          largestDifference(logProbabilities(row), logProbabilities(expected[i])),
        ).toBeLessThan(2e-4);
      });
      hashes.add(hash.digest("hex"));
    }
    expect(hashes.size).toBe(1);
  });
});
