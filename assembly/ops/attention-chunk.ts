// Attention of up to maxQueries queries of one kv head over one chunk of 256 positions: scores, softmax, weighted sum
// of values. A query is one head of one batch row; all queries of a block share each page of keys and values that
// is read. What a query gets depends on its own keys alone (NUMERICS.md), whoever shares the block.

import { Kv, KvType, Limit } from "../abi";
import { expSums, tanhf32x4 } from "../math/index";
import { scratch } from "../work";
import {
  enlarge, reduce16, scoreBytes, scores1, scores2, scores4, sums1x32, sums1x8, sums2x16, sums4,
} from "./attention-sums";
import { blockAt, headBytes, isNormal, markBytes, readKeys, readValues, widthAt } from "./kv-page";
import { max4, sum4 as sumLanes } from "./softmax";

/** One query of a block, in scratch memory. Positions are absolute. */
@unmanaged
export class Query {
  /** Address of the head's dimK floats, and of its dimV results. */
  q: u32;
  dst: u32;
  head: u32;
  position: i32;
  /** ALiBi's slope, or 0. */
  slope: f32;
  /** Address of the head's number in the first bucket of relative positions. */
  bias: u32;
  /** Visible keys: [first, end). */
  first: u32;
  end: u32;
  /** Visible keys of the current chunk; chunkFirst == chunkEnd: none. */
  chunkFirst: u32;
  chunkEnd: u32;
  /** Largest score of the chunk, and sum of exp(score - max). */
  chunkMax: f32;
  chunkSum: f32;
  /** The same over all chunks merged so far. */
  started: u32;
  max: f32;
  sum: f32;
}

/** Most queries of a block. */
const queryLimit: u32 = 16;
const queryBytes: usize = 64;
/** Queries whose kernel takes pages of f16 without a tile: with more, a tile's conversion is shared by enough. */
const fewQueries: u32 = 4;
/** 2^112: the factor of enlarged weights (attention-sums.ts). */
const enlargement: f32 = reinterpret<f32>(0x77800000);

/** The shape of the attention at hand; openShape sets it. */
let dimK: u32 = 0;
let dimV: u32 = 0;
let typeK: u32 = 0;
let typeV: u32 = 0;
let scale: f32 = 0;
let softcap: f32 = 0;
let hasSlopes: bool = false;
/** Bucket of relative position 0, or 0: no bias; bytes from bucket to bucket of the biases. */
let buckets: i32 = 0;
let bucketBytes: i32 = 0;
/** Bytes of a query's sums of values: dimV rounded up to 8 floats, so that kernels need no tail. */
export let sumBytes: usize = 0;
/** How many queries fit a block. */
export let maxQueries: u32 = 0;
/** Most queries of a block that takes pages of f16 without a tile. */
let directQueries: u32 = 0;
let tile: usize = 0;
/** Queries of a block that takes pages of f16 without a tile, times 2^112. */
let enlarged: usize = 0;
let scores: usize = 0;
/** Sums of values, per query: of the chunk at hand, and of all merged chunks. */
export let chunkSums: usize = 0;
export let mergedSums: usize = 0;

/** Lays out scratch: query records, page tile, enlarged queries, scores, sums. */
export function openShape(kDim: u32, vDim: u32, kType: u32, vType: u32, factor: f32, cap: f32, slopes: bool): void {
  dimK = kDim;
  dimV = vDim;
  typeK = kType;
  typeV = vType;
  scale = factor;
  softcap = cap;
  hasSlopes = slopes;
  sumBytes = <usize>((vDim + 7) & ~7) << 2;
  tile = scratch + <usize>queryLimit * queryBytes;
  enlarged = tile + max<usize>(<usize>kDim * 64, sumBytes * Kv.pagePositions);
  scores = enlarged + <usize>(fewQueries * kDim << 2);
  const rest = <usize>Limit.scratchBytes - (scores - scratch);
  maxQueries = min<u32>(queryLimit, <u32>(rest / (scoreBytes + 2 * sumBytes)));
  directQueries = maxQueries < fewQueries ? 0 : fewQueries;
  chunkSums = scores + <usize>maxQueries * scoreBytes;
  mergedSums = chunkSums + <usize>maxQueries * sumBytes;
}

