// A request in slabs: parts of it that are in the kernels' memory at once, each with one instruction (Op.quantize) that the
// threads share. Who runs the instruction, this thread or a pool, is the caller's business.

import { rowBytes } from "../../formats/types.ts";
import { OptionError } from "../errors.ts";
import type { KernelExports } from "../kernels/exports.ts";
import { instantiateKernels } from "../kernels/instance.ts";
import type { Kernels } from "../kernels/module.ts";
import {
  Batch,
  Control,
  Instruction,
  Limit,
  Op,
  QuantizeWord,
  RowsKind,
  Word,
} from "../memory/abi.generated.ts";
import { scheduleOf } from "../threads/schedule.ts";
import type { QuantizeRequest } from "./request.ts";

/** Weights of a slab for each thread: seconds at most, even for the slowest types. */
const SLAB = 1 << 18;
/** The same where the calling thread computes: a tenth of a second, for its event loop has no turn meanwhile. */
const INLINE_SLAB = 1 << 15;
/** Weights of a piece, which one thread converts: whole blocks of every type. */
const PIECE = 4096;
/** Of the memory at first: the instruction, slabs of two threads and tables of most types; more is added when needed. */
const FIRST_PAGES = 128,
  PAGE = 65536;
/** Of the word pair of a piece (assembly/quantize/op.ts). */
const FAULT = { none: 0, overflow: 1, value: 2, bytes: 8 } as const;
const align = (n: number) => Math.ceil(n / 64) * 64;

export class Slabs {
  readonly memory: WebAssembly.Memory;
  /** This thread's instance of the kernels. */
  readonly exports: KernelExports;
  readonly control: number;
  /** The instruction as a schedule of the pool. */
  readonly schedule: number;
  private readonly batch: number;
  private readonly scratch: number;
  private readonly plan: number;
  private readonly counter: number;
  /** Weights of a slab. */
  private readonly slab: number;
  /** What follows is free. */
  private end: number;
  /** Where the tables of a type are: made once, they take up to half a second. */
  private readonly tables = new Map<number, number>();

