// How far a model's predictions are from those of another (its unquantised original, as a rule): Kullback-Leibler
// divergence, agreement of the best token, change of the right token's probability. llama.cpp's statistics, in f64, over its
// base file, of which one chunk at a time is in memory.

import {
  decodeKldRow,
  type KldBaseHeader,
  kldHeaderBytes,
  kldRowBytes,
  readKldHeader,
} from "../../formats/kld-base.ts";
import type { Source } from "../../formats/source.ts";
import { OptionError } from "../errors.ts";
import type { Model } from "../model.ts";
import type { SamplerMath } from "../sampling/math.ts";
import { type Chunks, scoreChunks, scoredPerChunk } from "./chunks.ts";
import { exp, LogSoftmax } from "./log-softmax.ts";
import { NllSums } from "./perplexity.ts";
import { covarianceOf, type Estimate, meanOf, percentile } from "./uncertainty.ts";

/** Estimates over the chunks so far. */
export interface KlDivergenceSoFar {
  readonly perplexity: Estimate;
  readonly basePerplexity: Estimate;
  /** ln(PPL(Q) / PPL(base)). */
  readonly logRatio: Estimate;
  readonly klDivergence: Estimate;
  /** Root mean square of the change of the right token's probability. */
  readonly deltaPRms: Estimate;
  /** Share of positions at which both models prefer the same token. */
  readonly sameTop: Estimate;
}

export interface ChunkKlDivergence extends KlDivergenceSoFar {
  /** From 1. */
  readonly chunk: number;
  /** Mean of this chunk alone. */
  readonly meanKld: number;
}

/** Percentages of the values that lie below, as llama.cpp prints them. */
export const PERCENTILES = [99.9, 99, 95, 90, 75, 50, 25, 10, 5, 1, 0.1] as const;

export interface Distribution {
  readonly maximum: number;
  readonly minimum: number;
  readonly median: number;
  /** By percentage, such as "99.9". */
  readonly percentiles: Readonly<Record<string, number>>;
}

export interface KlDivergenceResult extends KlDivergenceSoFar {
  readonly scoredTokens: number;
  /** Correlation of the two models' log-probabilities. */
  readonly correlation: number;
  readonly ratio: Estimate;
  readonly difference: Estimate;
  readonly kld: Distribution;
  readonly meanDeltaP: Estimate;
  readonly deltaP: Distribution;
  readonly chunks: readonly ChunkKlDivergence[];
}

export interface KlDivergenceOptions {
  readonly signal?: AbortSignal;
  readonly onChunk?: (chunk: ChunkKlDivergence) => void | Promise<void>;
}

/** An opened base file. */
export interface KldBase extends KldBaseHeader {
  readonly source: Source;
}

export async function openKldBase(source: Source): Promise<KldBase> {
  return { ...(await readKldHeader(source, scoredPerChunk)), source };
}

/** Scores the base's own tokens; at most `most` chunks. Throws OptionError where the model has another vocabulary. */
export async function measureKlDivergence(
  model: Model,
  base: KldBase,
  { signal, onChunk }: KlDivergenceOptions = {},
  most = Infinity,
): Promise<KlDivergenceResult> {
  const { nCtx, nVocab, tokens, source } = base,
    math = model.samplerMath;
  if (nVocab !== model.nVocab) {
    throw new OptionError(
      `KL divergence base: expected a vocabulary of ${model.nVocab} tokens, found ${nVocab} (${source.name}); ` +
        "the two models must share one",
    );
  }
  const chunks: Chunks = { tokens, nCtx, count: Math.min(base.nChunks, most) };
  const sums = new DivergenceSums(chunks.count * scoredPerChunk(nCtx), nVocab, math),
    done: ChunkKlDivergence[] = [];
  const rowBytes = kldRowBytes(nVocab),
    chunkBytes = scoredPerChunk(nCtx) * rowBytes,
    start = kldHeaderBytes(base);
  let rows: Uint8Array = new Uint8Array(),
    row = 0,
    before = 0;
  await scoreChunks(model, chunks, {
    signal,
    async onChunk(index) {
      rows = await source.read(start + index * chunkBytes, chunkBytes);
      row = 0;
      before = sums.kld;
    },
    onPrediction(logits, next) {
      sums.add(logits, next, rows.subarray(row, row + rowBytes));
      row += rowBytes;
    },
    async onChunkEnd(index) {
      const chunk = {
        chunk: index + 1,
        meanKld: (sums.kld - before) / scoredPerChunk(nCtx),
        ...sums.soFar(),
      };
      done.push(chunk);
      await onChunk?.(chunk);
    },
  });
  return { ...sums.result(), chunks: done };
}