/** Sets where the buckets of relative positions are (0: none), and the bytes of one bucket's biases. */
export function openBias(table: u32, bytes: u32): void {
  buckets = <i32>table;
  bucketBytes = <i32>bytes;
}

/** Biases of four keys, the first at this distance from the query. */
function biases(query: Query, distance: i32): v128 {
  let bias = f32x4.splat(biasAt(query, distance));
  bias = f32x4.replace_lane(bias, 1, biasAt(query, distance + 1));
  bias = f32x4.replace_lane(bias, 2, biasAt(query, distance + 2));
  return f32x4.replace_lane(bias, 3, biasAt(query, distance + 3));
}

// @ts-ignore: decorator
@inline
function biasAt(query: Query, distance: i32): f32 {
  const bucket = <i32>load<f32>(<usize>(buckets + (distance << 2)));
  return load<f32>(<usize>(<i32>query.bias + bucket * bucketBytes));
}

/** Record i of the block. */
// @ts-ignore: decorator
@inline
export function queryAt(i: u32): Query {
  return changetype<Query>(scratch + <usize>i * queryBytes);
}

/**
 * Computes chunk `chunk` for queries 0 .. n - 1: chunkMax, chunkSum and their vector of chunkSums; a query that sees
 * no key there has chunkFirst == chunkEnd and nothing else. kBase and vBase: the layer's cache.
 */
export function attendChunk(
  n: u32, chunk: u32, pageTable: usize, kvHead: u32, kBase: usize, vBase: usize, kPageBytes: usize, vPageBytes: usize,
): void {
  const base = chunk * Kv.chunkPositions;
  let first = base + Kv.chunkPositions, end = base;
  for (let i: u32 = 0; i < n; i++) {
    const query = queryAt(i);
    query.chunkFirst = max<u32>(query.first, base);
    query.chunkEnd = max<u32>(min<u32>(query.end, base + Kv.chunkPositions), query.chunkFirst);
    if (query.chunkFirst == query.chunkEnd) continue;
    first = min<u32>(first, query.chunkFirst);
    end = max<u32>(end, query.chunkEnd);
  }
  if (first >= end) return;
  const kBytes = headBytes(typeK, dimK), vBytes = headBytes(typeV, dimV);
  const firstPage = first / Kv.pagePositions, endPage = (end + Kv.pagePositions - 1) / Kv.pagePositions;
  const directKeys = typeK == KvType.f16 && n <= directQueries && enlargeQueries(n);
  for (let page = firstPage; page < endPage; page++) {
    const physical = load<u32>(pageTable + (<usize>page << 2));
    const block = blockAt(kBase, kPageBytes, kBytes, kvHead, physical);
    const to = scores + (<usize>(page * Kv.pagePositions - base) << 2);
    if (directKeys && isNormal(block)) scoreHalves(n, block + markBytes, to);
    else scorePage(n, readKeys(typeK, block, dimK, tile), to);
  }
  const directValues = typeV == KvType.f16 && n <= directQueries;
  const factor: f32 = directValues ? enlargement : 1;
  for (let i: u32 = 0; i < n; i++) {
    const query = queryAt(i);
    if (query.chunkFirst < query.chunkEnd) softmaxChunk(query, base, scores + <usize>i * scoreBytes, factor);
  }
  // sumHalves adds four queries for three: nothing of the fourth
  memory.fill(chunkSums, 0, <usize>min<u32>(n + 1, maxQueries) * sumBytes);
  if (n == 3 && directValues) memory.fill(scores + 3 * scoreBytes, 0, scoreBytes);
  for (let page = firstPage; page < endPage; page++) {
    const physical = load<u32>(pageTable + (<usize>page << 2));
    const start = page * Kv.pagePositions;
    const from = max<u32>(first, start), to = min<u32>(end, start + Kv.pagePositions);
    const block = blockAt(vBase, vPageBytes, vBytes, kvHead, physical);
    if (directValues) {
      if (isNormal(block) && allSee(n, start, from, to)) {
        sumHalves(n, block + markBytes, from - start, to - from, from - base);
        continue;
      }
      for (let i: u32 = 0; i < n; i++) reduce16(scores + <usize>i * scoreBytes + (<usize>(start - base) << 2));
    }
    const values = readValues(typeV, block, dimV, tile);
    sumPage(n, values, start, start - base);
  }
}

