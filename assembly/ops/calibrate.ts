// Calibration for importance matrices: the sum of squares of every column of a matmul's input.

import { SumSquaresWord, Word } from "../abi";
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
    const end = min<u32>((piece + 1) * pieceColumns, width);
    let c = piece * pieceColumns;
    for (; c + 4 <= end; c += 4) {
      const offset = <usize>c << 2;
      let sum = v128.load(dst + offset);
      for (let r: u32 = 0, x = a + offset; r < rows; r++, x += aStride) {
        sum = f32x4.add(sum, f32x4.mul(v128.load(x), v128.load(x)));
      }
      v128.store(dst + offset, sum);
    }
    if (c == end) continue;
    const offset = <usize>c << 2, rest = end - c;
    let sum = loadTail(dst + offset, rest);
    for (let r: u32 = 0, x = a + offset; r < rows; r++, x += aStride) {
      const v = loadTail(x, rest);
      sum = f32x4.add(sum, f32x4.mul(v, v));
    }
    storeTail(dst + offset, sum, rest);
  }
}
