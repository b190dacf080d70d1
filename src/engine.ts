// From a parsed file to logits: places the model (place.ts), starts the threads, loads the weights, and evaluates batches of
// tokens (batch.ts) over cached sequences, run by run (runs.ts). No text here: model.ts adds tokenizer and sampling.

import type { Gguf } from "../formats/gguf.ts";
import type { ModelDescription, Pooling } from "../models/index.ts";
import {
  type BatchPart,
  cutRuns,
  type Piece,
  wantedRows,
  writeBatch,
  writeBatchPointers,
} from "./batch.ts";
import { type CalibrationSums, takeSums } from "./calibration.ts";
import { checkOptions, count, type CacheType, type EngineOptions } from "./engine-options.ts";
import { ContextFullError, OptionError, RunError, SamebitError } from "./errors.ts";
import type { KernelExports } from "./kernels/exports.ts";
import { instantiateKernels } from "./kernels/instance.ts";
import { chooseKernels, type KernelBuild, probeMemory } from "./kernels/module.ts";
import { type CachedSequence, contextFull, KvCachePages } from "./kv-cache.ts";
import { Kv } from "./memory/abi.generated.ts";
import type { Bank } from "./memory/bank.ts";
import { placeModel } from "./place.ts";
import type { EncodedPlan } from "./plan/encode.ts";
import type { Recording } from "./plan/instruction.ts";
import { Repacker } from "./repack.ts";
import { Runs } from "./runs.ts";
import { InlinePool } from "./threads/inline-pool.ts";
import { type Pool, ThreadPool } from "./threads/pool.ts";
import { Turns } from "./threads/turns.ts";
import { loadWeights } from "./weights.ts";

export type { BatchPart, CacheType, CalibrationSums, EngineOptions };

/**
 * Called for every token that needs logits, in order. `logits` ([nVocab]) is a view of the engine's memory that the
 * next run overwrites: copy what you keep.
 */
export type OnLogits = (logits: Float32Array, part: BatchPart, index: number) => void;

/** Output rows computed at once: logits of a 128k vocabulary take half a megabyte each. */
const MAX_OUTPUTS = 32;
const DEFAULT_BATCH = 512;
/** Texts of an embedding that are run together: short ones fill the tiles of a product, and weights are read once. */
const DEFAULT_TEXTS = 8;

export class Engine {
  private closed = false;
  private readonly turns = new Turns();
  /** Sequences that are being evaluated; true: to be removed when that is over. */
  private readonly busy = new Map<CachedSequence, boolean>();

  private constructor(
    /** What a run gives: `evaluate` logits, `embed` embeddings. */
    readonly result: ModelDescription["result"],
    /** How embeddings are made of tokens; numbers in one. */
    readonly pooling: Pooling,
    /** Whether a sequence begins with tokens for an encoder. */
    readonly hasEncoder: boolean,
    readonly threads: number,
    /** Whether the calling thread computes. */
    readonly inline: boolean,
    readonly nCtx: number,
    readonly nBatch: number,
    readonly nVocab: number,
    readonly kernelBuild: KernelBuild,
    /** An instance over no bank, for elementary functions. */
    readonly maths: KernelExports,
    private readonly nSequences: number,
    private readonly recording: Recording,
    private readonly plan: EncodedPlan,
    private readonly banks: readonly Bank[],
    private readonly pool: Pool,
    private readonly runs: Runs,
    private readonly cache: KvCachePages,
  ) {}

