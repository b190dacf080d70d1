// Writes a model's log-probabilities as a KL divergence base while its perplexity is measured: row by row, so that the file
// may be larger than memory.

import { encodeKldHeader, encodeKldRow, kldRowBytes } from "../../formats/kld-base.ts";
import type { Chunks } from "./chunks.ts";
import type { LogSoftmaxRow } from "./log-softmax.ts";

/** Writes the header at once and answers what to call with every scored row. `write` must take its bytes before it returns. */
export function kldBaseWriter(
  nVocab: number,
  { tokens, nCtx, count }: Chunks,
  write: (bytes: Uint8Array) => void,
): (logits: Float32Array, row: LogSoftmaxRow) => void {
  write(encodeKldHeader({ nCtx, nVocab, nChunks: count, tokens }));
  const bytes = new Uint8Array(kldRowBytes(nVocab));
  return (logits, row) => {
    encodeKldRow(logits, row, bytes);
    write(bytes);
  };
}
