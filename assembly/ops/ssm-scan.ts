// The selective scan of Mamba (arXiv 2312.00752) and Mamba-2 (arXiv 2405.21060): every channel carries a vector of nState
// numbers through its sequence, token by token. Work is cut by channels.

import { SsmScanWord, Word } from "../abi";
import { expf32x4 } from "../math/index";
import { claim, word } from "../work";
import { sum4 } from "./softmax";
import { firstRowOf, nSequences, stateAfter, stateBefore } from "./state";

// 4096 numbers of state: 16 KiB stay in the first-level cache from token to token.
const pieceState: u32 = 4096;

/**
 * Op.ssmScan: per token and channel c of head h, with decay = exp(dt[h] * A): state = state * decay + B * (x * dt),
 * y = sum(state * C) + D[h] * x. nState is a multiple of 4.
 */
export function ssmScan(ins: usize): void {
  const width = word(ins, Word.width), nState = word(ins, SsmScanWord.nState);
  const perPiece = max<u32>(1, pieceState / nState), perSequence = (width + perPiece - 1) / perPiece;
  const nPieces = nSequences() * perSequence;
  for (let piece = claim(); piece < nPieces; piece = claim()) {
    const first = (piece % perSequence) * perPiece;
    scanChannels(ins, piece / perSequence, first, min<u32>(first + perPiece, width));
  }
}

/** Channels [first, end) of sequence s. */
function scanChannels(ins: usize, s: u32, first: u32, end: u32): void {
  const nState = word(ins, SsmScanWord.nState), stateBytes = <usize>nState << 2;
  const headDim = word(ins, SsmScanWord.headDim), nHead = word(ins, Word.width) / headDim;
  const headsPerGroup = nHead / word(ins, SsmScanWord.nGroup), perHead = word(ins, SsmScanWord.aPerHead) != 0;
  const A = <usize>word(ins, SsmScanWord.A), D = <usize>word(ins, SsmScanWord.D);
  const after = stateAfter(ins, s), endRow = firstRowOf(s + 1);
  let before = stateBefore(ins, s);
  for (let row = firstRowOf(s); row < endRow; row++) {
    const x = rowAt(ins, Word.a, Word.aStride, row), y = rowAt(ins, Word.dst, Word.dstStride, row);
    const dts = rowAt(ins, SsmScanWord.dt, SsmScanWord.dtStride, row);
    const B = rowAt(ins, SsmScanWord.b, SsmScanWord.bStride, row), C = rowAt(ins, SsmScanWord.c, SsmScanWord.cStride, row);
    let head = first / headDim, left = headDim - first % headDim;
    for (let channel = first; channel < end; head++, left = headDim) {
      const dt = load<f32>(dts + (<usize>head << 2)), d = load<f32>(D + (<usize>head << 2));
      const group = <usize>(head / headsPerGroup) * stateBytes;
      const decay = perHead ? expf32x4(f32x4.splat(dt * load<f32>(A + (<usize>head << 2)))) : f32x4.splat(0);
      const headEnd = min<u32>(channel + left, end);
      for (; channel < headEnd; channel++) {
        const at = <usize>channel << 2, value = load<f32>(x + at), offset = <usize>channel * stateBytes;
        const sum = perHead
          ? stepByHead(after + offset, before + offset, decay, B + group, C + group, value * dt, stateBytes)
          : stepByState(after + offset, before + offset, A + <usize>head * stateBytes, dt, B + group, C + group, value * dt, stateBytes);
        store<f32>(y + at, sum + d * value);
      }
    }
    before = after;
  }
}

/** One channel, one token, one decay for all of its state. Returns sum(state * C): four lane sums by index mod 4. */
function stepByHead(to: usize, from: usize, decay: v128, B: usize, C: usize, xdt: f32, bytes: usize): f32 {
  const input = f32x4.splat(xdt);
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const state = f32x4.add(f32x4.mul(v128.load(from + i), decay), f32x4.mul(v128.load(B + i), input));
    v128.store(to + i, state);
    sum = f32x4.add(sum, f32x4.mul(state, v128.load(C + i)));
  }
  return sum4(sum);
}

/** The same where every number of the state has its own decay. */
function stepByState(to: usize, from: usize, A: usize, dt: f32, B: usize, C: usize, xdt: f32, bytes: usize): f32 {
  const input = f32x4.splat(xdt), step = f32x4.splat(dt);
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const decay = expf32x4(f32x4.mul(step, v128.load(A + i)));
    const state = f32x4.add(f32x4.mul(v128.load(from + i), decay), f32x4.mul(v128.load(B + i), input));
    v128.store(to + i, state);
    sum = f32x4.add(sum, f32x4.mul(state, v128.load(C + i)));
  }
  return sum4(sum);
}

// @ts-ignore: decorator
@inline
function rowAt(ins: usize, base: u32, stride: u32, row: u32): usize {
  return <usize>word(ins, base) + <usize>row * <usize>word(ins, stride);
}
