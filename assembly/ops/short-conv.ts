// What a token sees of the tokens just before it: the row before (token shift) and a short causal convolution of every
// column by itself. Work is cut by columns, never by tokens; rows before the batch come from the sequence's state.

import { ShortConvWord, TokenShiftWord, Word } from "../abi";
import { claim, scratch, word } from "../work";
import { firstRowOf, nSequences, stateAfter, stateBefore } from "./state";

// 64 columns: a piece of one token costs about what a claim costs three times over.
const pieceColumns: u32 = 64;

/** Op.tokenShift: dst row t = a row t - 1 of the same sequence; the first row of a run gets the last one of the run before. */
export function tokenShift(ins: usize): void {
  const width = word(ins, Word.width), perSequence = (width + pieceColumns - 1) / pieceColumns;
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const nPieces = nSequences() * perSequence;
  for (let piece = claim(); piece < nPieces; piece = claim()) {
    const s = piece / perSequence, column = (piece % perSequence) * pieceColumns;
    const start = <usize>column << 2, bytes = <usize>min<u32>(pieceColumns, width - column) << 2;
    const first = <usize>firstRowOf(s), end = <usize>firstRowOf(s + 1);
    let previous = stateBefore(ins, s) + start;
    for (let row = first; row < end; row++) {
      memory.copy(dst + row * dstStride + start, previous, bytes);
      previous = a + row * aStride + start;
    }
    memory.copy(stateAfter(ins, s) + start, previous, bytes);
  }
}

/**
 * Op.shortConv: dst[t, c] = sum over k of weight[c, k] * a[t - taps + 1 + k, c], k ascending from +0. taps: 2 to 256.
 * The state is [taps - 1 rows, width rounded up to 4].
 */
export function shortConv(ins: usize): void {
  const width = word(ins, Word.width), perSequence = (width + pieceColumns - 1) / pieceColumns;
  const taps = word(ins, ShortConvWord.taps), weight = <usize>word(ins, ShortConvWord.weight);
  const nPieces = nSequences() * perSequence;
  for (let piece = claim(); piece < nPieces; piece = claim()) {
    const column = (piece % perSequence) * pieceColumns, n = min<u32>(pieceColumns, width - column);
    drawTaps(weight + <usize>(column * taps << 2), taps, n);
    convolve(ins, piece / perSequence, column, n, taps);
  }
}

/** The taps of n columns to scratch, tap by tap: a vector then holds one tap of four columns. */
function drawTaps(weight: usize, taps: u32, n: u32): void {
  for (let k: u32 = 0; k < taps; k++) {
    const to = scratch + <usize>(k * pieceColumns << 2);
    for (let c: u32 = 0; c < n; c++) store<f32>(to + <usize>(c << 2), load<f32>(weight + <usize>((c * taps + k) << 2)));
  }
}

function convolve(ins: usize, s: u32, column: u32, n: u32, taps: u32): void {
  const start = <usize>column << 2, bytes = <usize>n << 2;
  const first = firstRowOf(s), nRows = firstRowOf(s + 1) - first;
  const dst = <usize>word(ins, Word.dst) + start, dstStride = <usize>word(ins, Word.dstStride);
  const aStride = <usize>word(ins, Word.aStride), a = <usize>word(ins, Word.a) + <usize>first * aStride + start;
  const stateStride = <usize>((word(ins, Word.width) + 3) & ~3) << 2, before = stateBefore(ins, s) + start;
  const history = taps - 1;
  // Row i of the run, counted from the oldest row of the state.
  for (let t: u32 = 0; t < nRows; t++) {
    const to = dst + <usize>(first + t) * dstStride;
    // Whole vectors: lanes behind the width lie within the strides and are nobody's.
    for (let c: usize = 0; c < bytes; c += 16) {
      let sum = f32x4.splat(0);
      for (let k: u32 = 0; k < taps; k++) {
        const i = t + k;
        const from = i < history ? before + <usize>i * stateStride : a + <usize>(i - history) * aStride;
        sum = f32x4.add(sum, f32x4.mul(v128.load(scratch + <usize>(k * pieceColumns << 2) + c), v128.load(from + c)));
      }
      v128.store(to + c, sum);
    }
  }
  const after = stateAfter(ins, s) + start;
  for (let j: u32 = 0; j < history; j++) {
    const i = nRows + j;
    const from = i < history ? before + <usize>i * stateStride : a + <usize>(i - history) * aStride;
    memory.copy(after + <usize>j * stateStride, from, bytes);
  }
}
