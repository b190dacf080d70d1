// Ops on runs of a row (heads, slots of experts, AltUp's streams): moving them, and multiplying each by a factor of its
// own. models/ops.ts says slice, repeat and concat with the first.

import { CopyRunsWord, ScaleRunsWord, UnaryKind, Word } from "../abi";
import { rowsOf, word } from "../work";
import { activateRun } from "./elementwise";
import { cutPieces, endRow, firstColumn, firstRow, nColumns, nextPiece } from "./pieces";

/** Op.copyRuns: run i of each row, at i * fromStep bytes, goes to i * toStep. Word.width counts the elements copied. */
export function copyRuns(ins: usize): void {
  const run = word(ins, CopyRunsWord.run), bytes = <usize>run << 2;
  const fromStep = <usize>word(ins, CopyRunsWord.fromStep), toStep = <usize>word(ins, CopyRunsWord.toStep);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), run);
  while (nextPiece()) {
    const first = <usize>(firstColumn / run), end = <usize>((firstColumn + nColumns) / run);
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      for (let i = first; i < end; i++) {
        memory.copy(dst + row * dstStride + i * toStep, a + row * aStride + i * fromStep, bytes);
      }
    }
  }
}

/** Op.scaleRuns: run i of row r times factors[r, i]. dst may be a. */
export function scaleRuns(ins: usize): void {
  const run = word(ins, ScaleRunsWord.run);
  const factors = <usize>word(ins, ScaleRunsWord.factors), stride = <usize>word(ins, ScaleRunsWord.factorsStride);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), run);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      for (let c = firstColumn; c < firstColumn + nColumns; c += run) {
        const factor = load<f32>(factors + row * stride + (<usize>(c / run) << 2)), at = <usize>c << 2;
        activateRun(UnaryKind.scale, factor, dst + row * dstStride + at, a + row * aStride + at, run);
      }
    }
  }
}
