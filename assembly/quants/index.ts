// The tensor types by number: sizes, interleaving four rows into a group, and reading a row back. One file a type, whose functions
// calls.generated.ts calls.

import { loadF16x4 } from "../half";
import { codeValues, dequantize, gridSlab, prepare, repack, unpack, unpackWord } from "./calls.generated";
import { Codes, dequantizeCodes, encodeSlab, unpackCodes } from "./codes";
import { Prepared, slabScales } from "./grid-rows";
import { EIGHTH, Slab, SlabKind, dequantizeSlabs } from "./slab";
import {
  FAST, GgmlType, blockBytes, blockOf, blockWeights, isGrid, isReadFromSlabs, isWords, markBytes, rowMetaBytes, rowSize, sharesScale,
  slabKind,
} from "./types";

export { packTileBytes, packUnits, tileColumns } from "./activation-forms";
export { FAST, packFormat } from "./types";

/** Whether the kernels know the type. */
export function isSupported(type: u32): bool {
  return blockWeights(type) != 0;
}

/** The type as codes (codes.ts), where there are such; else the type. */
export function fastType(type: u32): u32 {
  return codeValues(type) ? FAST + type : type;
}

/** Bytes of an R4 group of four rows of k weights: as many as in the file, and those of its mark. */
export function groupBytes(type: u32, k: u32): u32 {
  if (type >= FAST) return Codes.values + (k >> 8) * Codes.bytes;
  return rowSize(type, k) * 4 + markBytes(type);
}

/**
 * repackGroup for types of fastType: the compact group, at dst, becomes codes. slab: Slab.scratch bytes of the caller's own,
 * aligned to 16.
 */
export function repackFast(
  type: u32, src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize, slab: usize,
): void {
  if (type < FAST) return repackGroup(type, src, rowBytes, nRows, k, dst);
  const values = codeValues(type - FAST);
  const blocks = dst + Codes.values;
  repackGroup(type - FAST, src, rowBytes, nRows, k, blocks);
  // last block first: a block of codes is larger, and covers only compact ones that have been read
  for (let b = k >> 8; b-- > 0; ) {
    unpackBlocks(type - FAST, blocks, k, b, 1, slab, true);
    encodeSlab(slab, values, blocks + Codes.bytes * b);
  }
  v128.store(dst, v128.load(values));
}

/**
 * Interleaves nRows (1..4) rows of k weights in GGUF layout, rowBytes apart, into one R4 group at dst. Missing rows
 * become rows of zeros.
 */
export function repackGroup(type: u32, src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  if (nRows < 4) memory.fill(dst, 0, groupBytes(type, k));
  repack(type, src, rowBytes, nRows, k, dst);
}

/**
 * Blocks [first, first + n) of an R4 group of k weights a row to n slabs: only for types that use them. product: as the
 * source's products see the weights, not as its decoder does; they differ in IQ2_KT, IQ3_KT and IQ6_K. Slab.scratch bytes are
 * used from the last slab on.
 */
export function unpackBlocks(type: u32, group: usize, k: u32, first: u32, n: u32, slab: usize, product: bool): void {
  if (type >= FAST) return unpackCodes(group, first, n, slab);
  const block = blockOf(type, group, first);
  if (isGrid(type)) return unpackGridRows(type, block, n, slab);
  if (isWords(type)) return unpackWords(type, group, block, n, slab, product);
  unpack(type, group, block, first, n, slab);
}

/** unpackBlocks for blocks of grid-rows.ts. */
function unpackGridRows(type: u32, block: usize, n: u32, slab: usize): void {
  const shared: u32 = sharesScale(type) ? 1 : 0;
  for (; n > 0; n--, block += <usize>blockBytes(type) << 2, slab += Slab.bytes) {
    // in the next slab's place, or behind the last
    const p = slab + Slab.bytes;
    prepare(type, block, 1, p);
    slabScales(p, shared, slab);
    gridSlab(type, block, p, slab);
  }
}

/** unpackBlocks for blocks of words.ts. */
function unpackWords(type: u32, group: usize, block: usize, n: u32, slab: usize, product: bool): void {
  const meta = rowMetaBytes(type), bytes = <usize>blockBytes(type) << 2;
  // a row scale may be a NaN: it stays one
  let d = meta == 4 ? v128.load(group) : loadF16x4(group);
  // no column of the table: three types have such factors, each another
  if (product && type == GgmlType.IQ2_KT) d = f32x4.mul(d, f32x4.splat(1.05));
  if (product && type == GgmlType.IQ3_KT) d = f32x4.mul(d, f32x4.splat(1.01));
  if (type == GgmlType.IQ1_M_R4) d = f32x4.mul(d, v128.load_splat<u32>(EIGHTH));
  for (; n > 0; n--, slab += Slab.bytes, block += bytes) {
    v128.store(slab, meta ? d : loadF16x4(block));
    unpackWord(type, block, slab);
  }
}

/**
 * Row `lane` (0..3) of an R4 group as k f32 at out: exactly the values of the format. scratch: Slab.scratch bytes of the
 * caller's own, aligned to 16.
 */
export function dequantizeRow(type: u32, group: usize, lane: u32, k: u32, out: usize, scratch: usize): void {
  if (type >= FAST) return dequantizeCodes(group, lane, k, out);
  if (!isReadFromSlabs(type)) return dequantize(type, group, lane, k, out);
  const offset = slabKind(type) == SlabKind.unsigned7 ? 64 : 0;
  for (let b: u32 = 0; b < k >> 8; b++, out += 1024) {
    unpackBlocks(type, group, k, b, 1, scratch, false);
    dequantizeSlabs(scratch, 1, lane, offset, out);
  }
}
