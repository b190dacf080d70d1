// A long text in chunks, each evaluated from an empty history, as llama.cpp's perplexity and imatrix do it: the token
// that begins a chunk gives way to BOS where the model adds one, and tokens that do not fill the last chunk are left out.

import { OptionError } from "../errors.ts";
import type { Model } from "../model.ts";

/** Token ids cut into chunks of nCtx. */
export interface Chunks {
  readonly tokens: Int32Array;
  readonly nCtx: number;
  readonly count: number;
}

/** At most `most` chunks. Throws OptionError for fewer than two: a shorter text says little. */
export function cutChunks(tokens: ArrayLike<number>, nCtx: number, most = Infinity): Chunks {
  checkLength(tokens.length, nCtx);
  const count = Math.min(Math.floor(tokens.length / nCtx), most);
  return { tokens: Int32Array.from({ length: count * nCtx }, (_, i) => tokens[i]), nCtx, count };
}

/** Throws OptionError for a text of less than two chunks, and for chunks without a length. */
export function checkLength(nTokens: number, nCtx: number): void {
  if (!Number.isInteger(nCtx) || nCtx < 1)
    throw new OptionError(`nCtx: expected an integer from 1, found ${nCtx}`);
  if (nTokens >= 2 * nCtx) return;
  throw new OptionError(
    `text: expected at least ${2 * nCtx} tokens, found ${nTokens}; ` +
      "use a longer text or a smaller context",
  );
}

/** Tokens of chunk `index` as they are evaluated, [nCtx]. */
export function chunkTokens({ tokens, nCtx }: Chunks, index: number, model: Model): Int32Array {
  const chunk = tokens.slice(index * nCtx, (index + 1) * nCtx),
    { addBos, bosToken } = model.tokenizer;
  if (addBos) chunk[0] = bosToken!;
  return chunk;
}

/** First position whose prediction counts: those before it have too little to go by. */
export function firstScored(nCtx: number): number {
  return Math.floor(nCtx / 2);
}

/** Predictions that count in a chunk; the last token predicts nothing that the chunk holds. */
export function scoredPerChunk(nCtx: number): number {
  return nCtx - 1 - firstScored(nCtx);
}

export interface ScoringRun {
  /** Called in order for every prediction that counts: its logits (a view, overwritten later) and the token that came. */
  readonly onPrediction: (logits: Float32Array, next: number) => void;
  /** Before the predictions of a chunk. */
  readonly onChunk?: (index: number) => void | Promise<void>;
  /** After them. */
  readonly onChunkEnd?: (index: number) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

/** Evaluates all chunks, one after the other. */
export async function scoreChunks(model: Model, chunks: Chunks, run: ScoringRun): Promise<void> {
  const first = firstScored(chunks.nCtx);
  for (let index = 0; index < chunks.count; index++) {
    await run.onChunk?.(index);
    await scoreTokens(model, chunkTokens(chunks, index, model), first, run);
    await run.onChunkEnd?.(index);
  }
}

/** Evaluates tokens from an empty history; the predictions of those from position `first` on count, but the last one's. */
export async function scoreTokens(
  model: Model,
  tokens: Int32Array,
  first: number,
  { onPrediction, signal }: Pick<ScoringRun, "onPrediction" | "signal">,
): Promise<void> {
  const session = model.createSession();
  try {
    await session.evaluate(tokens.subarray(0, first), { outputs: "none", signal });
    await session.evaluate(tokens.subarray(first, -1), {
      outputs: "all",
      signal,
      onLogits: (logits, i) => onPrediction(logits, tokens[first + i + 1]),
    });
  } finally {
    session.close();
  }
}
