// The engine against llama.cpp's numbers: every zoo model whose architecture and types it has, in the precise mode and in
// the normal one, and one hash over threads and batch sizes.

import { describe, expect, it } from "vitest";
import { typeByName } from "../../formats/index.ts";
import { ARCHITECTURES } from "../../models/index.ts";
import { built, logitsHash } from "../built.ts";
import {
  compareZoo,
  type EmbeddingCase,
  largestDifference,
  loadZooCase,
  zooNames,
  type ZooCase,
} from "../reference/zoo.ts";

const known = new Set(ARCHITECTURES.flatMap((a) => a.names));
/** Types the kernels of this version multiply; others come with their own issue. */
const KERNEL_TYPES = new Set(
  [
    "F32",
    "F16",
    "BF16",
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "IQ4_NL",
    "IQ4_XS",
    "IQ1_S",
    "IQ1_M",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ2_S",
    "IQ3_XXS",
    "IQ3_S",
    "TQ1_0",
    "TQ2_0",
    "MXFP4",
    "NVFP4",
    "Q1_0",
    "Q2_0",
  ].map((name) => typeByName(name).id),
);

function runnable(zoo: ZooCase): boolean {
  return (
    zoo.kind !== "embedding" &&
    known.has(zoo.arch) &&
    Object.keys(zoo.weight_types).every((t) => KERNEL_TYPES.has(typeByName(t).id))
  );
}

const cases = zooNames().map(loadZooCase).filter(runnable);

describe("zoo", () => {
  it("has cases", () => expect(cases.length).toBeGreaterThanOrEqual(2));

  describe.each(cases)("$name", (zoo) => {
    it.each(["f32", "native"] as const)("agrees with llama.cpp, %s", async (mode) => {
      const precise = { weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32" } as const;
      const model = await built.loadModel(zoo.path, {
        threads: 2,
        nCtx: zoo.n_ctx,
        ...(mode === "f32" ? precise : {}),
      });
      try {
        const session = model.createSession();
        if (zoo.kind === "encdec") await session.encode(zoo.tokens);
        const report = await compareZoo(
          zoo,
          async (tokens) => {
            const rows: Float32Array[] = [];
            await session.evaluate(tokens, {
              outputs: "all",
              onLogits: (row) => void rows.push(row.slice()),
            });
            return rows;
          },
          mode,
        );
        expect(report.violations, JSON.stringify(report.differences)).toEqual([]);
      } finally {
        await model.close();
      }
    });

    it("gives one hash for every thread count and batch size", async () => {
      const options = [
        { threads: 1 },
        { threads: 3 },
        { threads: 2, nBatch: 1 },
        { threads: 2, nBatch: 7 },
        { threads: 2, nBatch: 64 },
      ];
      const hashes = [];
      for (const option of options)
        hashes.push(
          await logitsHash(
            zoo.path,
            zoo.tokens,
            { nCtx: zoo.n_ctx, ...option },
            zoo.decoder_tokens,
          ),
        );
      expect(new Set(hashes).size, hashes.join(" ")).toBe(1);
    });
  });
});

const embedding = zooNames()
  .map(loadZooCase)
  .filter((zoo) => zoo.kind === "embedding" && known.has(zoo.arch)) as EmbeddingCase[];
if (embedding.length === 0) console.warn("SKIPPED: the embedding models of ../shared are absent");

// vitest fails on a suite without tests, unless it is skipped
describe.skipIf(embedding.length === 0)("zoo of embedding models", () => {
  describe.each(embedding)("$name", (zoo) => {
    const precise = { weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32" } as const;

    it.each(["f32", "native"] as const)("agrees with llama.cpp, %s", async (mode) => {
      const model = await built.loadModel(zoo.path, {
        threads: 2,
        nCtx: zoo.n_ctx,
        ...(mode === "f32" ? precise : {}),
      });
      try {
        const [vector] = await model.embed([zoo.tokens]);
        expect(largestDifference(vector, zoo.embedding_f32)).toBeLessThan(zoo.suggested_tol[mode]);
        if (mode === "native")
          expect(largestDifference(vector, zoo.embedding)).toBeLessThan(zoo.suggested_tol.native);
      } finally {
        await model.close();
      }
    });

    it("gives the state of every token", async () => {
      const model = await built.loadModel(zoo.path, {
        threads: 2,
        nCtx: zoo.n_ctx,
        pooling: "none",
        ...precise,
      });
      try {
        const rows = await model.embedTokens(zoo.tokens);
        expect(rows.length).toBe(zoo.tokens.length);
        zoo.token_embeddings_f32.forEach((row, i) =>
          expect(largestDifference(rows[i], row)).toBeLessThan(zoo.suggested_tol.f32),
        );
      } finally {
        await model.close();
      }
    });

    it("gives one vector for every thread count, batch size and company", async () => {
      const vectors = [];
      for (const option of [
        { threads: 1 },
        { threads: 3 },
        { threads: 2, nBatch: 1 },
        { threads: 2, nBatch: 64 },
      ]) {
        const model = await built.loadModel(zoo.path, {
          nCtx: zoo.n_ctx,
          nSequences: 3,
          ...option,
        });
        // alone, and beside other texts
        vectors.push(...(await model.embed([zoo.tokens])));
        vectors.push((await model.embed([[1, 2, 3], zoo.tokens, zoo.tokens.slice(7), [5]]))[1]);
        await model.close();
      }
      for (const vector of vectors) expect(vector).toEqual(vectors[0]);
    });
  });
});
