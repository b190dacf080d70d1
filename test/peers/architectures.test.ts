// Random models against llama.cpp itself, where it is installed (npm install --prefix bench/peers): log-probabilities of the
// whole vocabulary at every position, f32 weights and cache on both sides.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ReferenceModel } from "../reference/model.ts";
import { RANDOM_MODELS, randomGguf, TOKENS } from "../reference/random-models.ts";
import { logProbabilities } from "../reference/zoo.ts";

const peers = fileURLToPath(new URL("../../bench/peers/", import.meta.url));
const installed = existsSync(`${peers}node_modules/node-llama-cpp`);
if (!installed)
  console.warn("SKIPPED: node-llama-cpp is not installed; npm install --prefix bench/peers");

// What of node-llama-cpp is used here; it is no dependency, so its types are not at hand.
interface Peer {
  loadModel(options: object): Promise<{
    createContext(options: object): Promise<{
      getSequence(): {
        controlledEvaluate(
          input: (readonly [number, object])[],
        ): Promise<{ next: { probabilities: ReadonlyMap<number, number> } }[]>;
      };
    }>;
    dispose(): Promise<void>;
  }>;
}

/**
 * GELU reads an f16 table in ggml, which differs from the exact function by about 1e-3; everything else agrees to f32
 * noise, which 40 layers make larger.
 */
const TOLERANCE = 1e-3;
const GELU_TOLERANCE = 2e-2;
/** How much of the vocabulary must be likely enough to be compared. */
const LEAST_SHARE = 0.1;
const USES_GELU = new Set(["bloom", "starcoder", "gemma4", "mpt", "codeshell", "grok"]);

let folder: string;
let llama: Peer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "samebit-peers-"));
  if (!installed) return;
  const entry = createRequire(`${peers}package.json`).resolve("node-llama-cpp");
  const { getLlama } = (await import(pathToFileURL(entry).href)) as {
    getLlama(options: object): Promise<Peer>;
  };
  llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Natural logarithms of llama.cpp's probabilities, [position][token]. */
async function peerLogprobs(path: string, nVocab: number): Promise<Float64Array[]> {
  const model = await llama.loadModel({ modelPath: path, useMmap: false, gpuLayers: 0 });
  try {
    const context = await model.createContext({
      contextSize: 512,
      batchSize: 64,
      flashAttention: false,
      threads: 1,
      experimentalKvCacheKeyType: "F32",
      experimentalKvCacheValueType: "F32",
    });
    const input = TOKENS.map((t) => [t, { generateNext: { probabilities: true } }] as const);
    const output = await context.getSequence().controlledEvaluate(input);
    return output.map(({ next: { probabilities } }) =>
      Float64Array.from({ length: nVocab }, (_, t) => Math.log(probabilities.get(t) ?? NaN)),
    );
  } finally {
    await model.dispose();
  }
}

describe("llama.cpp agrees", () => {
  const cases = RANDOM_MODELS.filter((model) => model.peer !== false);
  it.skipIf(!installed).each(cases)("$name", async (random) => {
    const path = join(folder, `${random.name}.gguf`);
    const bytes = await randomGguf(random);
    writeFileSync(path, bytes);
    const reference = await ReferenceModel.fromBytes(path, bytes, { nCtx: 512 });
    const expected = reference.run(TOKENS).map((logits) => logProbabilities(logits));
    const found = await peerLogprobs(path, expected[0].length);
    let worst = 0;
    let nCompared = 0;
    for (const [i, row] of found.entries()) {
      for (const [t, x] of row.entries()) {
        // What is less likely than 1e-7 is rounded away by a softmax in f32.
        if (expected[i][t] < -16) continue;
        nCompared++;
        const difference = Math.abs(x - expected[i][t]);
        if (!(difference <= worst)) worst = difference;
      }
    }
    expect(nCompared).toBeGreaterThan(found.length * expected[0].length * LEAST_SHARE);
    expect(worst).toBeLessThan(USES_GELU.has(random.arch) ? GELU_TOLERANCE : TOLERANCE);
  });
});
