// Random embedding models and rerankers against llama.cpp itself, where it is installed (npm install --prefix
// bench/peers): the vector of a text, and the score of a pair.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ReferenceModel } from "../reference/model.ts";
import { RANDOM_ENCODERS } from "../reference/random-encoders.ts";
import { randomGguf, TOKENS } from "../reference/random-models.ts";
import { largestDifference } from "../reference/zoo.ts";
import { installed, peerEmbedding, peerRank } from "./llama-cpp.ts";

/** f32 noise, relative to the largest element. GELU reads an f16 table in ggml, which is up to 3e-4 away here. */
const TOLERANCE = 2e-5;
const GELU_TOLERANCE = 1e-3;
const WITHOUT_GELU = new Set(["modern-bert-silu", "neo-bert", "eurobert", "qwen3-reranker"]);

const BOS = 1;
const EOS = 2;
const [QUERY, DOCUMENT] = [TOKENS.slice(1, 12), TOKENS.slice(12)];

const folder = mkdtempSync(join(tmpdir(), "samebit-peers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("llama.cpp agrees", () => {
  it.skipIf(!installed).each(RANDOM_ENCODERS)("$name", async (random) => {
    const path = join(folder, `${random.name}.gguf`);
    const bytes = await randomGguf(random);
    writeFileSync(path, bytes);
    const { embeddings } = random;
    const reference = await ReferenceModel.fromBytes(path, bytes, { nCtx: 64, embeddings });
    const { pooling, labels } = reference.description;
    const isReranker = pooling === "rank";
    const rows = reference.run(isReranker ? [BOS, ...QUERY, EOS, ...DOCUMENT, EOS] : TOKENS);
    let expected = Array.from(rows.at(-1)!);
    // node-llama-cpp gives the first label's probability.
    if (isReranker) expected = [labels.length > 0 ? expected[0] : 1 / (1 + Math.exp(-expected[0]))];
    const found = isReranker
      ? [await peerRank(path, QUERY, DOCUMENT)]
      : await peerEmbedding(path, TOKENS);
    const scale = Math.max(...expected.map(Math.abs));
    const tolerance = WITHOUT_GELU.has(random.name) ? TOLERANCE : GELU_TOLERANCE;
    expect(largestDifference(found, expected) / scale).toBeLessThan(tolerance);
  });
});
