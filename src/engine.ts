// From a parsed file to logits: records the plan, sizes the banks, loads the weights, starts the threads, and evaluates
// batches of tokens over cached sequences. No text here: model.ts adds tokenizer and sampling.

import type { Gguf } from "../formats/gguf.ts";
import type { ModelDescription, Pooling } from "../models/index.ts";
import { ContextFullError, MemoryError, OptionError, RunError, SamebitError } from "./errors.ts";
import {
  chooseKernels,
  instantiateKernels,
  type KernelBuild,
  probeMemory,
} from "./kernels/module.ts";
import { type CachedSequence, contextFull, KvCachePages } from "./kv-cache.ts";
import { Batch, Instruction, Kv, Sequence } from "./memory/abi.generated.ts";
import { Bank, type BankLimits, fixedBytes } from "./memory/bank.ts";
import { allocateArena } from "./plan/allocate.ts";
import { assignBanks } from "./plan/banks.ts";
import { encodePlan, planBytes, type EncodedPlan } from "./plan/encode.ts";
import type { Recording } from "./plan/instruction.ts";
import { Recorder, type RecordOptions } from "./plan/record.ts";
import { platform } from "./platform/index.ts";
import { repackBytes, Repacker } from "./repack.ts";
import { ThreadPool } from "./threads/pool.ts";
import { Turns } from "./threads/turns.ts";
import { loadWeights, type LoadProgress } from "./weights.ts";

export type CacheType = "f32" | "f16" | "q8_0";
const CACHE_TYPES: Record<CacheType, number> = { f32: 0, f16: 1, q8_0: 8 };

export interface EngineOptions {
  /** Compute threads; default: as many as the machine offers. Never changes a result. */
  readonly threads?: number;
  /** Positions of a sequence; default: what the model was trained for, at most 4096. */
  readonly nCtx?: number;
  /** Tokens evaluated at once; default 512. Never changes a result. Embeddings take each text at once. */
  readonly nBatch?: number;
  /** Sequences that can be in the cache at the same time; default 1. */
  readonly nSequences?: number;
  /** `f32`: dequantise every matrix at load (the precise mode). Default `compact`: as in the file. */
  readonly weights?: "compact" | "f32";
  readonly cacheTypeK?: CacheType;
  readonly cacheTypeV?: CacheType;
  /** Forces a kernel build; default: the fastest that is right here. Never changes a result. */
  readonly kernelBuild?: KernelBuild;
  /** Most bytes of weights, cache and state in one memory bank. Never changes a result. */
  readonly bankBytes?: number;
  /** Add up the squares of every product's input: see Model.takeCalibration. */
  readonly calibrate?: boolean;
  readonly onProgress?: LoadProgress;
  readonly signal?: AbortSignal;
}

/** What went into the products of one weight: by expert where it has several, otherwise one matrix. */
export interface CalibrationSums {
  /** f32 [nMatrices * width]: sums of the squares of every input column. */
  readonly sums: Float32Array;
  /** Rows added up, by matrix. */
  readonly counts: Uint32Array;
  readonly width: number;
}

/** Tokens to append to a sequence, and which of them need logits. */
export interface BatchPart {
  readonly sequence: CachedSequence;
  readonly tokens: ArrayLike<number>;
  readonly outputs: "none" | "last" | "all";
}

/**
 * Called for every token that needs logits, in order. `logits` ([nVocab]) is a view of shared memory that the next
 * run overwrites: copy what you keep.
 */
export type OnLogits = (logits: Float32Array, part: BatchPart, index: number) => void;

