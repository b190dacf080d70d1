// Mixture of experts around the expert matmuls: choosing experts and their weights for every row, sorting the chosen
// (row, slot) pairs by expert so that each expert's weights are read once, and summing the slots' results.

import { BinaryKind, ExpertRowWord, ExpertSortWord, ExpertSumWord, Gating, Limit, RouteWord, UnaryKind, Word } from "../abi";
import { expf, sigmoidf, softplusf } from "../math/index";
import { claim, floatWord, rowsOf, scratch, word } from "../work";
import { activateRun, combineRun } from "./elementwise";
import { cutPieces, endRow, firstColumn, firstRow, loadTail, nColumns, nextPiece, storeTail } from "./pieces";

// The smallest normal f16: the floor that ggml puts under the sum of the chosen weights.
const smallestSum: f32 = 6.103515625e-5;

/**
 * Op.route: for every row of router logits the nUsed best experts, best first, ties to the lower id, and their
 * weights. Scratch: gate values, values that select (bias added), group scores.
 */
export function route(ins: usize): void {
  const rows = rowsOf(ins), nExpert = word(ins, Word.width), nUsed = word(ins, RouteWord.nUsed);
  const gating = word(ins, RouteWord.gating), bias = <usize>word(ins, RouteWord.bias);
  const nGroup = word(ins, RouteWord.nGroup), nGroupUsed = word(ins, RouteWord.nGroupUsed);
  const normalise = word(ins, RouteWord.normalise) != 0, scale = floatWord(ins, RouteWord.scale);
  const ids = <usize>word(ins, Word.dst), stride = <usize>word(ins, Word.dstStride);
  const weights = <usize>word(ins, RouteWord.weights);
  const logits = <usize>word(ins, Word.a), logitStride = <usize>word(ins, Word.aStride);
  const gates = scratch, selectors = scratch + Limit.experts * 4, groups = selectors + Limit.experts * 4;
  for (let row = <usize>claim(); row < <usize>rows; row = <usize>claim()) {
    gateValues(gates, logits + row * logitStride, nExpert, gating);
    for (let e: usize = 0; e < <usize>nExpert; e++) {
      let x = load<f32>(gates + (e << 2));
      if (bias != 0) x += load<f32>(bias + (e << 2));
      store<f32>(selectors + (e << 2), x == x ? x : NaN);
    }
    if (nGroup > 1 && nGroupUsed < nGroup) keepGroups(selectors, groups, nExpert / nGroup, nGroup, nGroupUsed);
    const rowIds = ids + row * stride, rowWeights = weights + row * stride;
    for (let slot: usize = 0; slot < <usize>nUsed; slot++) {
      const best = takeBest(selectors, nExpert);
      store<u32>(rowIds + (slot << 2), best);
      store<f32>(rowWeights + (slot << 2), load<f32>(gates + (<usize>best << 2)));
    }
    if (gating == Gating.softmaxOfSelected) softmaxInOrder(rowWeights, rowWeights, nUsed);
    let sum: f32 = 1;
    if (normalise) {
      sum = 0;
      for (let slot: usize = 0; slot < <usize>nUsed; slot++) sum += load<f32>(rowWeights + (slot << 2));
      sum = max<f32>(sum, smallestSum);
    }
    for (let slot: usize = 0; slot < <usize>nUsed; slot++) {
      store<f32>(rowWeights + (slot << 2), load<f32>(rowWeights + (slot << 2)) / sum * scale);
    }
  }
}

function gateValues(gates: usize, logits: usize, n: u32, gating: u32): void {
  if (gating == Gating.softmax) return softmaxInOrder(gates, logits, n);
  for (let end = logits + (<usize>n << 2); logits < end; logits += 4, gates += 4) {
    const x = load<f32>(logits);
    if (gating == Gating.sigmoid) store<f32>(gates, sigmoidf(x));
    else if (gating == Gating.sqrtSoftplus) store<f32>(gates, sqrt<f32>(softplusf(x)));
    else store<f32>(gates, x);
  }
}

