// How a thread executes a schedule: segment by segment, each in the bank where its weights lie. The schedule is a list
// of words in bank 0 (src/plan/encode.ts writes it), so that threads that never return to their event loop can read it.

import { Batch, Instruction, RowsKind } from "../memory/abi.generated.ts";
import type { KernelExports } from "../kernels/exports.ts";

export const SCHEDULE = { segmentWords: 7, transferWords: 6 } as const;

/** A bank as a thread sees it. */
export interface ThreadBank {
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  readonly exports: KernelExports;
}

/** Zeroes the work counters of every instruction in a schedule. Thread 0 does it before the others may start. */
export function resetCounters(banks: readonly ThreadBank[], schedule: number): void {
  for (const { bank, count, counters } of segments(banks, schedule))
    new Uint32Array(banks[bank].memory.buffer, counters, count).fill(0);
}

/**
 * Runs a schedule as one of nThreads threads, in the run of epoch `run`. Returns an Abort reason, 0 when it finished.
 * `place.bank` follows, so that a trap can be told where it was.
 */
export function runSchedule(
  banks: readonly ThreadBank[],
  schedule: number,
  run: number,
  thread: number,
  nThreads: number,
  place: { bank: number },
): number {
  const steps = walkSchedule(banks, schedule, run, thread, nThreads, place, Infinity);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same in steps of at most `most` instructions of a segment. */
export function* walkSchedule(
  banks: readonly ThreadBank[],
  schedule: number,
  run: number,
  thread: number,
  nThreads: number,
  place: { bank: number },
  most: number,
): Generator<void, number, void> {
  let number = 0;
  for (const segment of segments(banks, schedule)) {
    place.bank = segment.bank;
    const { memory, control, exports } = banks[segment.bank];
    if (thread === 0)
      for (const transfer of segment.transfers) copy(banks, segment.batch, memory, transfer);
    for (let from = 0; from < segment.count; from += most) {
      const abort = exports.runPlan(
        control,
        segment.batch,
        segment.plan + from * Instruction.bytes,
        Math.min(most, segment.count - from),
        segment.counters + from * 4,
        segment.scratch,
        thread,
        nThreads,
        run,
        number,
      );
      if (abort !== 0) return abort;
      yield;
    }
    number++;
  }
  return 0;
}

/** A value to copy into the bank of a segment before it starts. bytes: of a row, or of all of it (rowsKind fixed). */
export interface ScheduledTransfer {
  readonly from: number;
  readonly to: number;
  readonly source: number;
  readonly target: number;
  readonly rowsKind: number;
  readonly bytes: number;
}

export interface ScheduledSegment {
  readonly bank: number;
  readonly plan: number;
  readonly count: number;
  readonly counters: number;
  readonly batch: number;
  readonly scratch: number;
  readonly transfers: readonly ScheduledTransfer[];
}

/** The words of a schedule: the number of segments, then each with its transfers. */
export function scheduleOf(list: readonly ScheduledSegment[]): number[] {
  const words: number[] = [list.length];
  for (const { bank, plan, count, counters, batch, scratch, transfers } of list) {
    words.push(bank, plan, count, counters, batch, scratch, transfers.length);
    for (const { from, to, source, target, rowsKind, bytes } of transfers)
      words.push(from, to, source, target, rowsKind, bytes);
  }
  return words;
}

export function* segments(
  banks: readonly ThreadBank[],
  schedule: number,
): Generator<ScheduledSegment> {
  const words = new Uint32Array(banks[0].memory.buffer);
  let at = schedule >>> 2;
  const count = words[at++];
  for (let i = 0; i < count; i++) {
    const [bank, plan, nInstr, counters, batch, scratch, nTransfers] = words.subarray(
      at,
      at + SCHEDULE.segmentWords,
    );
    at += SCHEDULE.segmentWords;
    const transfers: ScheduledTransfer[] = [];
    for (let t = 0; t < nTransfers; t++, at += SCHEDULE.transferWords) {
      const [from, to, source, target, rowsKind, bytes] = words.subarray(
        at,
        at + SCHEDULE.transferWords,
      );
      transfers.push({ from, to, source, target, rowsKind, bytes });
    }
    yield { bank, plan, count: nInstr, counters, batch, scratch, transfers };
  }
}

function copy(
  banks: readonly ThreadBank[],
  batch: number,
  memory: WebAssembly.Memory,
  t: ScheduledTransfer,
): void {
  const header = new Uint32Array(memory.buffer, batch, Batch.bytes / 4);
  const rows =
    t.rowsKind === RowsKind.tokens
      ? header[Batch.nTokens / 4]
      : t.rowsKind === RowsKind.outputs
        ? header[Batch.nOutputs / 4]
        : t.rowsKind === RowsKind.sequences
          ? header[Batch.nSequences / 4]
          : 1;
  const bytes = rows * t.bytes;
  new Uint8Array(banks[t.to].memory.buffer, t.target, bytes).set(
    new Uint8Array(banks[t.from].memory.buffer, t.source, bytes),
  );
}
