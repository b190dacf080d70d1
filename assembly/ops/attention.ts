// Op.attention: which keys each query row sees, how the work is cut for the threads, how chunks are merged. The sums
// themselves are in attention-chunk.ts. Chunks are 256 absolute positions and are always merged in ascending order,
// so that it makes no difference whether one thread walks all chunks of a row or many threads take one each.

import { AttentionWord, Batch, KeyPages, Kv, Sequence, Word } from "../abi";
import { expf } from "../math/index";
import { batch, claim, floatWord, nThreads, rowsOf, word } from "../work";
import { attendChunk, chunkSums, maxQueries, mergedSums, openBias, openShape, Query, queryAt, sumBytes } from "./attention-chunk";
import { loadTail, storeTail } from "./pieces";

let ins: usize = 0;
let rows: u32 = 0;
let nHead: u32 = 0;
let nHeadKv: u32 = 0;
let dimV: u32 = 0;
/** Query heads of one kv head, and how they are cut to fit a block: nParts parts of at most partHeads heads. */
let groupHeads: u32 = 0;
let nParts: u32 = 0;
let partHeads: u32 = 0;
/** Bytes of one chunk's partial result: max, sum, counter, unused; then dimV floats. */
let partialBytes: usize = 0;

/**
 * dst[r, h * dimV ..] = softmax(scale * q . k) v over the keys that row r sees in its sequence: with causal, up to its
 * own position; with a window w, not more than w - 1 positions back; with a chunk, none before the row's own stretch of
 * that many positions; without causal, all of Sequence.length, or with a window up to w - 1 positions ahead; with an
 * encoder's pages, all of them.
 * A row that sees no key yields zeros. partials: f32 [partialRows, nHead, maxChunks, dimV + 4], zero when it is
 * allocated and used by attention alone (it holds counters), or 0: no splitting of a row among threads.
 */
export function attention(instruction: usize): void {
  ins = instruction;
  rows = rowsOf(ins);
  nHead = word(ins, AttentionWord.nHead);
  nHeadKv = word(ins, AttentionWord.nHeadKv);
  dimV = word(ins, AttentionWord.dimV);
  partialBytes = <usize>(dimV + 4) << 2;
  openShape(
    word(ins, AttentionWord.dimK), dimV, word(ins, AttentionWord.kType), word(ins, AttentionWord.vType),
    floatWord(ins, AttentionWord.scale), floatWord(ins, AttentionWord.softcap), word(ins, AttentionWord.slopes) != 0,
  );
  openBias(word(ins, AttentionWord.buckets), nHead << 2);
  groupHeads = nHead / nHeadKv;
  nParts = (groupHeads + maxQueries - 1) / maxQueries;
  partHeads = (groupHeads + nParts - 1) / nParts;
  // A row has nHeadKv * nParts streams: keys and values that no other piece of the row reads.
  const streams = nHeadKv * nParts, wanted: u32 = 4 * nThreads;
  const canSplit = word(ins, AttentionWord.partials) != 0 && rows <= word(ins, AttentionWord.partialRows);
  if (canSplit && rows * streams < wanted) {
    const span = longestSpan();
    if (span > 1) return splitRows(streams, span);
  }
  wholeRows(streams, wanted);
}

/** Pieces are (block of rows, stream): rows of a block share every page that is read. */
function wholeRows(streams: u32, wanted: u32): void {
  const fits = max<u32>(maxQueries / partHeads, 1);
  const blockRows = min<u32>(fits, max<u32>(rows * streams / wanted, 1));
  const nBlocks = (rows + blockRows - 1) / blockRows, nPieces = nBlocks * streams;
  for (let piece = claim(); piece < nPieces; piece = claim()) {
    // Late rows first: they see the most keys, and long pieces should not be the last ones.
    const first = (nBlocks - 1 - piece / streams) * blockRows;
    const end = min<u32>(first + blockRows, rows);
    // A block falls into runs of one sequence.
    for (let row = first; row < end;) {
      const sequence = sequenceOf(row);
      let next = row + 1;
      while (next < end && sequenceOf(next) == sequence) next++;
      attendRows(row, next, piece % streams);
      row = next;
    }
  }
}

