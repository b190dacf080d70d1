// The plan's matrix instructions: embed, pack, matmul, and their mixture-of-experts forms. Each cuts its work into
// pieces that threads claim; no bit depends on who computes a piece, or on how large the pieces are.

import {
  Batch, EmbedIndex, EmbedWord, ExpertMatmulWord, MatmulWord, PackRowsWord, PackWord, PlainRowsWord, RepackWord, Word,
} from "../abi";
import { Form } from "../quants/activation-forms";
import { packColumn } from "../quants/activations";
import { bundleToRows } from "../quants/plain-rows";
import { batch, claim, nThreads, rowsOf, scratch, word } from "../work";
import { dequantizeRow, matmulTiles, packFormat, packTile, packUnits, repackFast } from "./index";

/**
 * Weights of one decode piece: a stream long enough for the prefetchers (64 KiB: 26 GB/s for two threads, 256 KiB: 30; a token of
 * 1B 36 and 28 ms, of 160M 4.1 and 3.5 ms; 1 MiB is no better).
 */
const DECODE_BYTES: u32 = 262144;
/** Weights of one prefill block: stays in L2 (1 MiB here, 256 KiB on small cores) while every column tile passes. */
const PREFILL_BYTES: u32 = 131072;
/** Units of 256 elements that one piece of a packing covers: about a microsecond. */
const PACK_UNITS: u32 = 8;
/** Groups of the largest tile: pieces are multiples of it, so that only the last piece needs the smaller ones. */
const TILE_GROUPS: u32 = 4;
/** expertMatmul's results (16 bytes a group and column) in the scratch memory; the rest of it is for slabs. */
const RESULT_BYTES: u32 = 65536;
/** Tiles of one expert that share a piece, so that slabs are unpacked once for them (measured with 8: 1.4 to 1.9 times). */
const EXPERT_TILES: u32 = 8;
/** Marks a column of a sorted list (ExpertSortWord) that no row uses. */
const NO_PAIR: u32 = 0xffffffff;

/**
 * Op.embed: dst[r] = row index(r) of an R4 weight. Token -1 takes its row from the batch's inputRows, or is row 0
 * (EmbedIndex.tokenOrZero).
 */
export function embed(ins: usize): void {
  const rows = rowsOf(ins), k = word(ins, Word.width), type = word(ins, EmbedWord.type);
  const index = word(ins, EmbedWord.index), nRows = word(ins, EmbedWord.nRows);
  for (let r = claim(); r < rows; r = claim()) {
    const out = <usize>word(ins, Word.dst) + <usize>r * word(ins, Word.dstStride);
    let row: i32 = 0;
    if (index == EmbedIndex.token || index == EmbedIndex.tokenOrZero) {
      row = load<i32>(load<u32>(batch, Batch.tokens) + (r << 2));
    } else if (index == EmbedIndex.position) {
      row = load<i32>(load<u32>(batch, Batch.positions) + (r << 4));
    }
    if (index == EmbedIndex.tokenOrZero) row = max<i32>(row, 0);
    if (index == EmbedIndex.token && row == -1) {
      memory.copy(out, load<u32>(batch, Batch.inputRows) + r * (k << 2), k << 2);
      continue;
    }
    // the host checks ids; a row beyond the weight would be someone else's memory
    if (<u32>row >= nRows) unreachable();
    const group = <usize>word(ins, EmbedWord.weight) + <usize>(row >> 2) * word(ins, EmbedWord.groupBytes);
    dequantizeRow(type, group, row & 3, k, out, scratch);
  }
}

/**
 * Whether rows become tiles of one column: one always, two and three where rows of weights are kept apart (measured: two products of
 * one column 1.5 to 1.7 times as fast as one of a tile that is half empty). Three such tiles are smaller than one of tileColumns.
 */
function singly(rows: u32, format: u32): bool {
  return rows == 1 || (rows <= 3 && (format & 255) == Form.q8x256Quads);
}

/** Op.pack: rows of a (f32) to activation tiles at dst. */
export function pack(ins: usize): void {
  const rows = rowsOf(ins), k = word(ins, Word.width), format = word(ins, PackWord.format);
  const single = singly(rows, format), columns = single ? 1 : word(ins, PackWord.tileColumns);
  const tileBytes = single ? word(ins, PackWord.tileBytes1) : word(ins, PackWord.tileBytes);
  const x = <usize>word(ins, Word.a), stride = <usize>word(ins, Word.aStride), dst = <usize>word(ins, Word.dst);
  const nTiles = (rows + columns - 1) / columns;
  const units = packUnits(format, k);
  // a piece is PACK_UNITS units of one column, or of one tile of them
  const perPiece = max<u32>(1, PACK_UNITS / columns);
  const cuts = (units + perPiece - 1) / perPiece;
  const pieces = nTiles * cuts;
  for (let p = claim(); p < pieces; p = claim()) {
    const tile = p / cuts, from = p % cuts * perPiece;
    const first = tile * columns;
    packTile(
      format, columns, x + <usize>first * stride, stride, min(columns, rows - first), k, from, min(units, from + perPiece),
      dst + tile * tileBytes,
    );
  }
}