/** Output rows computed at once: logits of a 128k vocabulary take half a megabyte each. */
const MAX_OUTPUTS = 32;
/** A memory is at most 4 GiB; V8 refuses the last page now and then. */
const MAX_BANK = 65535 * 65536;
const DEFAULT_CTX = 4096,
  DEFAULT_BATCH = 512;

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
    readonly nCtx: number,
    readonly nBatch: number,
    readonly nVocab: number,
    readonly kernelBuild: KernelBuild,
    private readonly nSequences: number,
    private readonly recording: Recording,
    private readonly plan: EncodedPlan,
    private readonly banks: readonly Bank[],
    private readonly home: ReadonlyMap<number, number>,
    private readonly pool: ThreadPool,
    private readonly cache: KvCachePages,
  ) {}

  static async load(
    gguf: Gguf,
    describe: (nCtx: number) => ModelDescription,
    trainedCtx: number,
    options: EngineOptions,
  ): Promise<Engine> {
    const nCtx = count("nCtx", options.nCtx ?? Math.min(trainedCtx, DEFAULT_CTX), 1, 1 << 24);
    const sequences = count("nSequences", options.nSequences ?? 1, 1, 4096);
    const threads = count(
      "threads",
      options.threads ?? Math.min(platform.availableParallelism(), 64),
      1,
      128,
    );
    const { bankBytes, weights = "compact" } = options;
    if (bankBytes !== undefined) count("bankBytes", bankBytes, 1, Number.MAX_SAFE_INTEGER);
    if (weights !== "compact" && weights !== "f32")
      throw new OptionError(`weights: expected compact or f32, found ${String(weights)}`);
    const kType = cacheType("cacheTypeK", options.cacheTypeK),
      vType = cacheType("cacheTypeV", options.cacheTypeV);
    const { module, build } = await chooseKernels(options.kernelBuild);
    const model = describe(nCtx);
    // An encoder's tokens are a sequence of their own beside the decoder's.
    const nSequences = model.hasEncoder ? 2 * sequences : sequences;
    // An embedding takes its text in one run, and so does an encoder: it must see all of it.
    const nBatch =
      model.result === "embedding" || model.hasEncoder
        ? align(nCtx, 8)
        : Math.min(count("nBatch", options.nBatch ?? DEFAULT_BATCH, 1, 8192), align(nCtx, 8));
    const maths = instantiateKernels(module, probeMemory());
    const recording = record(gguf, model, {
      kernels: maths,
      weights,
      kType,
      vType,
      nBatch,
      nOutputs: Math.min(MAX_OUTPUTS, nBatch),
      nSequences,
      nCtx,
      nThreads: threads,
      calibrate: options.calibrate,
    });
    const maxPages = Math.ceil(nCtx / Kv.pagePositions),
      nPages = maxPages * nSequences;
    const limits: Omit<BankLimits, "planBytes" | "arenaBytes"> = {
      heapBase: maths.heapBase() >>> 0,
      nThreads: threads,
      nBatch,
      nSequences,
      nPages,
      maxPagesPerSequence: maxPages,
      maxBytes: MAX_BANK,
      nEmbd: model.hparams.embeddingLength,
    };
    const { banks, banked } = makeBanks(recording, limits, bankBytes);
    const plan = encodePlan(recording, banked, banks);
    const kernels = banks.map((bank) => instantiateKernels(module, bank.memory));
    banks.forEach(writeBatchPointers);
    const pool = await ThreadPool.start(module, banks, threads);
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
      nCtx,
      nBatch,
      nVocab,
      build,
      nSequences,
      recording,
      plan,
      banks,
      banked.home,
      pool,
      new KvCachePages(banks, nPages, nSequences, maxPages),
    );
  }

  /** How many banks hold the model. */
  get nBanks(): number {
    return this.banks.length;
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
      for (const bank of this.banks) this.writeBatch(bank, [piece], []);
      await this.pool.run(this.plan.encoder, this.describe, signal);
    } catch (error) {
      this.cache.remove(encoder);
      this.clearWorkingMemory();
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
      for (const bank of this.banks) this.writeBatch(bank, pieces, []);
      await this.runHead(this.plan.all, 0, 0, signal);
      const { value, offset, rows, stride, width } = this.recording.result,
        bank = this.banks[this.home.get(value.id)!];
      let row = 0;
      return texts.map((tokens) =>
        Array.from({ length: rows === "tokens" ? tokens.length : 1 }, () =>
          bank.f32(bank.valueAddress(value.id) + offset + row++ * stride, width).slice(),
        ),
      );
    } catch (error) {
      this.clearWorkingMemory();
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
    const taken = new Map<string, CalibrationSums>();
    for (const [name, { state, width, nMatrices, rowBytes, countsOffset }] of this.recording
      .calibrations) {
      const bank = this.banks.find((b) => b.stateAddress(state) !== undefined)!,
        base = bank.stateAddress(state);
      const sums = new Float32Array(nMatrices * width);
      for (let i = 0; i < nMatrices; i++) sums.set(bank.f32(base + i * rowBytes, width), i * width);
      taken.set(name, { sums, counts: bank.u32(base + countsOffset, nMatrices).slice(), width });
      bank.u8(base, state.bytes).fill(0);
    }
    return taken;
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
    const wanted: { part: BatchPart; index: number; row: number }[] = [];
    try {
      for (const { part, from, to } of pieces) this.cache.reserve(part.sequence, to - from);
      let row = 0;
      for (const { part, from, to } of pieces) {
        for (let index = from; index < to; index++, row++) {
          if (
            part.outputs === "all" ||
            (part.outputs === "last" && index === part.tokens.length - 1)
          )
            wanted.push({ part, index, row });
        }
      }
      for (const bank of this.banks)
        this.writeBatch(
          bank,
          pieces,
          wanted.map((w) => w.row),
        );
      if (wanted.length === 0) await this.pool.run(this.plan.body, this.describe, signal);
      for (let start = 0; start < wanted.length; start += MAX_OUTPUTS) {
        const chunk = wanted.slice(start, start + MAX_OUTPUTS),
          all = wanted.length <= MAX_OUTPUTS;
        if (start === 0 && !all) await this.pool.run(this.plan.body, this.describe, signal);
        await this.runHead(all ? this.plan.all : this.plan.head, start, chunk.length, signal);
        const { value, offset, stride } = this.recording.result,
          bank = this.banks[this.home.get(value.id)!];
        chunk.forEach(({ part, index }, i) =>
          onLogits(
            bank.f32(bank.valueAddress(value.id) + offset + i * stride, this.nVocab),
            part,
            index,
          ),
        );
      }
    } catch (error) {
      undo();
      this.clearWorkingMemory();
      throw error;
    }
    for (const { part, from, to } of pieces) this.cache.advance(part.sequence, to - from);
  }

  /** A run that was cut off may have left counters behind. */
  private clearWorkingMemory(): void {
    for (const bank of this.banks) {
      for (const [state, base] of bank.placedStates())
        if (state.everywhere) bank.u8(base, state.bytes).fill(0);
    }
  }

  /** Runs a schedule for output rows [start, start + n); a NaN leads to a second, tracing run that names its origin. */
  private async runHead(
    schedule: number,
    start: number,
    n: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const { nanFlag } = this.recording,
      flagBank = this.banks[this.home.get(nanFlag.id)!];
    const flag = flagBank.u32(flagBank.valueAddress(nanFlag.id), 1);
    const set = (field: Batch, value: number) => {
      for (const bank of this.banks) bank.u32(bank.batch, Batch.bytes / 4)[field / 4] = value;
    };
    set(Batch.outputStart, start);
    set(Batch.nOutputs, n);
    flag[0] = 0;
    await this.pool.run(schedule, this.describe, signal);
    if (flag[0] === 0) return;
    set(Batch.traceNan, 1);
    try {
      await this.pool.run(this.plan.all, this.describe, signal);
    } finally {
      set(Batch.traceNan, 0);
    }
    throw new RunError(
      "nan",
      `${this.result}: expected numbers, found NaN; the model's weights are damaged`,
    );
  }

  private readonly describe = (bank: number, address: number): string => {
    for (const segment of this.plan.segments) {
      const index = (address - segment.plan) / Instruction.bytes;
      if (segment.bank === bank && index >= 0 && index < segment.labels.length)
        return segment.labels[index];
    }
    return "nothing yet";
  };

  private writeBatch(bank: Bank, pieces: readonly Piece[], outputRows: readonly number[]): void {
    const { arrays, limits } = bank;
    const nTokens = pieces.reduce((n, { from, to }) => n + to - from, 0);
    const tokens = bank.i32(arrays.tokens, nTokens),
      positions = bank.i32(arrays.positions, nTokens * 4);
    const sequenceOf = bank.u32(arrays.sequenceOf, nTokens),
      writeSlots = bank.u32(arrays.writeSlots, nTokens);
    let row = 0;
    pieces.forEach(({ part: { sequence, tokens: ids }, from, to }, s) => {
      const table = arrays.pageTables + s * limits.maxPagesPerSequence * 4;
      bank.u32(table, sequence.pages.length).set(sequence.pages);
      const record = bank.u32(arrays.sequences + s * Sequence.bytes, Sequence.bytes / 4);
      record.set([table, sequence.length + to - from, sequence.stateSlot, 0]);
      const { encoder } = sequence;
      if (encoder) {
        // behind the tables of the batch's sequences: an encoder has a slot of its own
        const crossTable = arrays.pageTables + (pieces.length + s) * limits.maxPagesPerSequence * 4;
        bank.u32(crossTable, encoder.pages.length).set(encoder.pages);
        record.set([crossTable, encoder.length], Sequence.crossPageTable / 4);
      }
      for (let i = from; i < to; i++, row++) {
        const position = sequence.length + i - from;
        tokens[row] = ids[i];
        positions.fill(position, row * 4, row * 4 + 4);
        sequenceOf[row] = s;
        writeSlots[row] = this.cache.slotOf(sequence, position);
      }
    });
    bank.u32(arrays.outputRows, outputRows.length).set(outputRows);
    const header = bank.u32(bank.batch, Batch.bytes / 4);
    header[Batch.nTokens / 4] = nTokens;
    header[Batch.nSequences / 4] = pieces.length;
    header[Batch.nOutputs / 4] = 0;
    header[Batch.outputStart / 4] = 0;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.pool.close();
  }
}