  static async load(
    gguf: Gguf,
    describe: (nCtx: number) => ModelDescription,
    trainedCtx: number,
    options: EngineOptions,
  ): Promise<Engine> {
    const {
      nCtx,
      sequences: wanted,
      threads,
      inline,
      bankBytes,
      weights,
      kType,
      vType,
    } = checkOptions(options, trainedCtx);
    const { module, build, shared } = await chooseKernels(options.kernelBuild, !inline);
    const model = describe(nCtx);
    const isEmbedding = model.result === "embedding",
      sequences = wanted ?? (isEmbedding ? DEFAULT_TEXTS : 1);
    // An encoder's tokens are a sequence of their own beside the decoder's.
    const nSequences = model.hasEncoder ? 2 * sequences : sequences;
    // An embedding takes its text in one run, and so does an encoder: it must see all of it.
    const nBatch =
      isEmbedding || model.hasEncoder
        ? align(nCtx, 8)
        : Math.min(count("nBatch", options.nBatch ?? DEFAULT_BATCH, 1, 8192), align(nCtx, 8));
    const maths = instantiateKernels(module, probeMemory(shared));
    const maxPages = Math.ceil(nCtx / Kv.pagePositions);
    // The texts of an embedding share the tokens of one run; each may leave a page unfilled.
    const nPages = isEmbedding
      ? Math.ceil(nBatch / Kv.pagePositions) + nSequences
      : maxPages * nSequences;
    const placed = placeModel(
      gguf,
      model,
      {
        kernels: maths,
        weights,
        kType,
        vType,
        nBatch,
        nOutputs: Math.min(MAX_OUTPUTS, nBatch),
        nSequences,
        nCtx,
        nThreads: threads,
        swaFull: options.swaFull,
        calibrate: options.calibrate,
      },
      { nPages, maxPagesPerSequence: maxPages, bankBytes },
      shared,
    );
    const { recording, plan, banks, pools } = placed;
    const kernels = banks.map((bank) => instantiateKernels(module, bank.memory));
    banks.forEach(writeBatchPointers);
    const pool = inline
      ? new InlinePool(module, banks)
      : await ThreadPool.start(module, banks, threads);
    try {
      const repacker = new Repacker(banks, pool, options.signal);
      await loadWeights({
        gguf,
        banks,
        kernels,
        repacker,
        weights: recording.weights,
        onProgress: options.onProgress,
        signal: options.signal,
      });
    } catch (error) {
      await pool.close();
      throw error;
    }
    const nVocab = model.result === "logits" ? recording.result.width : model.hparams.vocabSize;
    return new Engine(
      model.result,
      model.pooling,
      model.hasEncoder,
      threads,
      inline,
      nCtx,
      nBatch,
      nVocab,
      build,
      maths,
      nSequences,
      recording,
      plan,
      banks,
      pool,
      new Runs(model.result, placed, pool),
      new KvCachePages(banks, pools, nSequences, maxPages),
    );
  }

  /** How many banks hold the model. */
  get nBanks(): number {
    return this.banks.length;
  }

  /** Bytes of keys and values in all banks. */
  get cacheBytes(): number {
    return this.banks.reduce((sum, bank) => sum + bank.cacheBytes, 0);
  }

  /**
   * Gives the encoder its tokens; evaluate then feeds the decoder. The sequence must be empty. Throws ContextFullError for
   * more tokens than the context holds.
   */
  async encode(
    sequence: CachedSequence,
    tokens: ArrayLike<number>,
    signal?: AbortSignal,
  ): Promise<void> {
    if (!this.hasEncoder)
      throw new OptionError("model: expected one with an encoder, found one without; use evaluate");
    if (sequence.length > 0)
      throw new OptionError(
        `sequence: expected an empty one for the encoder, found ${sequence.length} tokens; truncate to 0`,
      );
    this.checkGives("logits");
    if (!this.cache.has(sequence))
      throw new SamebitError("session: expected one of this model that is open, found another");
    this.checkIdle(sequence);
    const checked = this.checkTokens(tokens);
    if (checked.length === 0)
      throw new OptionError("encoder: expected at least one token, found none");
    if (checked.length > this.nCtx) {
      throw new ContextFullError(
        `encoder: expected at most ${this.nCtx} tokens, found ${checked.length}; ` +
          "load the model with a larger context or shorten the text",
      );
    }
    this.busy.set(sequence, false);
    try {
      await this.turns.take(() => this.runEncoder(sequence, checked, signal), signal);
    } finally {
      if (this.busy.get(sequence)) this.cache.remove(sequence);
      this.busy.delete(sequence);
    }
  }

  private async runEncoder(
    sequence: CachedSequence,
    tokens: Int32Array,
    signal?: AbortSignal,
  ): Promise<void> {
    if (sequence.encoder) this.cache.remove(sequence.encoder);
    sequence.encoder = undefined;
    const encoder = this.createSequence();
    try {
      this.cache.reserve(encoder, tokens.length);
      const piece = {
        part: { sequence: encoder, tokens, outputs: "none" },
        from: 0,
        to: tokens.length,
      } as const;
      writeBatch(this.banks, this.cache, [piece], []);
      await this.runs.run(this.plan.encoder, signal);
    } catch (error) {
      this.cache.remove(encoder);
      this.runs.clearWorkingMemory();
      throw error;
    }
    this.cache.advance(encoder, tokens.length);
    sequence.encoder = encoder;
  }

