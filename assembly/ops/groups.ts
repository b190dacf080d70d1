// Ops on runs of `group` elements of a row, such as heads: their sums, one factor for each, a part of each.

import { GroupSumWord, MulGroupsWord, SliceGroupsWord, Word } from "../abi";
import { rowsOf, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, loadTail, nColumns, nextPiece, storeTail } from "./pieces";
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

/** Op.mulGroups: one product per element. dst may be a. */
export function mulGroups(ins: usize): void {
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const b = <usize>word(ins, MulGroupsWord.b), bStride = <usize>word(ins, MulGroupsWord.bStride);
  const group = word(ins, MulGroupsWord.group);
  cutPieces(rowsOf(ins), word(ins, Word.width), group);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      for (let c = firstColumn; c < firstColumn + nColumns; c += group) {
        const factor = f32x4.splat(load<f32>(b + row * bStride + (<usize>(c / group) << 2)));
        mulRun(dst + row * dstStride + (<usize>c << 2), a + row * aStride + (<usize>c << 2), factor, group);
      }
    }
  }
}

function mulRun(dst: usize, a: usize, factor: v128, n: u32): void {
  const whole = <usize>(n & ~3) << 2;
  for (let i: usize = 0; i < whole; i += 16) v128.store(dst + i, f32x4.mul(v128.load(a + i), factor));
  if (n & 3) storeTail(dst + whole, f32x4.mul(loadTail(a + whole, n & 3), factor), n & 3);
}

/** Op.sliceGroups: a copy. */
export function sliceGroups(ins: usize): void {
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const group = <usize>word(ins, SliceGroupsWord.group), start = <usize>word(ins, SliceGroupsWord.start) << 2;
  const part = word(ins, SliceGroupsWord.part);
  cutPieces(rowsOf(ins), word(ins, Word.width), part);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      for (let c = firstColumn; c < firstColumn + nColumns; c += part) {
        const from = a + row * aStride + (<usize>(c / part) * group << 2) + start;
        memory.copy(dst + row * dstStride + (<usize>c << 2), from, <usize>part << 2);
      }
    }
  }
}
