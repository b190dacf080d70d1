// Op.quantize: rows of one type to rows of another, cut into pieces that the threads claim. A piece is read as f32 into
// this thread's own memory, checked, and written by the type's quantiser. src/quantize writes the instruction.

import { QuantizeWord, Word } from "../abi";
import { loadBf16x4, loadF16x4 } from "../half";
import { dequantizeRow, groupBytes, repackGroup } from "../quants/index";
import { GgmlType, rowSize } from "../quants/types";
import { claim, rowsOf, scratch, thread, word } from "../work";
import { quantizeRow } from "./calls.generated";
import { quantizeScratchBytes } from "./index";
import { at, clearOverflow, hasOverflowed } from "./scalar";

/** What became of a piece: u32, then f32. Other faults: 2 + index of a value in the piece that is no number, and the value. */
enum Fault { none = 0, overflow = 1, value = 2, bytes = 8 }

/** Bytes of working memory that a thread needs for pieces of `width` weights. */
export function quantizeWorkBytes(source: u32, width: u32): u32 {
  return align(quantizeScratchBytes(width)) + align(valuesBytes(width)) + (isPlain(source) ? 0 : groupBytes(source, width) + 64);
}

// @ts-ignore: decorator
@inline
function align(n: u32): u32 {
  return (n + 63) & ~63;
}

/** Whole vectors, so that conversions may write beyond the last value. */
// @ts-ignore: decorator
@inline
function valuesBytes(width: u32): u32 {
  return (width + 3) / 4 * 16;
}

function isPlain(type: u32): bool {
  return type == GgmlType.F32 || type == GgmlType.F16 || type == GgmlType.BF16;
}

export function quantize(ins: usize): void {
  const k = word(ins, Word.width), width = word(ins, QuantizeWord.piece), source = word(ins, QuantizeWord.source);
  const type = word(ins, QuantizeWord.type), imatrix = <usize>word(ins, QuantizeWord.imatrix);
  const work = <usize>word(ins, QuantizeWord.work) + <usize>thread * word(ins, QuantizeWord.workBytes);
  const perRow = (k + width - 1) / width, pieces = rowsOf(ins) * perRow;
  for (let p = claim(); p < pieces; p = claim()) {
    const row = p / perRow, first = p % perRow * width, n = min(width, k - first);
    const src = <usize>word(ins, Word.a) + <usize>row * word(ins, Word.aStride) + offsetOf(source, first);
    const dst = <usize>word(ins, Word.dst) + <usize>row * word(ins, Word.dstStride) + offsetOf(type, first);
    const faults = <usize>word(ins, QuantizeWord.faults) + <usize>p * Fault.bytes;
    const x = valuesOf(source, src, n, work);
    const bad = firstNonFinite(x, n);
    if (bad < n) {
      store<u32>(faults, Fault.value + bad);
      store<f32>(faults, at(x, bad), 4);
      continue;
    }
    clearOverflow();
    quantizeRow(type, x, n, imatrix != 0 ? imatrix + (<usize>first << 2) : 0, dst, work, word(ins, QuantizeWord.tables));
    store<u32>(faults, hasOverflowed() ? Fault.overflow : Fault.none);
  }
}

/** Where weight `first` of a row begins; a row with bytes before its blocks is one piece, so `first` is then 0. */
function offsetOf(type: u32, first: u32): usize {
  return first == 0 ? 0 : rowSize(type, first);
}

/** n weights stored as `source` at src, as f32; in `work` behind the quantisers' memory where they are not f32 already. */
function valuesOf(source: u32, src: usize, n: u32, work: usize): usize {
  if (source == GgmlType.F32) return src;
  const values = work + align(quantizeScratchBytes(n)), group = values + align(valuesBytes(n));
  if (source == GgmlType.F16) {
    for (let i: u32 = 0; i < n; i += 4) v128.store(values + (i << 2), loadF16x4(src + (i << 1)));
  } else if (source == GgmlType.BF16) {
    for (let i: u32 = 0; i < n; i += 4) v128.store(values + (i << 2), loadBf16x4(src + (i << 1)));
  } else {
    repackGroup(source, src, rowSize(source, n), 1, n, group);
    dequantizeRow(source, group, 0, n, values, scratch);
  }
  return values;
}

/** Index of the first infinity or NaN of n values; n: there is none. */
function firstNonFinite(x: usize, n: u32): u32 {
  const exponent = i32x4.splat(0x7f800000);
  let i: u32 = 0;
  for (; i + 4 <= n; i += 4) {
    if (v128.any_true(i32x4.eq(v128.and(v128.load(x + (i << 2)), exponent), exponent))) break;
  }
  for (; i < n; i++) if ((load<u32>(x + (i << 2)) & 0x7f800000) == 0x7f800000) break;
  return i;
}