  createSequence(): CachedSequence {
    this.checkOpen();
    return this.cache.create();
  }

  copySequence(sequence: CachedSequence): CachedSequence {
    this.checkOpen();
    this.checkIdle(sequence);
    return this.cache.copy(sequence);
  }

  canTruncate(sequence: CachedSequence, length: number): boolean {
    return this.cache.canTruncate(sequence, length);
  }

  truncateSequence(sequence: CachedSequence, length: number): void {
    this.checkIdle(sequence);
    this.cache.truncate(sequence, length);
  }

  /** At once, or, while it is being evaluated, before the next run of that evaluation. */
  removeSequence(sequence: CachedSequence): void {
    if (this.busy.has(sequence)) this.busy.set(sequence, true);
    else this.cache.remove(sequence);
  }

  /** How many more tokens a sequence can take. */
  room(sequence: CachedSequence): number {
    return Math.min(this.nCtx - sequence.length, this.cache.room(sequence));
  }

  /**
   * Appends tokens to sequences and computes the logits that were asked for. Parts are cut into runs of nBatch tokens;
   * a run that fails leaves its sequences as they were before it. Runs of concurrent evaluations alternate, in order;
   * a sequence belongs to one evaluation at a time. Everything that can be refused is refused before the first run.
   */
  async evaluate(
    parts: readonly BatchPart[],
    onLogits: OnLogits,
    signal?: AbortSignal,
  ): Promise<void> {
    this.checkGives("logits");
    const sequences = new Set<CachedSequence>(),
      checked: BatchPart[] = [];
    for (const { sequence, tokens, outputs } of parts) {
      if (!["none", "last", "all"].includes(outputs))
        throw new OptionError(`outputs: expected none, last or all, found ${String(outputs)}`);
      if (!this.cache.has(sequence))
        throw new SamebitError("session: expected one of this model that is open, found another");
      if (sequences.has(sequence))
        throw new OptionError(
          "batch: expected each session once, found one twice; join its tokens",
        );
      if (this.hasEncoder && !sequence.encoder) {
        throw new OptionError(
          "sequence: expected tokens for the encoder first, found none; call encode before evaluate",
        );
      }
      sequences.add(sequence);
      this.checkIdle(sequence);
      // a copy: what was checked is what will be evaluated, whatever the caller does with the array meanwhile
      checked.push({ sequence, tokens: this.checkTokens(tokens), outputs });
      const room = this.room(sequence);
      if (tokens.length > room) throw contextFull(tokens.length, sequence.length, room, this.nCtx);
    }
    for (const sequence of sequences) this.busy.set(sequence, false);
    try {
      for (const run of cutRuns(checked, this.nBatch))
        await this.turns.take(() => this.runPieces(run, onLogits, signal), signal);
    } finally {
      for (const sequence of sequences) {
        if (this.busy.get(sequence)) this.cache.remove(sequence);
        this.busy.delete(sequence);
      }
    }
  }

  /**
   * The embedding of each text (token ids): one vector, or with pooling `none` one for each token. Texts that fit are run
   * side by side, which changes no bit. Throws ContextFullError for a text longer than the context.
   */
  async embed(
    texts: readonly ArrayLike<number>[],
    signal?: AbortSignal,
  ): Promise<Float32Array[][]> {
    this.checkGives("embedding");
    const checked = texts.map((tokens) => this.checkTokens(tokens));
    for (const tokens of checked) {
      if (tokens.length === 0)
        throw new OptionError("text: expected at least one token, found none");
      if (tokens.length > this.nCtx) {
        throw new ContextFullError(
          `text: expected at most ${this.nCtx} tokens, found ${tokens.length}; ` +
            "load the model with a larger context or shorten the text",
        );
      }
    }
    const embeddings: Float32Array[][] = [];
    for (let from = 0; from < checked.length;) {
      let to = from,
        room = this.nBatch;
      while (to < checked.length && to - from < this.nSequences && checked[to].length <= room)
        room -= checked[to++].length;
      const together = checked.slice(from, to);
      embeddings.push(
        ...(await this.turns.take(() => this.embedTogether(together, signal), signal)),
      );
      from = to;
    }
    return embeddings;
  }

