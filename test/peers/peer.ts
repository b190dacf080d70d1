// llama.cpp by node-llama-cpp, where it is installed (npm install --prefix bench/peers), and a folder for the files that
// it is given.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const peers = fileURLToPath(new URL("../../bench/peers/", import.meta.url));
export const peerInstalled = existsSync(`${peers}node_modules/node-llama-cpp`);
if (!peerInstalled)
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

export interface Peer {
  readonly llama: Llama;
  readonly folder: string;
  /** Removes the folder. */
  close(): void;
}

/** Starts it; only where `peerInstalled`. */
export async function openPeer(): Promise<Peer> {
  const entry = createRequire(`${peers}package.json`).resolve("node-llama-cpp");
  const { getLlama } = (await import(pathToFileURL(entry).href)) as {
    getLlama(options: object): Promise<Llama>;
  };
  const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
  const folder = mkdtempSync(join(tmpdir(), "samebit-peers-"));
  return { llama, folder, close: () => rmSync(folder, { recursive: true, force: true }) };
}