/** Rows [first, end) of one sequence, all chunks, one stream. */
function attendRows(first: u32, end: u32, stream: u32): void {
  let n: u32 = 0, from: u32 = u32.MAX_VALUE, to: u32 = 0;
  for (let row = first; row < end; row++) {
    n = openQueries(n, row, stream);
    from = min<u32>(from, queryAt(n - 1).first);
    to = max<u32>(to, queryAt(n - 1).end);
  }
  for (let chunk = from / Kv.chunkPositions; chunk * Kv.chunkPositions < to; chunk++) {
    attendStream(n, first, stream, chunk);
    for (let i: u32 = 0; i < n; i++) {
      const query = queryAt(i);
      if (query.chunkFirst == query.chunkEnd) continue;
      merge(query, mergedSums + <usize>i * sumBytes, query.chunkMax, query.chunkSum, chunkSums + <usize>i * sumBytes);
    }
  }
  for (let i: u32 = 0; i < n; i++) finish(queryAt(i), mergedSums + <usize>i * sumBytes);
}

/** Pieces are (chunk, row, stream); who finishes the last chunk of a row and stream merges them all. */
function splitRows(streams: u32, span: u32): void {
  const perChunk = rows * streams, nPieces = perChunk * span;
  for (let piece = claim(); piece < nPieces; piece = claim()) {
    const stream = piece % streams, row = piece % perChunk / streams;
    const n = openQueries(0, row, stream);
    const query = queryAt(0);
    if (query.first >= query.end) {
      if (piece < perChunk) finishAll(n);
      continue;
    }
    const firstChunk = query.first / Kv.chunkPositions, endChunk = (query.end - 1) / Kv.chunkPositions + 1;
    const chunk = firstChunk + piece / perChunk;
    if (chunk >= endChunk) continue;
    attendStream(n, row, stream, chunk);
    for (let i: u32 = 0; i < n; i++) {
      const partial = partialAt(row, queryAt(i).head, chunk);
      store<f32>(partial, queryAt(i).chunkMax);
      store<f32>(partial, queryAt(i).chunkSum, 4);
      memory.copy(partial + 16, chunkSums + <usize>i * sumBytes, <usize>dimV << 2);
    }
    const counter = partialAt(row, query.head, 0) + 8;
    if (atomic.add<u32>(counter, 1) + 1 < endChunk - firstChunk) continue;
    atomic.store<u32>(counter, 0);
    for (let c = firstChunk; c < endChunk; c++) {
      for (let i: u32 = 0; i < n; i++) {
        const partial = partialAt(row, queryAt(i).head, c);
        merge(queryAt(i), mergedSums + <usize>i * sumBytes, load<f32>(partial), load<f32>(partial, 4), partial + 16);
      }
    }
    finishAll(n);
  }
}

/** The most chunks that a row of this batch sees. */
function longestSpan(): u32 {
  let span: u32 = 0;
  for (let row: u32 = 0; row < rows; row++) {
    const end = endKeyOf(row), first = firstKeyOf(row);
    if (first < end) span = max<u32>(span, (end - 1) / Kv.chunkPositions + 1 - first / Kv.chunkPositions);
  }
  return span;
}

function attendStream(n: u32, row: u32, stream: u32, chunk: u32): void {
  const kvHead = stream / nParts;
  const kBase = <usize>word(ins, AttentionWord.kBase), vBase = <usize>word(ins, AttentionWord.vBase);
  attendChunk(
    n, chunk, pageTableOf(row), kvHead, kBase, vBase,
    word(ins, AttentionWord.kPageBytes), word(ins, AttentionWord.vPageBytes),
  );
}

/** Fills records n.. with the heads of `stream` in `row`; returns the new count. */
function openQueries(n: u32, row: u32, stream: u32): u32 {
  const part = stream % nParts, kvHead = stream / nParts;
  const firstHead = kvHead * groupHeads + part * partHeads;
  const endHead = min<u32>(firstHead + partHeads, (kvHead + 1) * groupHeads);
  const q = word(ins, Word.a) + row * word(ins, Word.aStride);
  const dst = word(ins, Word.dst) + row * word(ins, Word.dstStride);
  const dimK = word(ins, AttentionWord.dimK), slopes = <usize>word(ins, AttentionWord.slopes);
  const position = positionOf(row), first = firstKeyOf(row), end = endKeyOf(row);
  for (let head = firstHead; head < endHead; head++, n++) {
    const query = queryAt(n);
    query.q = q + (head * dimK << 2);
    query.dst = dst + (head * dimV << 2);
    query.head = head;
    query.position = position;
    query.slope = slopes != 0 ? load<f32>(slopes + (<usize>head << 2)) : 0;
    query.bias = word(ins, AttentionWord.relativeBias) + (head << 2);
    query.first = first;
    query.end = end;
    query.started = 0;
  }
  return n;
}