  private async embedTogether(
    texts: readonly ArrayLike<number>[],
    signal?: AbortSignal,
  ): Promise<Float32Array[][]> {
    const pieces: Piece[] = [];
    try {
      for (const tokens of texts) {
        const sequence = this.createSequence();
        pieces.push({ part: { sequence, tokens, outputs: "none" }, from: 0, to: tokens.length });
        this.cache.reserve(sequence, tokens.length);
      }
      writeBatch(this.banks, this.cache, pieces, []);
      await this.runs.head(this.plan.all, 0, 0, signal);
      const { rows } = this.recording.result;
      let row = 0;
      return texts.map((tokens) =>
        Array.from({ length: rows === "tokens" ? tokens.length : 1 }, () =>
          this.runs.resultRow(row++).slice(),
        ),
      );
    } catch (error) {
      this.runs.clearWorkingMemory();
      throw error;
    } finally {
      pieces.forEach(({ part: { sequence } }) => this.cache.remove(sequence));
    }
  }

  private checkGives(wanted: Engine["result"]): void {
    this.checkOpen();
    if (this.result === wanted) return;
    throw new OptionError(
      wanted === "logits"
        ? "model: expected one that gives logits, found one that gives embeddings; use embed"
        : "model: expected one that gives embeddings, found one that gives logits; load it with embeddings: true",
    );
  }

  /** The sums since the last call, by weight; they begin again at 0. Empty unless `calibrate` was asked for. */
  takeCalibration(): Map<string, CalibrationSums> {
    this.checkOpen();
    if (this.busy.size > 0)
      throw new SamebitError(
        "calibration: expected no evaluation in progress, found one; await it first",
      );
    return takeSums(this.recording.calibrations, this.banks);
  }

  private checkOpen(): void {
    if (this.closed) throw new RunError("closed", "model: expected it open, found it closed");
  }

  private checkIdle(sequence: CachedSequence): void {
    if (this.busy.has(sequence))
      throw new SamebitError(
        "session: expected no evaluation in progress, found one; await it first",
      );
  }

  private checkTokens(tokens: ArrayLike<number>): Int32Array {
    if (!Number.isInteger((tokens as ArrayLike<number> | null | undefined)?.length))
      throw new OptionError(`tokens: expected a list of ids, found ${String(tokens)}`);
    for (let i = 0; i < tokens.length; i++) {
      if (!(Number.isInteger(tokens[i]) && tokens[i] >= 0 && tokens[i] < this.nVocab)) {
        throw new OptionError(
          `token ${i}: expected an id from 0 to ${this.nVocab - 1}, found ${tokens[i]}`,
        );
      }
    }
    return Int32Array.from(tokens);
  }

  private async runPieces(
    pieces: readonly Piece[],
    onLogits: OnLogits,
    signal?: AbortSignal,
  ): Promise<void> {
    if (pieces.some(({ part }) => this.busy.get(part.sequence)))
      throw new RunError("closed", "session: expected it open, found it closed");
    const undo = () =>
      pieces.forEach(({ part: { sequence } }) => this.cache.truncate(sequence, sequence.length));
    try {
      for (const { part, from, to } of pieces) this.cache.reserve(part.sequence, to - from);
      const wanted = wantedRows(pieces);
      writeBatch(
        this.banks,
        this.cache,
        pieces,
        wanted.map((w) => w.row),
      );
      if (wanted.length === 0) await this.runs.run(this.plan.body, signal);
      for (let start = 0; start < wanted.length; start += MAX_OUTPUTS) {
        const chunk = wanted.slice(start, start + MAX_OUTPUTS),
          all = wanted.length <= MAX_OUTPUTS;
        if (start === 0 && !all) await this.runs.run(this.plan.body, signal);
        await this.runs.head(all ? this.plan.all : this.plan.head, start, chunk.length, signal);
        chunk.forEach(({ part, index }, i) => onLogits(this.runs.resultRow(i), part, index));
      }
    } catch (error) {
      undo();
      this.runs.clearWorkingMemory();
      throw error;
    }
    for (const { part, from, to } of pieces) {
      this.cache.advance(part.sequence, to - from);
      for (let i = from; i < to; i++) part.sequence.tokens.push(part.tokens[i]);
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.pool.close();
  }
}

const align = (n: number, to: number) => Math.ceil(n / to) * to;
