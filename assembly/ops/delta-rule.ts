// Recurrences whose state is a matrix per head, [keys, values], that forgets, corrects itself and learns one outer product
// per token: RWKV-7 (arXiv 2503.14456) and the gated delta rule (arXiv 2412.06464). Columns of values are independent:
// work is cut into blocks of 16 of them, four vectors that hide each other's latency; sums over keys are sequential.

import { GatedDeltaWord, Wkv7Word, Word } from "../abi";
import { claim, word } from "../work";
import { firstRowOf, nSequences, stateAfter, stateBefore } from "./state";

/** Values in a block. */
const block: u32 = 16;

/** Op.wkv7. Per token and head: removed = sum(a[j] * S[j]), 0 where the instruction names no a; S[j] = S[j] * w[j] + k[j] * v + removed * b[j]; y = sum(S[j] * r[j]). */
export function wkv7(ins: usize): void {
  const headSize = word(ins, Wkv7Word.headSize), removes = word(ins, Wkv7Word.remove) != 0;
  const perSequence = word(ins, Word.width) / block, nPieces = nSequences() * perSequence;
  for (let piece = claim(); piece < nPieces; piece = claim()) {
    const s = piece / perSequence, column = (piece % perSequence) * block, head = column / headSize;
    const keys = <usize>(head * headSize) << 2, values = <usize>column << 2;
    // row j of the head's matrix, at the block's columns
    const at = <usize>(head * headSize * headSize + column % headSize) << 2;
    const after = stateAfter(ins, s) + at, endRow = firstRowOf(s + 1);
    let before = stateBefore(ins, s) + at;
    for (let row = firstRowOf(s); row < endRow; row++) {
      wkv7Step(
        rowAt(ins, Word.dst, Word.dstStride, row) + values, after, before, <usize>headSize, removes,
        rowAt(ins, Word.a, Word.aStride, row) + keys, rowAt(ins, Wkv7Word.w, Wkv7Word.wStride, row) + keys,
        rowAt(ins, Wkv7Word.k, Wkv7Word.kStride, row) + keys, rowAt(ins, Wkv7Word.v, Wkv7Word.vStride, row) + values,
        rowAt(ins, Wkv7Word.remove, Wkv7Word.removeStride, row) + keys,
        rowAt(ins, Wkv7Word.write, Wkv7Word.writeStride, row) + keys,
      );
      before = after;
    }
  }
}

function wkv7Step(
  y: usize, to: usize, from: usize, headSize: usize, removes: bool, r: usize, w: usize, k: usize, v: usize, a: usize, b: usize,
): void {
  const bytes = headSize << 2, lookedUp: usize = removes ? bytes : 0;
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let j: usize = 0, S = from; j < lookedUp; j += 4, S += bytes) {
    const aj = v128.load32_splat(a + j);
    s0 = f32x4.add(s0, f32x4.mul(aj, v128.load(S)));
    s1 = f32x4.add(s1, f32x4.mul(aj, v128.load(S, 16)));
    s2 = f32x4.add(s2, f32x4.mul(aj, v128.load(S, 32)));
    s3 = f32x4.add(s3, f32x4.mul(aj, v128.load(S, 48)));
  }
  const v0 = v128.load(v), v1 = v128.load(v, 16), v2 = v128.load(v, 32), v3 = v128.load(v, 48);
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  for (let j: usize = 0; j < bytes; j += 4, from += bytes, to += bytes) {
    const wj = v128.load32_splat(w + j), kj = v128.load32_splat(k + j), bj = v128.load32_splat(b + j), rj = v128.load32_splat(r + j);
    const S0 = wkv7State(v128.load(from), wj, kj, v0, s0, bj), S1 = wkv7State(v128.load(from, 16), wj, kj, v1, s1, bj);
    const S2 = wkv7State(v128.load(from, 32), wj, kj, v2, s2, bj), S3 = wkv7State(v128.load(from, 48), wj, kj, v3, s3, bj);
    v128.store(to, S0);
    v128.store(to, S1, 16);
    v128.store(to, S2, 32);
    v128.store(to, S3, 48);
    y0 = f32x4.add(y0, f32x4.mul(S0, rj));
    y1 = f32x4.add(y1, f32x4.mul(S1, rj));
    y2 = f32x4.add(y2, f32x4.mul(S2, rj));
    y3 = f32x4.add(y3, f32x4.mul(S3, rj));
  }
  storeBlock(y, y0, y1, y2, y3);
}

// @ts-ignore: decorator
@inline
function wkv7State(S: v128, w: v128, k: v128, v: v128, removed: v128, b: v128): v128 {
  return f32x4.add(f32x4.add(f32x4.mul(S, w), f32x4.mul(k, v)), f32x4.mul(removed, b));
}

