// Files that samebit quantize writes, loaded by llama.cpp itself: they open, and give its perplexity within 0.2% of ours.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Model } from "../../src/index.ts";
import { chunkTokens, cutChunks, firstScored } from "../../src/tools/chunks.ts";
import { measurePerplexity } from "../../src/tools/perplexity.ts";
import { built } from "../built.ts";
import { samebit } from "../src/cli/command.ts";
import { hasShared, sharedModel, toolFile } from "../src/tools/shared.ts";
import { installed, peerLogprobs } from "./llama-cpp.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-quantized-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const N_CTX = 256,
  CHUNKS = 2;
const TOLERANCE = 0.002;

/** A ftype of every family; those that need one have the importance matrix. */
const FTYPES = ["Q4_0", "Q8_0", "Q2_K", "Q4_K_M", "Q6_K", "IQ1_S", "IQ2_XS", "IQ3_S", "IQ4_XS"];

describe.skipIf(!installed || !hasShared)("llama.cpp reads what samebit quantize writes", () => {
  it.each(FTYPES)("%s", { timeout: 120_000 }, async (ftype) => {
    const path = join(folder, `${ftype}.gguf`);
    const { code, stderr } = await samebit(
      ...["quantize", "--imatrix", toolFile("tldr-6m.imatrix.dat")],
      ...[sharedModel("tldr-6m-f16.gguf"), path, ftype],
    );
    expect(code, stderr).toBe(0);
    const model = (await built.loadModel(path, { nCtx: N_CTX })) as unknown as Model;
    try {
      const text = readFileSync(toolFile("tldr-val.txt"), "utf8").replace(/\n$/, "");
      const chunks = cutChunks(model.tokenize(text), N_CTX, CHUNKS);
      const ours = (await measurePerplexity(model, chunks)).perplexity.value;
      const runs = Array.from({ length: CHUNKS }, (_, i) => [...chunkTokens(chunks, i, model)]);
      const theirs = await peerLogprobs(path, model.nVocab, runs, { cacheType: "F16" });
      const nlls = runs.flatMap((tokens, run) =>
        tokens
          .slice(firstScored(N_CTX) + 1)
          .map((next, i) => -theirs[run][firstScored(N_CTX) + i][next]),
      );
      const peer = Math.exp(nlls.reduce((a, b) => a + b) / nlls.length);
      console.info(`${ftype}: ${ours.toFixed(4)} here, ${peer.toFixed(4)} in llama.cpp`);
      expect(Math.abs(ours / peer - 1)).toBeLessThan(TOLERANCE);
    } finally {
      await model.close();
    }
  });
});
