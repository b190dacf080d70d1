// Per-sequence recurrent state: slots of f32, two for each sequence. A run reads one and writes the other, so that a run
// that fails, or is repeated to trace a NaN, finds the state as it was; the host swaps them when a run has succeeded.

import { Batch, Sequence, StateWord, Word } from "../abi";
import { batch, rowsOf, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, nColumns, nextPiece } from "./pieces";

/** Op.stateRead: dst row s = the state of sequence s of the batch. */
export function stateRead(ins: usize): void {
  const dst = <usize>word(ins, Word.dst), stride = <usize>word(ins, Word.dstStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2;
    for (let row = firstRow; row < endRow; row++) {
      memory.copy(dst + <usize>row * stride + start, stateBefore(ins, row) + start, <usize>nColumns << 2);
    }
  }
}

/** Op.stateWrite: the state of sequence s of the batch after this run = a row s. */
export function stateWrite(ins: usize): void {
  const a = <usize>word(ins, Word.a), stride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2;
    for (let row = firstRow; row < endRow; row++) {
      memory.copy(stateAfter(ins, row) + start, a + <usize>row * stride + start, <usize>nColumns << 2);
    }
  }
}

/** Address of the state that sequence `s` of the batch has before this run. */
export function stateBefore(ins: usize, s: u32): usize {
  return stateIn(ins, load<u32>(sequenceAt(s), Sequence.stateSlot));
}

/** Address of the state that it will have after this run. */
export function stateAfter(ins: usize, s: u32): usize {
  return stateIn(ins, load<u32>(sequenceAt(s), Sequence.stateSlot) ^ 1);
}

/** Sequences of the batch. */
export function nSequences(): u32 {
  return load<u32>(batch, Batch.nSequences);
}

/** The first row of the batch that belongs to sequence `s` or a later one: rows of a sequence are side by side, ascending. */
export function firstRowOf(s: u32): u32 {
  const sequenceOf = <usize>load<u32>(batch, Batch.sequenceOf);
  let low: u32 = 0, high = load<u32>(batch, Batch.nTokens);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(sequenceOf + (<usize>middle << 2)) < s) low = middle + 1;
    else high = middle;
  }
  return low;
}

// @ts-ignore: decorator
@inline
function sequenceAt(s: u32): usize {
  return <usize>load<u32>(batch, Batch.sequences) + <usize>s * Sequence.bytes;
}

// @ts-ignore: decorator
@inline
function stateIn(ins: usize, slot: u32): usize {
  return <usize>word(ins, StateWord.base) + <usize>slot * <usize>word(ins, StateWord.slotBytes);
}