/** Joins a chunk to what is merged so far: m' = max(m, mc), both sides times exp(m - m') and exp(mc - m'). */
function merge(query: Query, sums: usize, chunkMax: f32, chunkSum: f32, chunk: usize): void {
  if (!query.started) {
    query.started = 1;
    query.max = chunkMax;
    query.sum = chunkSum;
    memory.copy(sums, chunk, <usize>dimV << 2);
    return;
  }
  const largest = chunkMax > query.max ? chunkMax : query.max;
  const old = expf(query.max - largest), fresh = expf(chunkMax - largest);
  query.max = largest;
  query.sum = query.sum * old + chunkSum * fresh;
  const a = f32x4.splat(old), b = f32x4.splat(fresh);
  // dimV % 4 floats at the end may read lanes that belong to nobody; they are not stored by finish().
  for (let i: usize = 0; i < <usize>dimV << 2; i += 16) {
    v128.store(sums + i, f32x4.add(f32x4.mul(v128.load(sums + i), a), f32x4.mul(v128.load(chunk + i), b)));
  }
}

function finishAll(n: u32): void {
  for (let i: u32 = 0; i < n; i++) finish(queryAt(i), mergedSums + <usize>i * sumBytes);
}

/** Merges the sink, divides by the sum, writes dst. */
function finish(query: Query, sums: usize): void {
  const dst = <usize>query.dst;
  if (!query.started) {
    memory.fill(dst, 0, <usize>dimV << 2);
    return;
  }
  const sinks = <usize>word(ins, AttentionWord.sinks);
  let factor: f32 = 1;
  if (sinks != 0) {
    const sink = load<f32>(sinks + (<usize>query.head << 2));
    const largest = sink > query.max ? sink : query.max;
    factor = expf(query.max - largest);
    query.sum = query.sum * factor + expf(sink - largest);
  }
  const f = f32x4.splat(factor), sum = f32x4.splat(query.sum);
  const whole = <usize>(dimV & ~3) << 2, rest = dimV & 3;
  for (let i: usize = 0; i < whole; i += 16) {
    v128.store(dst + i, f32x4.div(f32x4.mul(v128.load(sums + i), f), sum));
  }
  if (rest != 0) storeTail(dst + whole, f32x4.div(f32x4.mul(loadTail(sums + whole, rest), f), sum), rest);
}

/** Partial result of (row, head, chunk); its third word, in the first head of a stream at chunk 0, is the counter. */
function partialAt(row: u32, head: u32, chunk: u32): usize {
  const index = (row * nHead + head) * word(ins, AttentionWord.maxChunks) + chunk;
  return <usize>word(ins, AttentionWord.partials) + <usize>index * partialBytes;
}

/** Address of the row's sequence record. */
function sequenceOf(row: u32): usize {
  const index = load<u32>(<usize>load<u32>(batch, Batch.sequenceOf) + (<usize>row << 2));
  return <usize>load<u32>(batch, Batch.sequences) + <usize>index * Sequence.bytes;
}

function pageTableOf(row: u32): usize {
  const sequence = sequenceOf(row);
  const pages = word(ins, AttentionWord.pages);
  if (pages == KeyPages.encoder) return <usize>load<u32>(sequence, Sequence.crossPageTable);
  if (pages == KeyPages.window) return <usize>load<u32>(sequence, Sequence.windowPageTable);
  return <usize>load<u32>(sequence, Sequence.pageTable);
}

function positionOf(row: u32): i32 {
  return load<i32>(<usize>load<u32>(batch, Batch.positions) + (<usize>row << 4));
}

/** First key that the row sees. */
function firstKeyOf(row: u32): u32 {
  const window = <i32>word(ins, AttentionWord.window), chunk = <i32>word(ins, AttentionWord.chunk);
  const position = positionOf(row);
  const first = window > 0 ? max<i32>(position - window + 1, 0) : 0;
  return <u32>(chunk > 0 ? max<i32>(position - position % chunk, first) : first);
}

/** One past the last key that the row sees. */
function endKeyOf(row: u32): u32 {
  if (word(ins, AttentionWord.pages) == KeyPages.encoder) return load<u32>(sequenceOf(row), Sequence.crossLength);
  if (word(ins, AttentionWord.causal) != 0) return <u32>(positionOf(row) + 1);
  const length = load<u32>(sequenceOf(row), Sequence.length), window = word(ins, AttentionWord.window);
  return window != 0 ? min<u32>(<u32>positionOf(row) + window, length) : length;
}
