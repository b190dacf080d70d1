// Calibration for importance matrices: the sum of squares of every column of a matmul's input.

import { ExpertSumSquaresWord, SumSquaresWord, Word } from "../abi";
import { claim, rowsOf, word } from "../work";
import { loadTail, storeTail } from "./pieces";

// 64 columns: a whole number of cache lines, so that threads do not write into each other's.
const pieceColumns: u32 = 64;

/** Op.sumSquares: dst[c] = dst[c] + a[r, c] * a[r, c], rows ascending, both roundings in f32; count += rows. */
export function sumSquares(ins: usize): void {
  const rows = rowsOf(ins), width = word(ins, Word.width), count = <usize>word(ins, SumSquaresWord.count);
  const dst = <usize>word(ins, Word.dst), a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  for (let piece = claim(); piece * pieceColumns < width; piece = claim()) {
    if (piece == 0) store<u32>(count, load<u32>(count) + rows);
    const first = piece * pieceColumns, offset = <usize>first << 2;
    addRows(dst + offset, a + offset, min<u32>(pieceColumns, width - first), rows, aStride);
  }
}

/** The same for each expert over the rows that chose it. */
export function expertSumSquares(ins: usize): void {
  const rows = rowsOf(ins), width = word(ins, Word.width), nUsed = word(ins, ExpertSumSquaresWord.nUsed);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const ids = <usize>word(ins, ExpertSumSquaresWord.ids), idsStride = <usize>word(ins, ExpertSumSquaresWord.idsStride);
  const counts = <usize>word(ins, ExpertSumSquaresWord.counts), aStride = <usize>word(ins, Word.aStride);
  const slotBytes = word(ins, ExpertSumSquaresWord.perSlot) ? <usize>width << 2 : 0;
  for (let piece = claim(); piece * pieceColumns < width; piece = claim()) {
    const first = piece * pieceColumns, offset = <usize>first << 2, columns = min<u32>(pieceColumns, width - first);
    let x = <usize>word(ins, Word.a) + offset;
    for (let r: u32 = 0; r < rows; r++, x += aStride) {
      for (let slot: u32 = 0; slot < nUsed; slot++) {
        const expert = <usize>load<u32>(ids + <usize>r * idsStride + (<usize>slot << 2));
        addRows(dst + expert * dstStride + offset, x + <usize>slot * slotBytes, columns, 1, 0);
        if (piece == 0) store<u32>(counts + (expert << 2), load<u32>(counts + (expert << 2)) + 1);
      }
    }
  }
}

/** dst[c] += x[r, c] * x[r, c] for the first `columns` columns. Lanes behind them stay as they are. */
function addRows(dst: usize, x: usize, columns: u32, rows: u32, stride: usize): void {
  let c: u32 = 0;
  for (; c + 4 <= columns; c += 4) {
    const offset = <usize>c << 2;
    let sum = v128.load(dst + offset);
    for (let r: u32 = 0, at = x + offset; r < rows; r++, at += stride) {
      const v = v128.load(at);
      sum = f32x4.add(sum, f32x4.mul(v, v));
    }
    v128.store(dst + offset, sum);
  }
  if (c == columns) return;
  const offset = <usize>c << 2, rest = columns - c;
  let sum = loadTail(dst + offset, rest);
  for (let r: u32 = 0, at = x + offset; r < rows; r++, at += stride) {
    const v = loadTail(at, rest);
    sum = f32x4.add(sum, f32x4.mul(v, v));
  }
  storeTail(dst + offset, sum, rest);
}
