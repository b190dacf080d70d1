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
    createEmbeddingContext(options: object): Promise<{
      getEmbeddingFor(tokens: readonly number[]): Promise<{ readonly vector: readonly number[] }>;
    }>;
    createRankingContext(options: object): Promise<{
      rank(query: readonly number[], document: readonly number[]): Promise<number>;
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
  return withModel(path, async (model) => {
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
  });
}

type PeerModel = Awaited<ReturnType<Llama["loadModel"]>>;

async function withModel<T>(path: string, use: (model: PeerModel) => Promise<T>): Promise<T> {
  llama ??= open();
  const model = await (
    await llama
  ).loadModel({
    modelPath: path,
    useMmap: false,
    gpuLayers: 0,
    // of embeddings, which have no options of their own for these
    defaultContextFlashAttention: false,
    experimentalDefaultContextKvCacheKeyType: "F32",
    experimentalDefaultContextKvCacheValueType: "F32",
  });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

const EMBEDDING = { contextSize: 64, batchSize: 64, threads: 1 };

/** The vector of a text, as the file pools it and not scaled. */
export function peerEmbedding(path: string, tokens: readonly number[]): Promise<readonly number[]> {
  return withModel(path, async (model) => {
    const context = await model.createEmbeddingContext(EMBEDDING);
    return (await context.getEmbeddingFor(tokens)).vector;
  });
}

/** The probability that a document answers a query, of [BOS] query [EOS] [SEP] document [EOS]. */
export function peerRank(
  path: string,
  query: readonly number[],
  document: readonly number[],
): Promise<number> {
  return withModel(path, async (model) => {
    const context = await model.createRankingContext(EMBEDDING);
    return context.rank(query, document);
  });
}
