// Per-sequence recurrent state: rows of f32 [nSlots, width], one slot a sequence, plain and without padding.

import { Batch, Sequence, StateWord, Word } from "../abi";
import { batch, rowsOf, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, nColumns, nextPiece } from "./pieces";

/** Op.stateRead: dst row s = the state of sequence s of the batch. */
export function stateRead(ins: usize): void {
  const dst = <usize>word(ins, Word.dst), stride = <usize>word(ins, Word.dstStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    for (let row = firstRow; row < endRow; row++) {
      memory.copy(dst + <usize>row * stride + (<usize>firstColumn << 2), stateAt(ins, row), <usize>nColumns << 2);
    }
  }
}

/** Op.stateWrite: the state of sequence s of the batch = a row s. */
export function stateWrite(ins: usize): void {
  const a = <usize>word(ins, Word.a), stride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    for (let row = firstRow; row < endRow; row++) {
      memory.copy(stateAt(ins, row), a + <usize>row * stride + (<usize>firstColumn << 2), <usize>nColumns << 2);
    }
  }
}

/** Address of the piece's first column in the state of sequence `row`. */
function stateAt(ins: usize, row: u32): usize {
  const sequence = <usize>load<u32>(batch, Batch.sequences) + <usize>row * Sequence.bytes;
  const index = <usize>load<u32>(sequence, Sequence.stateSlot) * <usize>word(ins, Word.width) + firstColumn;
  return <usize>word(ins, StateWord.base) + (index << 2);
}
