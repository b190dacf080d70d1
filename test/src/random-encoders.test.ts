// Embedding models and rerankers that the zoo does not have: the engine against the slow reference in the precise mode, and
// one vector over threads and company in the normal mode.

import { describe, expect, it } from "vitest";
import { built } from "../built.ts";
import { ReferenceModel } from "../reference/model.ts";
import { RANDOM_ENCODERS } from "../reference/random-encoders.ts";
import { randomGguf, TOKENS } from "../reference/random-models.ts";
import { largestDifference } from "../reference/zoo.ts";

/** f32 noise of three to seven layers, relative to the largest element. */
const TOLERANCE = 2e-5;
/** ALiBi and windows to both sides, experts, softmax of the scores: the rest runs what the zoo runs. */
const OWN_KERNELS = new Set([
  "jina-bert-v2-code",
  "nomic-bert-moe",
  "modern-bert",
  "qwen3-reranker",
]);

describe.each(RANDOM_ENCODERS)("random $name", (random) => {
  const { embeddings } = random;

  it("agrees with the reference", async () => {
    const bytes = await randomGguf(random);
    const reference = await ReferenceModel.fromBytes(random.name, bytes, { embeddings });
    const expected = reference.run(TOKENS);
    const unused = [...reference.gguf.tensors.keys()].filter(
      (name) => !reference.usedTensors.has(name),
    );
    expect(unused).toEqual([]);

    const precise = { weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32" } as const;
    await using model = await built.loadModel(bytes, {
      threads: 2,
      nCtx: 64,
      embeddings,
      ...precise,
    });
    const found =
      model.pooling === "none" ? await model.embedTokens(TOKENS) : await model.embed([TOKENS]);
    expect(found.length).toBe(expected.length);
    const scale = Math.max(...expected.flatMap((row) => [...row].map(Math.abs)));
    for (const [i, row] of found.entries())
      expect(largestDifference(row, expected[i]) / scale).toBeLessThan(TOLERANCE);
  });
});

describe.each(RANDOM_ENCODERS.filter(({ name }) => OWN_KERNELS.has(name)))(
  "random $name",
  (random) => {
    it("gives one vector for every thread count and company", async () => {
      const bytes = await randomGguf(random);
      const { embeddings } = random;
      const vectors: Float32Array[] = [];
      for (const threads of [1, 3]) {
        await using model = await built.loadModel(bytes, { threads, nCtx: 64, embeddings });
        vectors.push(...(await model.embed([TOKENS])));
        vectors.push((await model.embed([[1, 2, 3], TOKENS, TOKENS.slice(7)]))[1]);
      }
      for (const vector of vectors) expect(vector).toEqual(vectors[0]);
    });
  },
);