/** Writes the queries of a block times 2^112; false where that cannot be. */
function enlargeQueries(n: u32): bool {
  if ((dimK & 3) != 0) return false;
  let possible = true;
  for (let i: u32 = 0; i < n; i++) {
    if (!enlarge(enlarged + <usize>(i * dimK << 2), queryAt(i).q, dimK)) possible = false;
  }
  return possible;
}

/** scorePage for up to four queries, from a block of normal halves. */
function scoreHalves(n: u32, keys: usize, to: usize): void {
  const bytes = <usize>dimK << 2, q0 = enlarged, q1 = q0 + bytes, q2 = q1 + bytes;
  if (n == 1) return scores1<u16>(to, keys, q0, dimK);
  if (n == 2) return scores2<u16>(to, keys, q0, q1, dimK);
  // of three, the last one twice
  const q3 = n == 4 ? q2 + bytes : q2;
  scores4<u16>(to, keys, q0, q1, q2, q3, dimK);
  scores4<u16>(to + 32, keys + 16, q0, q1, q2, q3, dimK);
}

/** sumPage for up to four queries that all see positions [from, from + count) of a block of normal halves; place: from in the chunk. */
function sumHalves(n: u32, values: usize, from: u32, count: u32, place: u32): void {
  const weights = scores + (<usize>place << 2);
  for (let first: u32 = 0, sums = chunkSums; first < dimV; first += 32, values += 1024) {
    const row = <usize>(widthAt(dimV, first) << 1), end = sums + (row << 1);
    let v = values + <usize>from * row;
    if (n > 2) {
      sums4<u16>(sums, end, sumBytes, weights, v, row, count);
    } else if (n == 1 && row == 64) {
      sums1x32<u16>(sums, weights, v, row, count);
    } else {
      let s = sums;
      if (n == 2) for (; s + 64 <= end; s += 64, v += 32) sums2x16<u16>(s, sumBytes, weights, v, row, count);
      for (; s < end; s += 32, v += 16) {
        sums1x8<u16>(s, weights, v, row, count);
        if (n == 2) sums1x8<u16>(s + sumBytes, weights + scoreBytes, v, row, count);
      }
    }
    sums = end;
  }
}

/** Raw scores of one page of keys, [dimK][16], for all queries; `to` is the page's place in the scores of query 0. */
function scorePage(n: u32, keys: usize, to: usize): void {
  let i: u32 = 0;
  for (; i + 4 <= n; i += 4, to += 4 * scoreBytes) {
    const q0 = queryAt(i).q, q1 = queryAt(i + 1).q, q2 = queryAt(i + 2).q, q3 = queryAt(i + 3).q;
    scores4<f32>(to, keys, q0, q1, q2, q3, dimK);
    scores4<f32>(to + 32, keys + 32, q0, q1, q2, q3, dimK);
  }
  for (; i < n; i++, to += scoreBytes) scores1<f32>(to, keys, queryAt(i).q, dimK);
}

/**
 * Turns the raw scores of a query's chunk into exp(score - max), 0 where no key is visible, times `enlargement`; sets
 * chunkMax, chunkSum. Scores outside the visible range may be anything: they are replaced before they are looked at.
 */
