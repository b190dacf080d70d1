// Ops whose every output element depends on one element of each input: sums and products of tensors, activations,
// gates, the sum over a router's slots. Vector and tail run the same arithmetic, so a width that is no multiple of 4
// or another cut into pieces changes nothing.

import { BinaryKind, BinaryWord, GatedWord, UnaryKind, UnaryWord, Word } from "../abi";
import {
  expf32x4, geluErff32x4, geluQuickf32x4, geluf32x4, sigmoidf32x4, siluf32x4, softplusf32x4, tanhf32x4,
} from "../math/index";
import { floatWord, rowsOf, scratch, word } from "../work";
import { COSTLY_ELEMENTS, ELEMENTS, cutPieces, endRow, firstColumn, firstRow, loadTail, nColumns, nextPiece, storeTail } from "./pieces";

/** Op.binary: dst = a (kind) b; bStride 0 repeats one row of b. dst may be a or b. */
export function binary(ins: usize): void {
  const kind = word(ins, BinaryWord.kind);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const b = <usize>word(ins, BinaryWord.b), bStride = <usize>word(ins, BinaryWord.bStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2;
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      combineRun(kind, dst + row * dstStride + start, a + row * aStride + start, b + row * bStride + start, nColumns);
    }
  }
}

/** Op.unary: dst = f(a). dst may be a. */
export function unary(ins: usize): void {
  let kind = word(ins, UnaryWord.kind), param = floatWord(ins, UnaryWord.param);
  if (kind == UnaryKind.scaleBy) {
    kind = UnaryKind.scale;
    param = load<f32>(word(ins, UnaryWord.param));
  }
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4, kind == UnaryKind.copy || kind == UnaryKind.scale ? ELEMENTS : COSTLY_ELEMENTS);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2;
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      activateRun(kind, param, dst + row * dstStride + start, a + row * aStride + start, nColumns);
    }
  }
}

/** Op.gated: dst = f(a) * b, f of UnaryKind without a parameter. dst may be a or b. */
export function gated(ins: usize): void {
  const kind = word(ins, GatedWord.kind);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const b = <usize>word(ins, GatedWord.b), bStride = <usize>word(ins, GatedWord.bStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), 4, COSTLY_ELEMENTS);
  // f(a) goes through scratch, in cache, because dst may be b.
  while (nextPiece()) {
    const start = <usize>firstColumn << 2;
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      activateRun(kind, 0, scratch, a + row * aStride + start, nColumns);
      combineRun(BinaryKind.mul, dst + row * dstStride + start, scratch, b + row * bStride + start, nColumns);
    }
  }
}

/** dst[i] = a[i] (kind) b[i] for i < n. */
export function combineRun(kind: u32, dst: usize, a: usize, b: usize, n: u32): void {
  const whole = <usize>(n & ~3) << 2, rest = n & 3;
  combineVectors(kind, dst, a, b, whole);
  if (rest == 0) return;
  // The tail takes a detour through scratch, so that it runs the same loop.
  const x = scratch + tailOffset, y = x + 16;
  v128.store(x, loadTail(a + whole, rest));
  v128.store(y, loadTail(b + whole, rest));
  combineVectors(kind, x, x, y, 16);
  storeTail(dst + whole, v128.load(x), rest);
}

function combineVectors(kind: u32, dst: usize, a: usize, b: usize, bytes: usize): void {
  if (kind == BinaryKind.add) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
  } else if (kind == BinaryKind.mul) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, f32x4.mul(v128.load(a + i), v128.load(b + i)));
  } else {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, f32x4.sub(v128.load(a + i), v128.load(b + i)));
  }
}

/** dst[i] = f(a[i]) for i < n; f is the UnaryKind `kind`. */
export function activateRun(kind: u32, param: f32, dst: usize, a: usize, n: u32): void {
  const whole = <usize>(n & ~3) << 2, rest = n & 3;
  activateVectors(kind, param, dst, a, whole);
  if (rest == 0) return;
  const tail = scratch + tailOffset;
  v128.store(tail, loadTail(a + whole, rest));
  activateVectors(kind, param, tail, tail, 16);
  storeTail(dst + whole, v128.load(tail), rest);
}

// Behind the floats that a piece of `gated` keeps in scratch.
const tailOffset: usize = <usize>COSTLY_ELEMENTS << 2;

/** One loop per kind: the kind is decided once, and the function inlined. */
function activateVectors(kind: u32, param: f32, dst: usize, a: usize, bytes: usize): void {
  switch (kind) {
    case UnaryKind.copy:
      if (dst != a) memory.copy(dst, a, bytes);
      break;
    case UnaryKind.scale: {
      const factor = f32x4.splat(param);
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, f32x4.mul(v128.load(a + i), factor));
      break;
    }
    case UnaryKind.softcap: {
      const cap = f32x4.splat(param);
      for (let i: usize = 0; i < bytes; i += 16) {
        v128.store(dst + i, f32x4.mul(cap, tanhf32x4(f32x4.div(v128.load(a + i), cap))));
      }
      break;
    }
    case UnaryKind.clamp: {
      const high = f32x4.splat(param), low = f32x4.splat(-param);
      for (let i: usize = 0; i < bytes; i += 16) {
        v128.store(dst + i, f32x4.min(f32x4.max(v128.load(a + i), low), high));
      }
      break;
    }
    case UnaryKind.silu:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, siluf32x4(v128.load(a + i)));
      break;
    case UnaryKind.gelu:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, geluf32x4(v128.load(a + i)));
      break;
    case UnaryKind.geluErf:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, geluErff32x4(v128.load(a + i)));
      break;
    case UnaryKind.geluQuick:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, geluQuickf32x4(v128.load(a + i)));
      break;
    case UnaryKind.relu:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, relu(v128.load(a + i)));
      break;
    case UnaryKind.relu2:
      for (let i: usize = 0; i < bytes; i += 16) {
        const x = relu(v128.load(a + i));
        v128.store(dst + i, f32x4.mul(x, x));
      }
      break;
    case UnaryKind.sigmoid:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, sigmoidf32x4(v128.load(a + i)));
      break;
    case UnaryKind.tanh:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, tanhf32x4(v128.load(a + i)));
      break;
    case UnaryKind.softplus:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, softplusf32x4(v128.load(a + i)));
      break;
    case UnaryKind.exp:
      for (let i: usize = 0; i < bytes; i += 16) v128.store(dst + i, expf32x4(v128.load(a + i)));
      break;
    default:
      unreachable();
  }
}

/** x < 0 ? +0 : x, so that -0 and NaN stay. */
// @ts-ignore: decorator
@inline
function relu(x: v128): v128 {
  return v128.andnot(x, f32x4.lt(x, f32x4.splat(0)));
}
