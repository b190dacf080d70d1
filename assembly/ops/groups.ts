// Sums of runs of `group` elements of a row, such as heads. Runs are moved and scaled in runs.ts.

import { GroupSumWord, Word } from "../abi";
import { rowsOf, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, loadTail, nColumns, nextPiece } from "./pieces";
import { sum4 } from "./softmax";

/** Op.groupSum: four lane sums by index in the run mod 4, then (l0 + l1) + (l2 + l3). */
export function groupSum(ins: usize): void {
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride), group = <usize>word(ins, GroupSumWord.group);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      for (let c = <usize>firstColumn; c < <usize>(firstColumn + nColumns); c++) {
        store<f32>(dst + row * dstStride + (c << 2), sumRun(a + row * aStride + (c * group << 2), <u32>group));
      }
    }
  }
}

function sumRun(a: usize, n: u32): f32 {
  const end = a + (<usize>(n & ~3) << 2);
  let sum = f32x4.splat(0);
  for (; a < end; a += 16) sum = f32x4.add(sum, v128.load(a));
  if (n & 3) sum = f32x4.add(sum, loadTail(a, n & 3));
  return sum4(sum);
}
