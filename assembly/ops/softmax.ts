// Softmax of runs of a row: exp(x - max) / sum. Routers and samplers use it through the plan; attention has its own,
// chunk by chunk, with the same order of the sum.

import { SoftmaxWord, Word } from "../abi";
import { expf32x4 } from "../math/index";
import { rowsOf, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, loadTail, nColumns, nextPiece, storeTail } from "./pieces";

/** Op.softmax: softmax of every run of SoftmaxWord.group elements of a row. dst may be a. */
export function softmax(ins: usize): void {
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const group = word(ins, SoftmaxWord.group);
  cutPieces(rowsOf(ins), word(ins, Word.width), group);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      for (let c = firstColumn; c < firstColumn + nColumns; c += group) {
        const start = <usize>c << 2;
        softmaxRun(dst + row * dstStride + start, a + row * aStride + start, group);
      }
    }
  }
}

/** Four lane sums by index mod 4, then (l0 + l1) + (l2 + l3). */
export function softmaxRun(dst: usize, a: usize, n: u32): void {
  const whole = <usize>(n & ~3) << 2, rest = n & 3;
  // pmax takes one instruction on x86, max takes seven. It may drop a NaN, but exp(NaN - max) brings it back.
  let top = f32x4.splat(-Infinity);
  for (let i: usize = 0; i < whole; i += 16) top = f32x4.pmax(top, v128.load(a + i));
  let largest = max4(top);
  for (let i: u32 = 0; i < rest; i++) {
    const x = load<f32>(a + whole + (<usize>i << 2));
    if (x > largest) largest = x;
  }
  const m = f32x4.splat(largest);
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < whole; i += 16) {
    const e = expf32x4(f32x4.sub(v128.load(a + i), m));
    v128.store(dst + i, e);
    sums = f32x4.add(sums, e);
  }
  if (rest != 0) {
    const e = expf32x4(f32x4.sub(loadTail(a + whole, rest), m));
    storeTail(dst + whole, e, rest);
    sums = f32x4.add(sums, loadTail(dst + whole, rest));
  }
  const sum = f32x4.splat(sum4(sums));
  for (let i: usize = 0; i < whole; i += 16) v128.store(dst + i, f32x4.div(v128.load(dst + i), sum));
  if (rest != 0) storeTail(dst + whole, f32x4.div(loadTail(dst + whole, rest), sum), rest);
}

/** The largest lane; NaN lanes are passed over. */
// @ts-ignore: decorator
@inline
export function max4(x: v128): f32 {
  const pairs = f32x4.pmax(v128.shuffle<i32>(x, x, 2, 3, 2, 3), x);
  return f32x4.extract_lane(f32x4.pmax(v128.shuffle<i32>(pairs, pairs, 1, 1, 1, 1), pairs), 0);
}

/** (l0 + l1) + (l2 + l3). */
// @ts-ignore: decorator
@inline
export function sum4(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<i32>(x, x, 1, 1, 3, 3));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 2);
}
