// llama.cpp itself, through node-llama-cpp where it is installed (npm install --prefix bench/peers).

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const peers = fileURLToPath(new URL("../../bench/peers/", import.meta.url));
export const installed = existsSync(`${peers}node_modules/node-llama-cpp`);
if (!installed)
  console.warn("SKIPPED: node-llama-cpp is not installed; npm install --prefix bench/peers");

// What of node-llama-cpp is used here; it is no dependency, so its types are not at hand.
interface Llama {
  loadModel(options: object): Promise<{
    createContext(options: object): Promise<{
      getSequence(): {
        controlledEvaluate(
          input: (readonly [number, object])[],
        ): Promise<{ next: { probabilities: ReadonlyMap<number, number> } }[]>;
      };
      dispose(): Promise<void>;
    }>;
    dispose(): Promise<void>;
  }>;
}

export interface PeerOptions {
  readonly cacheType?: "F32" | "F16";
}

let llama: Promise<Llama> | undefined;

async function open(): Promise<Llama> {
  const entry = createRequire(`${peers}package.json`).resolve("node-llama-cpp");
  const { getLlama } = (await import(pathToFileURL(entry).href)) as {
    getLlama(options: object): Promise<Llama>;
  };
  return getLlama({ gpu: false, build: "never", logLevel: "error" });
}

/**
 * Natural logarithms of llama.cpp's probabilities after each token, [position][token], for several runs of tokens of one
 * model, each from an empty history.
 */
export async function peerLogprobs(
  path: string,
  nVocab: number,
  runs: readonly (readonly number[])[],
  { cacheType = "F32" }: PeerOptions = {},
): Promise<Float64Array[][]> {
  const model = await (
    await (llama ??= open())
  ).loadModel({
    modelPath: path,
    useMmap: false,
    gpuLayers: 0,
  });
  try {
    const results: Float64Array[][] = [];
    for (const tokens of runs) {
      const context = await model.createContext({
        contextSize: 512,
        batchSize: 64,
        flashAttention: false,
        threads: 1,
        experimentalKvCacheKeyType: cacheType,
        experimentalKvCacheValueType: cacheType,
      });
      const input = tokens.map((t) => [t, { generateNext: { probabilities: true } }] as const);
      const output = await context.getSequence().controlledEvaluate(input);
      await context.dispose();
      results.push(
        output.map(({ next: { probabilities } }) =>
          Float64Array.from({ length: nVocab }, (_, t) => Math.log(probabilities.get(t) ?? NaN)),
        ),
      );
    }
    return results;
  } finally {
    await model.dispose();
  }
}
