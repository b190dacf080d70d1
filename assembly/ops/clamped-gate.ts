// The gate of gpt-oss's experts: both inputs are clamped, and the linear one is shifted by 1.

import { ClampedGateWord, Word } from "../abi";
import { geluQuickf32x4 } from "../math/index";
import { floatWord, rowsOf, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, loadTail, nColumns, nextPiece, storeTail } from "./pieces";

/** Op.clampedGate: dst = g * sigmoid(1.702 g) * (u + 1), g = min(a, limit), u = b clamped to +-limit. dst may be a or b. */
export function clampedGate(ins: usize): void {
  const limit = f32x4.splat(floatWord(ins, ClampedGateWord.limit));
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const b = <usize>word(ins, ClampedGateWord.b), bStride = <usize>word(ins, ClampedGateWord.bStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2, whole = <usize>(nColumns & ~3) << 2, rest = nColumns & 3;
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      const to = dst + row * dstStride + start, x = a + row * aStride + start, y = b + row * bStride + start;
      for (let i: usize = 0; i < whole; i += 16) v128.store(to + i, gate(v128.load(x + i), v128.load(y + i), limit));
      if (rest != 0) storeTail(to + whole, gate(loadTail(x + whole, rest), loadTail(y + whole, rest), limit), rest);
    }
  }
}

/** min and max keep a NaN. */
function gate(a: v128, b: v128, limit: v128): v128 {
  const up = f32x4.min(f32x4.max(b, f32x4.neg(limit)), limit);
  return f32x4.mul(geluQuickf32x4(f32x4.min(a, limit)), f32x4.add(up, f32x4.splat(1)));
}
