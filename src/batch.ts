// What one run evaluates: pieces of the sequences, side by side, as rows of a batch. Cuts what was asked for into runs and
// writes each one (ids, positions, write slots, page tables, output rows) into the banks, where the kernels read it
// (assembly/abi.ts has the layout). engine.ts decides when.

import { type CachedSequence, type KvCachePages, type PageRun, slotOf } from "./kv-cache.ts";
import { Batch, Sequence } from "./memory/abi.generated.ts";
import type { Bank } from "./memory/bank.ts";

/** Tokens to append to a sequence, and which of them need logits. */
export interface BatchPart {
  readonly sequence: CachedSequence;
  readonly tokens: ArrayLike<number>;
  readonly outputs: "none" | "last" | "all";
}

/** Tokens [from, to) of a part: what one run takes of it. */
export interface Piece {
  readonly part: BatchPart;
  readonly from: number;
  readonly to: number;
}

/** A token that needs logits. */
export interface WantedRow {
  readonly part: BatchPart;
  /** Its place among the tokens of its part. */
  readonly index: number;
  /** Its place in the batch. */
  readonly row: number;
}

/** Parts in runs of at most nBatch tokens. */
export function* cutRuns(parts: readonly BatchPart[], nBatch: number): Generator<Piece[]> {
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

/** The tokens of a run that need logits, in order. */
export function wantedRows(pieces: readonly Piece[]): WantedRow[] {
  const wanted: WantedRow[] = [];
  let row = 0;
  for (const { part, from, to } of pieces) {
    for (let index = from; index < to; index++, row++) {
      if (part.outputs === "all" || (part.outputs === "last" && index === part.tokens.length - 1))
        wanted.push({ part, index, row });
    }
  }
  return wanted;
}

/** Writes a run's batch into every bank. The cache must have reserved the positions of every piece. */
export function writeBatch(
  banks: readonly Bank[],
  cache: KvCachePages,
  pieces: readonly Piece[],
  outputRows: readonly number[],
): void {
  for (const bank of banks) writeBankBatch(bank, cache, pieces, outputRows);
}

function writeBankBatch(
  bank: Bank,
  cache: KvCachePages,
  pieces: readonly Piece[],
  outputRows: readonly number[],
): void {
  const { arrays, limits } = bank;
  const nTokens = pieces.reduce((n, { from, to }) => n + to - from, 0);
  const tokens = bank.i32(arrays.tokens, nTokens),
    positions = bank.i32(arrays.positions, nTokens * 4);
  const sequenceOf = bank.u32(arrays.sequenceOf, nTokens),
    writeSlots = bank.u32(arrays.writeSlots, nTokens),
    windowSlots = bank.u32(arrays.windowSlots, nTokens);
  let row = 0;
  pieces.forEach(({ part: { sequence, tokens: ids }, from, to }, s) => {
    const ofSequence = s * limits.maxPagesPerSequence * 4;
    const table = arrays.pageTables + ofSequence,
      windowTable = arrays.windowPageTables + ofSequence;
    writePageTable(bank, table, sequence.runs.whole);
    writePageTable(bank, windowTable, sequence.runs.window);
    const record = bank.u32(arrays.sequences + s * Sequence.bytes, Sequence.bytes / 4);
    record.set([table, sequence.length + to - from, sequence.stateSlot, 0]);
    record[Sequence.windowPageTable / 4] = windowTable;
    const { encoder } = sequence;
    if (encoder) {
      // behind the tables of the batch's sequences: an encoder has a slot of its own
      const crossTable = arrays.pageTables + (pieces.length + s) * limits.maxPagesPerSequence * 4;
      writePageTable(bank, crossTable, encoder.runs.whole);
      record.set([crossTable, encoder.length], Sequence.crossPageTable / 4);
    }
    for (let i = from; i < to; i++, row++) {
      const position = sequence.length + i - from;
      tokens[row] = ids[i];
      positions.fill(position, row * 4, row * 4 + 4);
      sequenceOf[row] = s;
      writeSlots[row] = slotOf(sequence.runs.whole, position);
      if (cache.hasWindow) windowSlots[row] = slotOf(sequence.runs.window, position);
    }
  });
  bank.u32(arrays.outputRows, outputRows.length).set(outputRows);
  const header = bank.u32(bank.batch, Batch.bytes / 4);
  header[Batch.nTokens / 4] = nTokens;
  header[Batch.nSequences / 4] = pieces.length;
  header[Batch.nOutputs / 4] = 0;
  header[Batch.outputStart / 4] = 0;
}

/** Entries of pages that are forgotten stay as they are: no query looks at them. */
function writePageTable(bank: Bank, table: number, { first, pages }: PageRun): void {
  bank.u32(table + first * 4, pages.length).set(pages);
}

/** Once, at load: where the arrays of a bank's batches are. */
export function writeBatchPointers(bank: Bank): void {
  const header = bank.u32(bank.batch, Batch.bytes / 4),
    { arrays } = bank;
  header.fill(0);
  header[Batch.version / 4] = 1;
  for (const [field, address] of [
    [Batch.tokens, arrays.tokens],
    [Batch.positions, arrays.positions],
    [Batch.sequenceOf, arrays.sequenceOf],
    [Batch.writeSlots, arrays.writeSlots],
    [Batch.windowSlots, arrays.windowSlots],
    [Batch.outputRows, arrays.outputRows],
    [Batch.inputRows, arrays.inputRows],
    [Batch.adapters, arrays.adapters],
    [Batch.sequences, arrays.sequences],
  ] as const)
    header[field / 4] = address;
}