interface Piece {
  readonly part: BatchPart;
  readonly from: number;
  readonly to: number;
}

/** Parts in runs of at most nBatch tokens. */
function* cutRuns(parts: readonly BatchPart[], nBatch: number): Generator<Piece[]> {
  let run: Piece[] = [],
    room = nBatch;
  for (const part of parts) {
    for (let from = 0; from < part.tokens.length;) {
      const to = Math.min(part.tokens.length, from + room);
      run.push({ part, from, to });
      room -= to - from;
      from = to;
      if (room > 0) continue;
      yield run;
      [run, room] = [[], nBatch];
    }
  }
  if (run.length > 0) yield run;
}

function record(
  gguf: Gguf,
  model: ModelDescription,
  options: Omit<RecordOptions, "tensor">,
): Recording {
  const recorder = new Recorder({
    ...options,
    tensor(name) {
      const t = gguf.tensors.get(name);
      return (
        t && { name, shape: t.shape, type: t.type.id, typeName: t.type.name, offset: t.offset }
      );
    },
  });
  model.forward(recorder);
  return recorder.finish();
}

/** One bank when everything fits, otherwise as many as it takes. */
function makeBanks(
  recording: Recording,
  limits: Omit<BankLimits, "planBytes" | "arenaBytes">,
  bankBytes?: number,
) {
  const whole = assignBanks(recording, Infinity, limits.nPages);
  const arena = allocateArena(recording, whole).arenaBytes[0];
  const fixed = fixedBytes({
    ...limits,
    planBytes: 4 * planBytes(recording, whole),
    arenaBytes: arena,
  });
  // vectors are repeated in every bank that uses them: leave room for one more copy of them all
  const vectors = recording.weights.reduce(
    (n, w) => n + (w.layout === "vector" ? align(w.bytes, 64) : 0),
    0,
  );
  const padding =
    64 * (recording.weights.length + 2 * recording.caches.length + recording.states.length);
  const largest = limits.maxBytes - fixed - vectors - padding;
  if (largest <= 0) {
    throw new MemoryError(
      `memory: expected working memory below 4 GiB, found ${fixed + vectors} bytes; use a smaller batch`,
    );
  }
  const banked = assignBanks(recording, Math.min(bankBytes ?? Infinity, largest), limits.nPages);
  const { offsets, arenaBytes } = allocateArena(recording, banked);
  const plan = planBytes(recording, banked) + repackBytes(banked.banks.length);
  const banks = banked.banks.map(
    (contents, i) =>
      new Bank(i, contents, offsets[i], { ...limits, planBytes: plan, arenaBytes: arenaBytes[i] }),
  );
  return { banks, banked };
}

function writeBatchPointers(bank: Bank): void {
  const header = bank.u32(bank.batch, Batch.bytes / 4),
    { arrays } = bank;
  header.fill(0);
  header[Batch.version / 4] = 1;
  for (const [field, address] of [
    [Batch.tokens, arrays.tokens],
    [Batch.positions, arrays.positions],
    [Batch.sequenceOf, arrays.sequenceOf],
    [Batch.writeSlots, arrays.writeSlots],
    [Batch.outputRows, arrays.outputRows],
    [Batch.inputRows, arrays.inputRows],
    [Batch.adapters, arrays.adapters],
    [Batch.sequences, arrays.sequences],
  ] as const)
    header[field / 4] = address;
}

const align = (n: number, to: number) => Math.ceil(n / to) * to;

function count(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new OptionError(`${name}: expected an integer from ${min} to ${max}, found ${value}`);
}

function cacheType(name: string, type: CacheType = "f16"): number {
  if (Object.hasOwn(CACHE_TYPES, type)) return CACHE_TYPES[type];
  throw new OptionError(`${name}: expected f32, f16 or q8_0, found ${String(type)}`);
}