  constructor(
    { module, shared }: Kernels,
    readonly nThreads: number,
  ) {
    this.slab = shared ? SLAB * nThreads : INLINE_SLAB;
    this.memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: PAGE, shared });
    this.exports = instantiateKernels(module, this.memory);
    let at = align(this.exports.heapBase() >>> 0);
    const take = (bytes: number) => {
      const start = at;
      at = align(at + bytes);
      return start;
    };
    this.control = take(Control.bytes);
    this.batch = take(Batch.bytes);
    this.plan = take(Instruction.bytes);
    this.counter = take(4);
    const words = scheduleOf([
      {
        bank: 0,
        plan: this.plan,
        count: 1,
        counters: this.counter,
        batch: this.batch,
        scratch: (this.scratch = take(nThreads * Limit.scratchBytes)),
        transfers: [],
      },
    ]);
    this.schedule = take(words.length * 4);
    this.end = at;
    this.reserve(at);
    new Uint32Array(this.memory.buffer, this.schedule, words.length).set(words);
  }

  /** Runs the instruction on this thread. Returns an Abort reason. */
  runHere(): number {
    new Uint32Array(this.memory.buffer, this.counter, 1)[0] = 0;
    const { control, batch, plan, counter, scratch } = this;
    return this.exports.runPlan(control, batch, plan, 1, counter, scratch, 0, 1, 0, 0);
  }

  /**
   * Writes the instruction of one slab after another; each must have run when the next step is asked for. Returns the bytes of
   * the request. Throws OptionError for values that are no numbers, or too large for the type.
   */
  *convert(request: QuantizeRequest): Generator<void, Uint8Array, void> {
    const { type, source, bytes, rows, k, imatrix } = request,
      { exports } = this;
    if (rows === 0) return new Uint8Array(0);
    const whole = exports.needsWholeRow(type.id, imatrix !== undefined) || source.rowMetaBytes > 0;
    const slab = this.slab,
      width = whole ? k : Math.min(k, slab);
    const rowsAtOnce = Math.min(rows, Math.max(1, Math.floor(slab / k))),
      piece = whole ? k : Math.min(k, PIECE);
    const perRow = Math.ceil(width / piece),
      workBytes = align(exports.quantizeWorkBytes(source.id, piece) >>> 0);

    const tables = this.tablesOf(type.id);
    let next = this.end;
    const take = (size: number) => {
      const start = next;
      next = align(next + size);
      return start;
    };
    const weights = take(width * 4),
      src = take(rowBytes(source, width) * rowsAtOnce),
      dst = take(rowBytes(type, width) * rowsAtOnce),
      faults = take(perRow * rowsAtOnce * FAULT.bytes),
      work = take(workBytes * this.nThreads);
    this.reserve(next);

    const out = new Uint8Array(rows * rowBytes(type, k)),
      { buffer } = this.memory;
    for (let at = 0, from = 0, to = 0; at < rows * k;) {
      const column = at % k,
        n = Math.min(width, k - column),
        nRows = n === k ? Math.min(rowsAtOnce, rows - at / k) : 1;
      const read = rowBytes(source, n),
        written = rowBytes(type, n);
      new Uint8Array(buffer, src, read * nRows).set(bytes.subarray(from, from + read * nRows));
      if (imatrix) new Float32Array(buffer, weights, n).set(imatrix.subarray(column, column + n));
      const words = new Uint32Array(buffer, this.plan, Instruction.words);
      words[Word.op] = Op.quantize;
      words[Word.rowsKind] = RowsKind.fixed;
      words[Word.rows] = nRows;
      words[Word.dst] = dst;
      words[Word.dstStride] = written;
      words[Word.a] = src;
      words[Word.aStride] = read;
      words[Word.width] = n;
      words[QuantizeWord.type] = type.id;
      words[QuantizeWord.source] = source.id;
      words[QuantizeWord.piece] = piece;
      words[QuantizeWord.imatrix] = imatrix ? weights : 0;
      words[QuantizeWord.tables] = tables;
      words[QuantizeWord.work] = work;
      words[QuantizeWord.workBytes] = workBytes;
      words[QuantizeWord.faults] = faults;
      yield;
      this.checkFaults(request, faults, Math.ceil(n / piece), nRows, { at, n, piece });
      out.set(new Uint8Array(buffer, dst, written * nRows), to);
      at += n * nRows;
      from += read * nRows;
      to += written * nRows;
    }
    return out;
  }

  /** The first piece that could not be converted, in the order of the weights: the same for any number of threads. */
  private checkFaults(
    { type, imatrix }: QuantizeRequest,
    faults: number,
    perRow: number,
    nRows: number,
    { at, n, piece }: { at: number; n: number; piece: number },
  ): void {
    const { buffer } = this.memory,
      words = new Uint32Array(buffer, faults, perRow * nRows * 2);
    for (let p = 0; p < perRow * nRows; p++) {
      const fault = words[2 * p];
      if (fault === FAULT.none) continue;
      const first = at + Math.floor(p / perRow) * n + (p % perRow) * piece;
      if (fault === FAULT.overflow) {
        const last = first + Math.min(piece, n - (p % perRow) * piece) - 1;
        const what = imatrix ? "the tensor or its importance weights" : "the tensor";
        throw new OptionError(
          `values: expected magnitudes whose ${type.name} fits 16-bit floats, found larger ones (in ${first}..${last}); scale ${what} down`,
        );
      }
      const [value] = new Float32Array(buffer, faults + p * FAULT.bytes + 4, 1);
      throw new OptionError(
        `values: expected finite numbers, found ${value} (at ${first + fault - FAULT.value})`,
      );
    }
  }

  private tablesOf(type: number): number {
    let at = this.tables.get(type);
    if (at === undefined) {
      at = this.end;
      this.end = align(at + (this.exports.quantizeTableBytes(type) >>> 0));
      this.reserve(this.end);
      this.exports.prepareQuantize(type, at);
      this.tables.set(type, at);
    }
    return at;
  }

  private reserve(bytes: number): void {
    const more = bytes - this.memory.buffer.byteLength;
    if (more > 0) this.memory.grow(Math.ceil(more / PAGE));
  }
}