export class DivergenceSums {
  kld = 0;
  private kldSquares = 0;
  private deltaP = 0;
  private deltaP2 = 0;
  private deltaP4 = 0;
  private same = 0;
  private product = 0;
  private readonly nll = new NllSums();
  private readonly baseNll = new NllSums();
  private readonly klds: Float64Array;
  private readonly deltas: Float64Array;
  private readonly base: Float32Array;
  private readonly exps: Float64Array;
  private readonly softmax: LogSoftmax;

  constructor(
    most: number,
    nVocab: number,
    private readonly math: SamplerMath,
  ) {
    this.klds = new Float64Array(most);
    this.deltas = new Float64Array(most);
    this.base = new Float32Array(nVocab);
    this.exps = new Float64Array(nVocab);
    this.softmax = new LogSoftmax(nVocab, math);
  }

  private get n(): number {
    return this.nll.n;
  }

  /** One position: the model's logits, the token that came, and the base's row. */
  add(logits: Float32Array, next: number, row: Uint8Array): void {
    const { base, exps, math } = this,
      { max, best, logSum } = this.softmax.of(logits);
    decodeKldRow(row, base);
    const logTotal = max + logSum,
      nll = logTotal - logits[next],
      baseNll = -base[next];
    let baseBest = 0;
    for (let i = 0; i < base.length; i++) {
      if (base[i] > base[baseBest]) baseBest = i;
      exps[i] = Math.min(base[i], 0); // rounding to 16 bits may leave a certain token a little above 0
    }
    math.expF64(exps);
    let kld = 0;
    for (let i = 0; i < base.length; i++)
      if (base[i] > -16) kld += exps[i] * (base[i] - logits[i] + logTotal);
    const delta = exp(-nll, math) - exp(-baseNll, math),
      square = delta * delta;
    this.klds[this.n] = kld;
    this.deltas[this.n] = delta;
    this.kld += kld;
    this.kldSquares += kld * kld;
    this.deltaP += delta;
    this.deltaP2 += square;
    this.deltaP4 += square * square;
    this.product += nll * baseNll;
    if (best === baseBest) this.same++;
    this.nll.add(nll);
    this.baseNll.add(baseNll);
  }

  soFar(): KlDivergenceSoFar {
    const { n, nll, baseNll, math } = this,
      a = nll.mean(),
      b = baseNll.mean();
    const meanSquare = meanOf(this.deltaP2, this.deltaP4, n),
      rms = Math.sqrt(meanSquare.value),
      same = this.same / n;
    return {
      perplexity: nll.perplexity(math),
      basePerplexity: baseNll.perplexity(math),
      logRatio: {
        value: a.value - b.value,
        error: root(a.error * a.error + b.error * b.error - 2 * this.covariance()),
      },
      klDivergence: meanOf(this.kld, this.kldSquares, n),
      deltaPRms: { value: rms, error: rms > 0 ? (0.5 / rms) * meanSquare.error : 0 },
      sameTop: { value: same, error: n > 1 ? Math.sqrt((same * (1 - same)) / (n - 1)) : 0 },
    };
  }

  result(): Omit<KlDivergenceResult, "chunks"> {
    const { n, math } = this,
      soFar = this.soFar(),
      { perplexity: q, basePerplexity: b, logRatio } = soFar;
    const covariance = this.covariance(),
      errors = this.nll.mean().error * this.baseNll.mean().error;
    const ratio = exp(logRatio.value, math);
    return {
      ...soFar,
      scoredTokens: n,
      correlation: errors > 0 ? covariance / errors : 1,
      ratio: { value: ratio, error: ratio * logRatio.error },
      difference: {
        value: q.value - b.value,
        error: root(q.error * q.error + b.error * b.error - 2 * covariance * q.value * b.value),
      },
      kld: distribution(this.klds.slice(0, n)),
      meanDeltaP: meanOf(this.deltaP, this.deltaP2, n),
      deltaP: distribution(this.deltas.slice(0, n)),
    };
  }

  private covariance(): number {
    return covarianceOf(this.nll.sum, this.baseNll.sum, this.product, this.n);
  }
}

function distribution(values: Float64Array): Distribution {
  const sorted = values.sort();
  return {
    maximum: sorted[sorted.length - 1],
    minimum: sorted[0],
    median: percentile(sorted, 0.5),
    percentiles: Object.fromEntries(
      PERCENTILES.map((p) => [String(p), percentile(sorted, p / 100)]),
    ),
  };
}

/** Rounding may leave a variance of 0 a little below it. */
function root(x: number): number {
  return Math.sqrt(Math.max(x, 0));
}