/** exp(x - max) / sum, the sum in ascending order in one accumulator. */
function softmaxInOrder(to: usize, x: usize, n: u32): void {
  const bytes = <usize>n << 2;
  let largest: f32 = -Infinity, sum: f32 = 0;
  for (let i: usize = 0; i < bytes; i += 4) largest = max<f32>(largest, load<f32>(x + i));
  for (let i: usize = 0; i < bytes; i += 4) {
    const e = expf(load<f32>(x + i) - largest);
    store<f32>(to + i, e);
    sum += e;
  }
  for (let i: usize = 0; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) / sum);
}

// Marks what can no longer be chosen: a NaN other than the one that `route` writes for a NaN logit, so that those
// experts still count and the chosen ids are valid and distinct.
const taken: u32 = 0xffffffff;

/** The index of the largest value, the lowest one of equals; it is marked as taken. */
function takeBest(values: usize, n: u32): u32 {
  let best: u32 = n, largest: f32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const at = values + (<usize>i << 2);
    if (load<u32>(at) == taken) continue;
    const x = load<f32>(at);
    if (best == n || x > largest) {
      best = i;
      largest = x;
    }
  }
  store<u32>(values + (<usize>best << 2), taken);
  return best;
}

/** Marks all experts but those of the nGroupUsed best groups; a group's score is the sum of its two best values. */
function keepGroups(values: usize, scores: usize, size: u32, nGroup: u32, nGroupUsed: u32): void {
  for (let g: u32 = 0; g < nGroup; g++) {
    let first: f32 = -Infinity, second: f32 = -Infinity;
    for (let i: u32 = 0; i < size; i++) {
      const x = load<f32>(values + (<usize>(g * size + i) << 2));
      if (x > first) {
        second = first;
        first = x;
      } else if (x > second) second = x;
    }
    store<f32>(scores + (<usize>g << 2), size > 1 ? first + second : first);
  }
  for (let i: u32 = 0; i < nGroupUsed; i++) takeBest(scores, nGroup);
  for (let g: u32 = 0; g < nGroup; g++) {
    if (load<u32>(scores + (<usize>g << 2)) == taken) continue;
    memory.fill(values + (<usize>(g * size) << 2), 0xff, <usize>size << 2);
  }
}

/**
 * Op.expertSort: one thread sorts the batch's pairs by counting. Tiles have one column while there is at most one
 * pair an expert on average, since most columns of a wider tile would be padding; else tileColumns.
 */
export function expertSort(ins: usize): void {
  if (claim() != 0) return;
  const rows = rowsOf(ins), nUsed = word(ins, ExpertSortWord.nUsed), nExpert = word(ins, ExpertSortWord.nExpert);
  const maxTiles = <usize>word(ins, ExpertSortWord.maxTiles);
  const ids = <usize>word(ins, Word.a), stride = <usize>word(ins, Word.aStride), dst = <usize>word(ins, Word.dst);
  const columns = rows * nUsed <= nExpert ? 1 : word(ins, ExpertSortWord.tileColumns);
  const tileExpert = dst + 8, pairs = tileExpert + (maxTiles << 2);
  // Per expert: its pairs, then the place of its next pair.
  const places = scratch;
  memory.fill(places, 0, <usize>nExpert << 2);
  for (let row: u32 = 0; row < rows; row++) {
    for (let slot: u32 = 0; slot < nUsed; slot++) {
      const place = places + (<usize>load<u32>(ids + <usize>row * stride + (<usize>slot << 2)) << 2);
      store<u32>(place, load<u32>(place) + 1);
    }
  }
  let nTiles: u32 = 0;
  for (let e: u32 = 0; e < nExpert; e++) {
    const place = places + (<usize>e << 2), count = (load<u32>(place) + columns - 1) / columns;
    store<u32>(place, nTiles * columns);
    for (let end = nTiles + count; nTiles < end; nTiles++) store<u32>(tileExpert + (<usize>nTiles << 2), e);
  }
  memory.fill(pairs, 0xff, <usize>(nTiles * columns) << 2);
  for (let row: u32 = 0; row < rows; row++) {
    for (let slot: u32 = 0; slot < nUsed; slot++) {
      const place = places + (<usize>load<u32>(ids + <usize>row * stride + (<usize>slot << 2)) << 2);
      const at = load<u32>(place);
      store<u32>(place, at + 1);
      store<u32>(pairs + (<usize>at << 2), row * nUsed + slot);
    }
  }
  store<u32>(dst, nTiles);
  store<u32>(dst, columns, 4);
}

