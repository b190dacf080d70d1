// The built package: what users run. Threads cannot load TypeScript, so every test of the whole engine uses dist/.

import { createHash } from "node:crypto";
import type * as Samebit from "../src/index.ts";

export const built = (await import(
  new URL("../dist/src/index.js", import.meta.url).href
)) as typeof Samebit;

export const EMBEDDED = new URL("../models/embedded/tldr-6m-q4_k_m.gguf", import.meta.url).pathname;

/** sha256 of the raw logits of every position of `tokens`, or of the decoder's. */
export async function logitsHash(
  path: string,
  tokens: readonly number[],
  options: Samebit.EngineOptions,
  decoderTokens?: readonly number[],
): Promise<string> {
  const model = await built.loadModel(path, options);
  try {
    const hash = createHash("sha256");
    for (const row of await model.logits(tokens, { decoderTokens }))
      hash.update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
    return hash.digest("hex");
  } finally {
    await model.close();
  }
}
