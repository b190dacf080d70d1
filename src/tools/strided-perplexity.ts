// Perplexity over overlapping windows (llama-perplexity --ppl-stride): every window moves on by `stride` tokens, of which the
// last `stride` are scored, so that each has a long history. No BOS is put in.

import { OptionError } from "../errors.ts";
import type { Model } from "../model.ts";
import { checkLength, scoreTokens } from "./chunks.ts";
import { LogSoftmax } from "./log-softmax.ts";
import {
  type ChunkPerplexity,
  NllSums,
  type PerplexityOptions,
  type PerplexityResult,
} from "./perplexity.ts";

export interface Windows {
  readonly tokens: ArrayLike<number>;
  /** Tokens of a window. */
  readonly nCtx: number;
  readonly stride: number;
  readonly count: number;
}

/** llama.cpp's window for a context and a stride. */
export function windowTokens(nCtx: number, stride: number): number {
  return nCtx + Math.floor(stride / 2);
}

/** At most `most` windows. Throws OptionError for a text of less than two windows, or a stride that is not inside one. */
export function cutWindows(
  tokens: ArrayLike<number>,
  nCtx: number,
  stride: number,
  most = Infinity,
): Windows {
  if (stride < 1 || stride >= nCtx)
    throw new OptionError(`stride: expected 1 to ${nCtx - 1} tokens, found ${stride}`);
  checkLength(tokens.length, nCtx);
  const count = Math.min(Math.ceil((tokens.length - nCtx) / stride), most);
  return { tokens, nCtx, stride, count };
}

/** The model's context must hold windows.nCtx - 1 tokens. Never depends on threads or batch size. */
export async function measureStridedPerplexity(
  model: Model,
  { tokens, nCtx, stride, count }: Windows,
  { signal, onChunk }: PerplexityOptions = {},
): Promise<PerplexityResult> {
  const softmax = new LogSoftmax(model.nVocab, model.samplerMath),
    sums = new NllSums(),
    done: ChunkPerplexity[] = [],
    all = Int32Array.from(tokens);
  for (let index = 0; index < count; index++) {
    const window = all.subarray(index * stride, index * stride + nCtx),
      own = new NllSums();
    await scoreTokens(model, window, nCtx - stride - 1, {
      signal,
      onPrediction(logits, next) {
        const { max, logSum } = softmax.of(logits),
          nll = max + logSum - logits[next];
        sums.add(nll);
        own.add(nll);
      },
    });
    const chunk = {
      chunk: index + 1,
      meanNll: own.mean().value,
      perplexity: sums.perplexity(model.samplerMath),
    };
    done.push(chunk);
    await onChunk?.(chunk);
  }
  return { perplexity: sums.perplexity(model.samplerMath), scoredTokens: sums.n, chunks: done };
}