/** Groups in a piece: as many as `bytes` hold, but enough pieces for the threads to end together. */
function groupsPerPiece(nGroups: u32, groupBytes: u32, bytes: u32): u32 {
  const fitting = bytes / groupBytes;
  const balanced = nGroups / (nThreads * 4);
  return max<u32>(1, min(fitting, balanced) / TILE_GROUPS) * TILE_GROUPS;
}

/** Op.matmul: dst[r, m] = sum over k of weight[m, k] * a[r, k], a packed. */
export function matmul(ins: usize): void {
  const rows = rowsOf(ins), k = word(ins, Word.width), type = word(ins, MatmulWord.type);
  const weight = <usize>word(ins, MatmulWord.weight), groupBytes = word(ins, MatmulWord.groupBytes);
  const nGroups = word(ins, MatmulWord.nGroups);
  const single = singly(rows, packFormat(type)), columns = single ? 1 : word(ins, MatmulWord.tileColumns);
  const tileBytes = single ? word(ins, MatmulWord.tileBytes1) : word(ins, MatmulWord.tileBytes);
  const a = <usize>word(ins, Word.a), dst = <usize>word(ins, Word.dst), stride = <usize>word(ins, Word.dstStride);
  const nTiles = (rows + columns - 1) / columns;
  const perPiece = groupsPerPiece(nGroups, groupBytes, rows == 1 ? DECODE_BYTES : PREFILL_BYTES);
  const pieces = (nGroups + perPiece - 1) / perPiece;
  if (nTiles == 0) return;
  for (let p = claim(); p < pieces; p = claim()) {
    const from = p * perPiece;
    const count = min(perPiece, nGroups - from);
    const w = weight + <usize>from * groupBytes;
    matmulTiles(type, count, w, groupBytes, a, tileBytes, nTiles, k, columns, dst + (from << 4), stride, scratch);
  }
}

// A sorted list (Op.expertSort): u32 nTiles, u32 columns; tileExpert[maxTiles]; pair[maxTiles * columns].

/** Op.packRows: packs the rows of a sorted list of (row, slot) pairs, a tile per piece. */
export function packRows(ins: usize): void {
  const k = word(ins, Word.width), format = word(ins, PackRowsWord.format);
  const list = <usize>word(ins, PackRowsWord.list), maxTiles = word(ins, PackRowsWord.maxTiles);
  const nTiles = load<u32>(list), columns = load<u32>(list, 4);
  const tileBytes = columns == 1 ? word(ins, PackRowsWord.tileBytes1) : word(ins, PackRowsWord.tileBytes);
  const x = <usize>word(ins, Word.a), stride = <usize>word(ins, Word.aStride);
  const nUsed = word(ins, PackRowsWord.nUsed), perSlot = word(ins, PackRowsWord.perSlot);
  const pairs = list + 8 + (maxTiles << 2);
  const units = packUnits(format, k);
  for (let tile = claim(); tile < nTiles; tile = claim()) {
    const dst = <usize>word(ins, Word.dst) + <usize>tile * tileBytes;
    for (let c: u32 = 0; c < columns; c++) {
      const pair = load<u32>(pairs + ((tile * columns + c) << 2));
      let row: usize = 0;
      if (pair != NO_PAIR) {
        row = x + <usize>(pair / nUsed) * stride;
        if (perSlot) row += <usize>(pair % nUsed) * (k << 2);
      }
      packColumn(format, columns, c, row, k, 0, units, dst);
    }
  }
}

/** Tiles that `tile` begins a piece for: itself and those of its expert behind it; 0: it is part of another's. */
function tilesTogether(experts: usize, tile: u32, nTiles: u32): u32 {
  const expert = load<u32>(experts + (tile << 2));
  let before: u32 = 0;
  while (before < tile && load<u32>(experts + ((tile - before - 1) << 2)) == expert) before++;
  if (before % EXPERT_TILES != 0) return 0;
  let n: u32 = 1;
  while (n < EXPERT_TILES && tile + n < nTiles && load<u32>(experts + ((tile + n) << 2)) == expert) n++;
  return n;
}

