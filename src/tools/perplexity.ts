// Perplexity as llama.cpp measures it: e to the mean negative log-probability of the tokens in the second half of every
// chunk. Numbers compare with llama-perplexity's of the same text and context.

import type { Model } from "../model.ts";
import type { SamplerMath } from "../sampling/math.ts";
import { type Chunks, scoreChunks } from "./chunks.ts";
import { exp, LogSoftmax, type LogSoftmaxRow } from "./log-softmax.ts";
import { type Estimate, meanOf } from "./uncertainty.ts";

export interface ChunkPerplexity {
  /** From 1. */
  readonly chunk: number;
  /** Mean negative log-probability of this chunk alone. */
  readonly meanNll: number;
  /** Over all chunks so far. */
  readonly perplexity: Estimate;
}

export interface PerplexityOptions {
  readonly signal?: AbortSignal;
  readonly onChunk?: (chunk: ChunkPerplexity) => void | Promise<void>;
  /** Called with every row that is scored: for writing a base file. `logits` is overwritten later. */
  readonly onRow?: (logits: Float32Array, row: LogSoftmaxRow) => void;
}

export interface PerplexityResult {
  readonly perplexity: Estimate;
  readonly scoredTokens: number;
  readonly chunks: readonly ChunkPerplexity[];
}

/** The model's context must hold chunks.nCtx - 1 tokens. Never depends on threads or batch size. */
export async function measurePerplexity(
  model: Model,
  chunks: Chunks,
  options: PerplexityOptions = {},
): Promise<PerplexityResult> {
  const softmax = new LogSoftmax(model.nVocab, model.samplerMath),
    sums = new NllSums(),
    done: ChunkPerplexity[] = [];
  let before = new NllSums();
  await scoreChunks(model, chunks, {
    signal: options.signal,
    onChunk: () => void (before = sums.copy()),
    onPrediction(logits, next) {
      const row = softmax.of(logits);
      sums.add(row.max + row.logSum - logits[next]);
      options.onRow?.(logits, row);
    },
    async onChunkEnd(index) {
      const chunk = {
        chunk: index + 1,
        meanNll: (sums.sum - before.sum) / (sums.n - before.n),
        perplexity: sums.perplexity(model.samplerMath),
      };
      done.push(chunk);
      await options.onChunk?.(chunk);
    },
  });
  return { perplexity: sums.perplexity(model.samplerMath), scoredTokens: sums.n, chunks: done };
}

/** Sums over negative log-probabilities. */
export class NllSums {
  sum = 0;
  sumOfSquares = 0;
  n = 0;

  add(nll: number): void {
    this.sum += nll;
    this.sumOfSquares += nll * nll;
    this.n++;
  }

  mean(): Estimate {
    return meanOf(this.sum, this.sumOfSquares, this.n);
  }

  /** The error is the mean's, carried through the exponential. */
  perplexity(math: SamplerMath): Estimate {
    const mean = this.mean(),
      value = exp(mean.value, math);
    return { value, error: mean.error * value };
  }

  copy(): NllSums {
    return Object.assign(new NllSums(), this);
  }
}
