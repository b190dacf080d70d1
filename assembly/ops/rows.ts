// Ops that move or look at whole rows: gather and scatter by an index list, and the search for a NaN in the logits.

import { Batch, GatherWord, Word } from "../abi";
import { batch, rowsOf, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, nColumns, nextPiece } from "./pieces";

/** Op.gatherRows: dst row i = a row index[i]; index 0: the batch's output rows, from outputStart on. */
export function gatherRows(ins: usize): void {
  const index = <usize>word(ins, GatherWord.index);
  moveRows(ins, index != 0 ? index : <usize>load<u32>(batch, Batch.outputRows) + (<usize>load<u32>(batch, Batch.outputStart) << 2), true);
}

/** Op.scatterRows: dst row index[i] = a row i. Indices are distinct. */
export function scatterRows(ins: usize): void {
  moveRows(ins, <usize>word(ins, GatherWord.index), false);
}

function moveRows(ins: usize, index: usize, gathers: bool): void {
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2, bytes = <usize>nColumns << 2;
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      const at = <usize>load<u32>(index + (row << 2)), from = gathers ? at : row, to = gathers ? row : at;
      memory.copy(dst + to * dstStride + start, a + from * aStride + start, bytes);
    }
  }
}

/** Op.checkNan: stores 1 in the u32 at Word.dst if a holds a NaN; else leaves it alone. */
export function checkNan(ins: usize): void {
  const dst = <usize>word(ins, Word.dst), a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      if (holdsNan(a + row * aStride + (<usize>firstColumn << 2), nColumns)) atomic.store<u32>(dst, 1);
    }
  }
}

function holdsNan(x: usize, n: u32): bool {
  const whole = x + (<usize>(n & ~3) << 2), end = x + (<usize>n << 2);
  let found = i32x4.splat(0);
  for (; x < whole; x += 16) {
    const v = v128.load(x);
    found = v128.or(found, f32x4.ne(v, v));
  }
  let any = v128.any_true(found);
  for (; x < end; x += 4) {
    const v = load<f32>(x);
    if (v != v) any = true;
  }
  return any;
}