function softmaxChunk(query: Query, base: u32, row: usize, enlargement: f32): void {
  const first = <i32>(query.chunkFirst - base), end = <i32>(query.chunkEnd - base);
  const begin = first & ~3;
  const factor = f32x4.splat(scale), plain = softcap == 0 && !hasSlopes && buckets == 0;
  let top = f32x4.splat(-Infinity);
  for (let i = begin; i < end; i += 4) {
    let s = f32x4.mul(v128.load(row + (<usize>i << 2)), factor);
    if (!plain) s = shaped(s, query, <i32>base + i - query.position);
    if (i < first || i + 4 > end) s = masked(s, i, first, end);
    v128.store(row + (<usize>i << 2), s);
    // pmax, as in softmax.ts: a NaN that it drops comes back from exp.
    top = f32x4.pmax(top, s);
  }
  const largest = max4(top);
  query.chunkMax = largest;
  query.chunkSum = sumLanes(expSums(row + (<usize>begin << 2), row + (<usize>end << 2), largest, enlargement));
}

/** Four scaled scores with what the shape asks for: softcap, slope, bias. distance: from the query to the first key. */
function shaped(s: v128, query: Query, distance: i32): v128 {
  const cap = f32x4.splat(softcap);
  if (softcap != 0) s = f32x4.mul(cap, tanhf32x4(f32x4.div(s, cap)));
  if (hasSlopes) {
    const ahead = i32x4.add(i32x4.splat(distance), i32x4(0, 1, 2, 3));
    s = f32x4.add(s, f32x4.mul(f32x4.splat(query.slope), f32x4.convert_i32x4_s(i32x4.neg(i32x4.abs(ahead)))));
  }
  if (buckets != 0) s = f32x4.add(s, biases(query, distance));
  return s;
}

/** Four scores from place i of the chunk on, -infinity outside [first, end). */
function masked(s: v128, i: i32, first: i32, end: i32): v128 {
  const at = i32x4.add(i32x4.splat(i), i32x4(0, 1, 2, 3));
  const visible = v128.and(i32x4.ge_s(at, i32x4.splat(first)), i32x4.lt_s(at, i32x4.splat(end)));
  return v128.bitselect(s, f32x4.splat(-Infinity), visible);
}

/** Adds the values of the page that starts at position `start`, `place` positions into the chunk. */
function sumPage(n: u32, values: usize, start: u32, place: u32): void {
  for (let i: u32 = 0; i < n;) {
    const query = queryAt(i);
    const from = max<u32>(query.chunkFirst, start);
    const to = min<u32>(query.chunkEnd, start + Kv.pagePositions);
    if (from >= to) {
      i++;
      continue;
    }
    const weights = scores + <usize>i * scoreBytes + (<usize>(place + from - start) << 2);
    let sums = chunkSums + <usize>i * sumBytes, part = values;
    const four = i + 4 <= n && sees(i + 1, start, from, to) && sees(i + 2, start, from, to) && sees(i + 3, start, from, to);
    for (let first: u32 = 0; first < dimV; first += 32, part += 2048) {
      const row = <usize>(widthAt(dimV, first) << 2), end = sums + row;
      let v = part + <usize>(from - start) * row;
      if (four) {
        sums4<f32>(sums, end, sumBytes, weights, v, row, to - from);
      } else if (row == 128) {
        sums1x32<f32>(sums, weights, v, row, to - from);
      } else {
        for (let s = sums; s < end; s += 32, v += 32) sums1x8<f32>(s, weights, v, row, to - from);
      }
      sums = end;
    }
    i += four ? 4 : 1;
  }
}

/** Whether all n queries see exactly [from, to) of the page that starts at `start`. */
function allSee(n: u32, start: u32, from: u32, to: u32): bool {
  for (let i: u32 = 0; i < n; i++) if (!sees(i, start, from, to)) return false;
  return true;
}

/** Whether query i sees exactly [from, to) of the page that starts at `start`. */
function sees(i: u32, start: u32, from: u32, to: u32): bool {
  const query = queryAt(i);
  return max<u32>(query.chunkFirst, start) == from && min<u32>(query.chunkEnd, start + Kv.pagePositions) == to;
}
