// Matrix products of the types that are unpacked first (quants/slab.ts): a piece of a few groups is unpacked in parts of a
// few blocks, and every column tile multiplies a part before the next one takes its place in the cache.

import { packTileBytes } from "../quants/activations";
import { WIDE } from "../lanes";
import { unpackBlocks } from "../quants/index";
import { Slab, narrowSlabs, widenSlab } from "../quants/slab";
import { SlabKind, isGrid, isNarrow, packFormat, slabKind } from "../quants/types";
import { gridRows } from "./grid-rows";
import { slab16, slab5Tiles, slab7, slab7Tiles, slab8 } from "./tiles.generated";

/**
 * Groups of a part, for one column and for more. One column is bound by memory: it takes a group after the other, so that the weights
 * are read as one stream (README.md, "One stream").
 */
const GROUPS1: u32 = 1;
const GROUPS: u32 = 4;
/**
 * Blocks of a part. In all at most Slabs.bytes, which counts the last as Slab.scratch: 5 KB stay in L1, 41 KB in L2. Wide slabs:
 * 33 KB, and one that is to be widened.
 */
const BLOCKS1: u32 = 4;
const BLOCKS: u32 = 8;
const BLOCKS_WIDE: u32 = 4;

export enum Slabs { bytes = 42128 }

/**
 * nGroups R4 groups times nTiles packed tiles of `columns` columns, tileBytes apart. Output of group g and column c of all
 * columns: f32x4 at out + c * outStride + 16 * g. slab: Slabs.bytes of this thread's own.
 */
export function slabTiles(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, y: usize, tileBytes: usize, nTiles: u32, k: u32, columns: u32,
  out: usize, outStride: usize, slab: usize,
): void {
  // one column alone has no use for a slab
  if (nTiles * columns == 1 && isGrid(type)) return gridRows(type, nGroups, w, k, y, out, slab);
  // signed weights come with several columns only (types.ts, isDirect)
  const nBlocks = k >> 8, signed = slabKind(type) == SlabKind.signed8;
  const wide = WIDE && signed, narrow = columns > 1 && isNarrow(type);
  const perPart = columns == 1 ? BLOCKS1 : wide ? BLOCKS_WIDE : BLOCKS, perPass = columns == 1 ? GROUPS1 : GROUPS;
  const slabBytes: usize = (wide ? Slab.wideBytes : Slab.bytes) * perPart;
  const blockBytes: usize = packTileBytes(packFormat(type), columns, 256);
  for (let g: u32 = 0; g < nGroups; g += perPass, w += groupBytes * perPass, out += 16 * perPass) {
    const groups = min(perPass, nGroups - g);
    for (let c: u32 = 0; c < nTiles * columns; c++) memory.fill(out + <usize>c * outStride, 0, groups << 4);
    for (let b: u32 = 0; b < nBlocks; b += perPart) {
      const n = min(perPart, nBlocks - b);
      for (let i: u32 = 0; i < groups; i++) {
        if (wide) unpackWide(type, w + groupBytes * i, k, b, n, slab + slabBytes * i, slab + slabBytes * GROUPS);
        else unpackBlocks(type, w + groupBytes * i, k, b, n, slab + slabBytes * i, true);
        if (narrow) narrowSlabs(slab + slabBytes * i, n);
      }
      let tile = y + blockBytes * b;
      let to = out;
      for (let t: u32 = 0; t < nTiles; t++, tile += tileBytes, to += outStride * columns) {
        if (narrow) slab5Tiles(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else if (!signed && columns > 1) slab7Tiles(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else if (!signed) slab7(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else if (WIDE) slab16(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else slab8(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
      }
    }
  }
}

/** unpackBlocks to wide slabs; narrow: Slab.bytes. */
function unpackWide(type: u32, group: usize, k: u32, first: u32, n: u32, wide: usize, narrow: usize): void {
  for (let b: u32 = 0; b < n; b++, wide += Slab.wideBytes) {
    unpackBlocks(type, group, k, first + b, 1, narrow, true);
    widenSlab(narrow, wide);
  }
}
