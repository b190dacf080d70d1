// Adapters that are loaded beside a model: low-rank updates of a matmul's result (LoRA) and control vectors.

import { AddVectorWord, Batch, BinaryKind, LowRankWord, UnaryKind, Word } from "../abi";
import { batch, claim, floatWord, rowsOf, scratch, word } from "../work";
import { activateRun, combineRun } from "./elementwise";
import { cutPieces, endRow, firstColumn, firstRow, loadTail, nColumns, nextPiece } from "./pieces";
import { sum4 } from "./softmax";

/**
 * Op.lowRank: dst[r] = dst[r] + scale * (up . (down . a[r])) for the rows whose adapter is this instruction's slot.
 * rank <= 32768 (scratch).
 */
export function lowRank(ins: usize): void {
  const rows = rowsOf(ins), width = word(ins, Word.width);
  const rank = word(ins, LowRankWord.rank), k = word(ins, LowRankWord.k);
  const down = <usize>word(ins, LowRankWord.down), up = <usize>word(ins, LowRankWord.up);
  const scale = floatWord(ins, LowRankWord.scale), slot = word(ins, LowRankWord.slot);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const adapters = <usize>load<u32>(batch, Batch.adapters);
  for (let row = <usize>claim(); row < <usize>rows; row = <usize>claim()) {
    if (load<u32>(adapters + (row << 2)) != slot + 1) continue;
    const x = a + row * aStride, y = dst + row * dstStride;
    for (let i: usize = 0; i < <usize>rank; i++) store<f32>(scratch + (i << 2), dot(down + (i * <usize>k << 2), x, k));
    for (let i: usize = 0; i < <usize>width; i++) {
      const at = y + (i << 2);
      store<f32>(at, load<f32>(at) + scale * dot(up + (i * <usize>rank << 2), scratch, rank));
    }
  }
}

/** Lane sums l0 .. l7 by index mod 8; then, with si = li + l(i+4), (s0 + s1) + (s2 + s3). */
function dot(w: usize, x: usize, n: u32): f32 {
  let s0 = f32x4.splat(0), s1 = s0;
  let i: u32 = 0;
  for (; i + 8 <= n; i += 8, w += 32, x += 32) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(w), v128.load(x)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(w, 16), v128.load(x, 16)));
  }
  if (i + 4 <= n) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(w), v128.load(x)));
    if (i + 4 < n) s1 = f32x4.add(s1, f32x4.mul(loadTail(w + 16, n - i - 4), loadTail(x + 16, n - i - 4)));
  } else if (i < n) {
    s0 = f32x4.add(s0, f32x4.mul(loadTail(w, n - i), loadTail(x, n - i)));
  }
  return sum4(f32x4.add(s0, s1));
}

/** Op.addVector: dst = a + vector in every row; without a vector, a copy. dst may be a. */
export function addVector(ins: usize): void {
  const vector = <usize>word(ins, AddVectorWord.vector);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2;
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      const to = dst + row * dstStride + start, from = a + row * aStride + start;
      if (vector != 0) combineRun(BinaryKind.add, to, from, vector + start, nColumns);
      else activateRun(UnaryKind.copy, 0, to, from, nColumns);
    }
  }
}
