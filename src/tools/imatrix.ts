// Collects an importance matrix while a model reads a text: the squares of what goes into every product, summed by column.
// The engine sums within a chunk; here chunks are added up, in f32, so that a run resumed from a saved file gives the bytes
// of one that was never interrupted.

import { addEntries, type Imatrix, type ImatrixEntry } from "../../formats/imatrix.ts";
import { OptionError } from "../errors.ts";
import type { Model } from "../model.ts";
import { type Chunks, chunkTokens, firstScored } from "./chunks.ts";
import { LogSoftmax } from "./log-softmax.ts";
import { NllSums } from "./perplexity.ts";
import type { Estimate } from "./uncertainty.ts";

export interface ImatrixChunk {
  /** From 1, over the whole text. */
  readonly chunk: number;
  /** Of this run so far; absent where it was not wanted. */
  readonly perplexity?: Estimate;
  /** What there is to save. */
  readonly imatrix: Imatrix;
}

export interface CollectOptions {
  /** Named in the file. */
  readonly dataset: string;
  /** Chunks to pass over, because `start` holds them. Default 0. */
  readonly firstChunk?: number;
  /** What to add to: an earlier run. */
  readonly start?: Imatrix;
  /** Also the matrix of the logits, `output.weight`. */
  readonly processOutput?: boolean;
  /** Default true. */
  readonly perplexity?: boolean;
  readonly signal?: AbortSignal;
  readonly onChunk?: (chunk: ImatrixChunk) => void | Promise<void>;
}

/** Throws OptionError for a model that was not loaded with `calibrate`. What it has summed up before is dropped. */
export async function collectImatrix(
  model: Model,
  chunks: Chunks,
  options: CollectOptions,
): Promise<Imatrix> {
  const {
      firstChunk = 0,
      start,
      processOutput = false,
      perplexity = true,
      signal,
      dataset,
    } = options,
    { nCtx } = chunks;
  const entries = new Map(start?.entries),
    softmax = new LogSoftmax(model.nVocab, model.samplerMath),
    nll = new NllSums();
  const first = firstScored(nCtx),
    earlier = start?.datasets ?? [];
  // a run that goes on with the same text does not name it twice
  const datasets = earlier.at(-1) === dataset ? earlier : [...earlier, dataset];
  let imatrix: Imatrix = { entries, datasets, chunkCount: start?.chunkCount ?? 0, chunkSize: nCtx };
  model.takeCalibration(); // of whatever ran before, to its end or not
  for (let index = firstChunk; index < chunks.count; index++) {
    const tokens = chunkTokens(chunks, index, model),
      session = model.createSession();
    try {
      // all outputs: the last layer computes only rows whose logits are wanted
      await session.evaluate(tokens, {
        outputs: "all",
        signal,
        onLogits(logits, i) {
          if (!perplexity || i < first || i === nCtx - 1) return;
          const { max, logSum } = softmax.of(logits);
          nll.add(max + logSum - logits[tokens[i + 1]]);
        },
      });
    } finally {
      session.close();
    }
    const found = model.takeCalibration();
    if (found.size === 0)
      throw new OptionError("model: expected one loaded with calibrate, found one without");
    for (const [name, { sums, counts }] of found) {
      if (!(name.startsWith("blk.") || (processOutput && name === "output.weight"))) continue;
      const seen: ImatrixEntry = { sums, counts: Float32Array.from(counts) };
      entries.set(name, addEntries(name, entries.get(name), seen));
    }
    imatrix = { ...imatrix, chunkCount: imatrix.chunkCount + 1 };
    await options.onChunk?.({
      chunk: index + 1,
      imatrix,
      perplexity: perplexity ? nll.perplexity(model.samplerMath) : undefined,
    });
  }
  return imatrix;
}
