// What an op needs to know about the run it is part of: this thread's scratch memory, the batch, and the counter
// that hands out pieces of the current instruction. An instance belongs to one thread, so these globals do too.
// assembly/plan.ts sets them; ops only read.

import { Batch, RowsKind, Word } from "./abi";

/** Address of the batch header. */
export let batch: usize = 0;
/** This thread's scratch memory, Limit.scratchBytes long; contents do not survive an instruction. */
export let scratch: usize = 0;
/** Threads of this run; only for choosing how finely to cut work, never for the order of a sum. */
export let nThreads: u32 = 1;
/** This thread's number, 0 to nThreads - 1; only for finding memory of its own. */
export let thread: u32 = 0;
/** Address of the current instruction's counter. */
let counter: usize = 0;

export function enterRun(batchAddress: usize, scratchAddress: usize, threadNumber: u32, threads: u32): void {
  batch = batchAddress;
  scratch = scratchAddress;
  thread = threadNumber;
  nThreads = threads;
}

export function enterInstruction(counterAddress: usize): void {
  counter = counterAddress;
}

/**
 * The next unclaimed piece of work of this instruction. Pieces are numbered 0, 1, 2 ..; a thread works until the
 * number is past the op's last one. Who computes a piece never changes its bits.
 */
// @ts-ignore: decorator
@inline
export function claim(): u32 {
  return atomic.add<u32>(counter, 1);
}

/** Row count of an instruction: fixed, or read from the batch. */
export function rowsOf(ins: usize): u32 {
  const kind = word(ins, Word.rowsKind);
  if (kind == RowsKind.tokens) return load<u32>(batch, Batch.nTokens);
  if (kind == RowsKind.outputs) return load<u32>(batch, Batch.nOutputs);
  if (kind == RowsKind.sequences) return load<u32>(batch, Batch.nSequences);
  return word(ins, Word.rows);
}

/** Word `index` of an instruction. */
// @ts-ignore: decorator
@inline
export function word(ins: usize, index: u32): u32 {
  return load<u32>(ins + (<usize>index << 2));
}

/** Word `index` of an instruction, as f32. */
// @ts-ignore: decorator
@inline
export function floatWord(ins: usize, index: u32): f32 {
  return load<f32>(ins + (<usize>index << 2));
}