/** Op.expertSum: dst[row] = sum over slots, in rank order from +0, of weights[row, slot] * a[row, slot * width ..]. */
export function expertSum(ins: usize): void {
  const width = word(ins, Word.width), nUsed = <usize>word(ins, ExpertSumWord.nUsed), slotBytes = <usize>width << 2;
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const weights = <usize>word(ins, ExpertSumWord.weights);
  const weightsStride = <usize>word(ins, ExpertSumWord.weightsStride);
  cutPieces(rowsOf(ins), width, 4);
  while (nextPiece()) {
    const start = <usize>firstColumn << 2, whole = <usize>(nColumns & ~3) << 2, rest = nColumns & 3;
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      const to = dst + row * dstStride + start, from = a + row * aStride + start, w = weights + row * weightsStride;
      for (let i: usize = 0; i < whole; i += 16) {
        let sum = f32x4.splat(0);
        for (let slot: usize = 0, x = from + i; slot < nUsed; slot++, x += slotBytes) {
          sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(w + (slot << 2)), v128.load(x)));
        }
        v128.store(to + i, sum);
      }
      if (rest == 0) continue;
      let sum = f32x4.splat(0);
      for (let slot: usize = 0, x = from + whole; slot < nUsed; slot++, x += slotBytes) {
        sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(w + (slot << 2)), loadTail(x, rest)));
      }
      storeTail(to + whole, sum, rest);
    }
  }
}

/**
 * Op.expertRow: dst[row, slot] = a[row, slot] + b[expert], or * b[expert]: a bias or a factor of the expert that the
 * slot's row went through. bWidth 1: one number for all of the slot, only with mul. dst may be a.
 */
export function expertRow(ins: usize): void {
  const kind = word(ins, ExpertRowWord.kind), slotWidth = word(ins, ExpertRowWord.slotWidth);
  const b = <usize>word(ins, ExpertRowWord.b), bWidth = word(ins, ExpertRowWord.bWidth);
  const ids = <usize>word(ins, ExpertRowWord.ids), idsStride = <usize>word(ins, ExpertRowWord.idsStride);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  cutPieces(rowsOf(ins), word(ins, Word.width), slotWidth);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      for (let c = firstColumn; c < firstColumn + nColumns; c += slotWidth) {
        const expert = load<u32>(ids + row * idsStride + (<usize>(c / slotWidth) << 2));
        const to = dst + row * dstStride + (<usize>c << 2), from = a + row * aStride + (<usize>c << 2);
        const values = b + (<usize>(expert * bWidth) << 2);
        if (bWidth == 1 && kind == BinaryKind.mul) activateRun(UnaryKind.scale, load<f32>(values), to, from, slotWidth);
        else combineRun(kind, to, from, values, slotWidth);
      }
    }
  }
}

/** Op.eachExpert: ids[row, slot] = slot: every row goes through every expert, in order. */
export function eachExpert(ins: usize): void {
  const rows = rowsOf(ins), nUsed = word(ins, Word.width);
  const dst = <usize>word(ins, Word.dst), stride = <usize>word(ins, Word.dstStride);
  for (let row = <usize>claim(); row < <usize>rows; row = <usize>claim()) {
    for (let slot: u32 = 0; slot < nUsed; slot++) store<u32>(dst + row * stride + (<usize>slot << 2), slot);
  }
}
