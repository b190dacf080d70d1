// Many rows to one: the vector that stands for a sequence.

import { PoolKind, PoolWord, Word } from "../abi";
import { word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, nColumns, nextPiece } from "./pieces";
import { firstRowOf, nSequences } from "./state";

/** Op.pool: the mean of a sequence's rows (summed in order, then divided by their number), the first of them or the last. */
export function pool(ins: usize): void {
  const kind = word(ins, PoolWord.kind);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(nSequences(), word(ins, Word.width), 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2;
    for (let s = firstRow; s < endRow; s++) {
      const first = firstRowOf(s), end = firstRowOf(s + 1), to = dst + <usize>s * dstStride + start;
      if (kind == PoolKind.mean) {
        mean(to, a + <usize>first * aStride + start, aStride, end - first, nColumns);
      } else {
        const row = kind == PoolKind.cls ? first : end - 1;
        memory.copy(to, a + <usize>row * aStride + start, <usize>nColumns << 2);
      }
    }
  }
}

function mean(to: usize, from: usize, stride: usize, rows: u32, columns: u32): void {
  const count = f32x4.splat(<f32>rows);
  // Whole vectors: lanes behind the width lie within the strides and are nobody's.
  for (let c: usize = 0; c < <usize>columns << 2; c += 16) {
    let sum = f32x4.splat(0);
    for (let r: u32 = 0, at = from + c; r < rows; r++, at += stride) sum = f32x4.add(sum, v128.load(at));
    v128.store(to + c, f32x4.div(sum, count));
  }
}