/** Op.expertMatmul: dst[row, slot * M + m] = sum over k of weight[expert][m, k] * packed. */
export function expertMatmul(ins: usize): void {
  const k = word(ins, Word.width), type = word(ins, ExpertMatmulWord.type);
  const weight = <usize>word(ins, ExpertMatmulWord.weight), groupBytes = word(ins, ExpertMatmulWord.groupBytes);
  const expertBytes = <usize>word(ins, ExpertMatmulWord.expertBytes), nGroups = word(ins, ExpertMatmulWord.nGroups);
  const list = <usize>word(ins, ExpertMatmulWord.list), maxTiles = word(ins, ExpertMatmulWord.maxTiles);
  const nTiles = load<u32>(list), columns = load<u32>(list, 4);
  const tileBytes = columns == 1 ? word(ins, ExpertMatmulWord.tileBytes1) : word(ins, ExpertMatmulWord.tileBytes);
  const nUsed = word(ins, ExpertMatmulWord.nUsed), m = (nGroups << 2) - word(ins, ExpertMatmulWord.missing);
  const a = <usize>word(ins, Word.a), dst = <usize>word(ins, Word.dst), stride = <usize>word(ins, Word.dstStride);
  const pairs = list + 8 + (maxTiles << 2);
  const perPiece = min(groupsPerPiece(nGroups, groupBytes, DECODE_BYTES), RESULT_BYTES / (16 * columns * EXPERT_TILES));
  const cuts = (nGroups + perPiece - 1) / perPiece;
  const pieces = nTiles * cuts;
  const outStride = <usize>perPiece << 4;
  // behind the results of the largest piece
  const slabs = scratch + RESULT_BYTES;
  // pieces that follow each other share their rows of weights when their tiles share an expert
  for (let p = claim(); p < pieces; p = claim()) {
    const tile = p % nTiles, from = p / nTiles * perPiece;
    const tiles = tilesTogether(list + 8, tile, nTiles);
    if (tiles == 0) continue;
    const count = min(perPiece, nGroups - from);
    const expert = load<u32>(list + 8 + (tile << 2));
    const w = weight + <usize>expert * expertBytes + <usize>from * groupBytes;
    const y = a + <usize>tile * tileBytes;
    matmulTiles(type, count, w, groupBytes, y, tileBytes, tiles, k, columns, scratch, outStride, slabs);
    for (let c: u32 = 0; c < tiles * columns; c++) {
      const pair = load<u32>(pairs + ((tile * columns + c) << 2));
      if (pair == NO_PAIR) continue;
      const out = dst + <usize>(pair / nUsed) * stride + ((<usize>(pair % nUsed) * m + (from << 2)) << 2);
      // the last group may be short: what lies behind it belongs to the next slot
      memory.copy(out, scratch + <usize>c * outStride, min(count << 2, m - (from << 2)) << 2);
    }
  }
}

/** Bytes of the file that one piece of a repacking covers: a few dozen microseconds. */
const REPACK_BYTES: u32 = 65536;

/** Op.repack: rows of the file at a to R4 groups at dst; the last group may have fewer than four rows. */
export function repack(ins: usize): void {
  const rows = rowsOf(ins), k = word(ins, Word.width), rowBytes = word(ins, Word.aStride);
  const type = word(ins, RepackWord.type), groupBytes = word(ins, RepackWord.groupBytes);
  const src = <usize>word(ins, Word.a), dst = <usize>word(ins, Word.dst);
  const nGroups = (rows + 3) / 4;
  const perPiece = max<u32>(1, REPACK_BYTES / (rowBytes << 2));
  const pieces = (nGroups + perPiece - 1) / perPiece;
  for (let p = claim(); p < pieces; p = claim()) {
    const end = min(nGroups, (p + 1) * perPiece);
    for (let g = p * perPiece; g < end; g++) {
      const from = src + <usize>(g << 2) * rowBytes;
      repackFast(type, from, rowBytes, min(4, rows - (g << 2)), k, dst + <usize>g * groupBytes, scratch);
    }
  }
}

/** Op.plainRows: bundles of interleaved rows at a to plain rows at dst, a bundle per piece. */
export function plainRows(ins: usize): void {
  const bundles = rowsOf(ins), layout = <usize>word(ins, PlainRowsWord.layout), scale = <usize>word(ins, PlainRowsWord.scale);
  for (let b = claim(); b < bundles; b = claim()) {
    const src = <usize>word(ins, Word.a) + <usize>b * word(ins, Word.aStride);
    const dst = <usize>word(ins, Word.dst) + <usize>b * word(ins, Word.dstStride);
    bundleToRows(layout, src, scale, word(ins, Word.width), dst);
  }
}