/** Op.gatedDelta. Per token and head: S[j] = S[j] * decay; d = (v - sum(S[j] * k[j])) * beta; S[j] = S[j] + k[j] * d; y = sum(S[j] * q[j]). */
export function gatedDelta(ins: usize): void {
  const dimK = word(ins, GatedDeltaWord.dimK), dimV = word(ins, GatedDeltaWord.dimV), nHeadK = word(ins, GatedDeltaWord.nHeadK);
  const nHeadV = word(ins, Word.width) / dimV, grouped = word(ins, GatedDeltaWord.grouped) != 0;
  const perSequence = word(ins, Word.width) / block, nPieces = nSequences() * perSequence;
  for (let piece = claim(); piece < nPieces; piece = claim()) {
    const s = piece / perSequence, column = (piece % perSequence) * block, head = column / dimV;
    const headK = grouped ? head / (nHeadV / nHeadK) : head % nHeadK;
    const keys = <usize>(headK * dimK) << 2, values = <usize>column << 2, scalar = <usize>head << 2;
    const at = <usize>(head * dimK * dimV + column % dimV) << 2;
    const after = stateAfter(ins, s) + at, endRow = firstRowOf(s + 1);
    let before = stateBefore(ins, s) + at;
    for (let row = firstRowOf(s); row < endRow; row++) {
      gatedDeltaStep(
        rowAt(ins, Word.dst, Word.dstStride, row) + values, after, before, <usize>dimK << 2, <usize>dimV << 2,
        rowAt(ins, Word.a, Word.aStride, row) + keys, rowAt(ins, GatedDeltaWord.k, GatedDeltaWord.kStride, row) + keys,
        rowAt(ins, GatedDeltaWord.v, GatedDeltaWord.vStride, row) + values,
        load<f32>(rowAt(ins, GatedDeltaWord.decay, GatedDeltaWord.decayStride, row) + scalar),
        load<f32>(rowAt(ins, GatedDeltaWord.beta, GatedDeltaWord.betaStride, row) + scalar),
      );
      before = after;
    }
  }
}

function gatedDeltaStep(
  y: usize, to: usize, from: usize, keyBytes: usize, stride: usize, q: usize, k: usize, v: usize, decay: f32, beta: f32,
): void {
  const g = f32x4.splat(decay);
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let j: usize = 0, S = to; j < keyBytes; j += 4, from += stride, S += stride) {
    const kj = v128.load32_splat(k + j);
    const S0 = f32x4.mul(v128.load(from), g), S1 = f32x4.mul(v128.load(from, 16), g);
    const S2 = f32x4.mul(v128.load(from, 32), g), S3 = f32x4.mul(v128.load(from, 48), g);
    storeBlock(S, S0, S1, S2, S3);
    s0 = f32x4.add(s0, f32x4.mul(S0, kj));
    s1 = f32x4.add(s1, f32x4.mul(S1, kj));
    s2 = f32x4.add(s2, f32x4.mul(S2, kj));
    s3 = f32x4.add(s3, f32x4.mul(S3, kj));
  }
  const b = f32x4.splat(beta);
  const d0 = f32x4.mul(f32x4.sub(v128.load(v), s0), b), d1 = f32x4.mul(f32x4.sub(v128.load(v, 16), s1), b);
  const d2 = f32x4.mul(f32x4.sub(v128.load(v, 32), s2), b), d3 = f32x4.mul(f32x4.sub(v128.load(v, 48), s3), b);
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  for (let j: usize = 0; j < keyBytes; j += 4, to += stride) {
    const kj = v128.load32_splat(k + j), qj = v128.load32_splat(q + j);
    const S0 = f32x4.add(v128.load(to), f32x4.mul(kj, d0)), S1 = f32x4.add(v128.load(to, 16), f32x4.mul(kj, d1));
    const S2 = f32x4.add(v128.load(to, 32), f32x4.mul(kj, d2)), S3 = f32x4.add(v128.load(to, 48), f32x4.mul(kj, d3));
    storeBlock(to, S0, S1, S2, S3);
    y0 = f32x4.add(y0, f32x4.mul(S0, qj));
    y1 = f32x4.add(y1, f32x4.mul(S1, qj));
    y2 = f32x4.add(y2, f32x4.mul(S2, qj));
    y3 = f32x4.add(y3, f32x4.mul(S3, qj));
  }
  storeBlock(y, y0, y1, y2, y3);
}

// @ts-ignore: decorator
@inline
function storeBlock(to: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
  v128.store(to, x0);
  v128.store(to, x1, 16);
  v128.store(to, x2, 32);
  v128.store(to, x3, 48);
}

// @ts-ignore: decorator
@inline
function rowAt(ins: usize, base: u32, stride: u32, row: u32): usize {
  return <usize>word(ins, base) + <usize>row * <usize>word(ins, stride);
}
