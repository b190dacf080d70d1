// Matrix products of the types that are unpacked first (quants/slab.ts): a piece of a few groups is unpacked in parts of a
// few blocks, and every column tile multiplies a part before the next one takes its place in the cache.

import { packTileBytes } from "../quants/activations";
import { BASE, WIDE } from "../lanes";
import { unpackBlocks } from "../quants/index";
import { Slab, widenSlab } from "../quants/slab";
import { SlabKind, isGrid, packFormat, slabKind, slabSteps } from "../quants/types";
import { gridRows } from "./grid-rows";
import { offsetSlab2, offsetSlab4, offsetSlab8, slab16, slab7, slab8 } from "./tiles.generated";

/**
 * Groups of a part, for one column and for more. One column is bound by memory: it takes a group after the other, so that the weights
 * are read as one stream (README.md, "One stream").
 */
const GROUPS1: u32 = 1;
const GROUPS: u32 = 4;
/** Blocks of a part: 20 KB of slabs stay in L1 (8 blocks: 2 % slower); 33 KB of wide ones, and one that is to be widened, in L2. */
const BLOCKS: u32 = 4;

/** Room for a part: of the last slab as Slab.scratch. */
export enum Slabs { bytes = 34976 }

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
  const wide = columns > 1 && (BASE || (WIDE && signed)), steps = slabSteps(type);
  const perPass = columns == 1 ? GROUPS1 : GROUPS;
  const slabBytes: usize = (wide ? Slab.wideBytes : Slab.bytes) * BLOCKS;
  const blockBytes: usize = packTileBytes(packFormat(type), columns, 256);
  for (let g: u32 = 0; g < nGroups; g += perPass, w += groupBytes * perPass, out += 16 * perPass) {
    const groups = min(perPass, nGroups - g);
    for (let c: u32 = 0; c < nTiles * columns; c++) memory.fill(out + <usize>c * outStride, 0, groups << 4);
    for (let b: u32 = 0; b < nBlocks; b += BLOCKS) {
      const n = min(BLOCKS, nBlocks - b);
      for (let i: u32 = 0; i < groups; i++) {
        if (wide) unpackWide(type, w + groupBytes * i, k, b, n, slab + slabBytes * i, slab + slabBytes * GROUPS);
        else unpackBlocks(type, w + groupBytes * i, k, b, n, slab + slabBytes * i, true);
      }
      let tile = y + blockBytes * b;
      let to = out;
      for (let t: u32 = 0; t < nTiles; t++, tile += tileBytes, to += outStride * columns) {
        if (columns == 1) slab7(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else if (wide) slab16(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else if (signed) slab8(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else if (steps == 8) offsetSlab8(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else if (steps == 4) offsetSlab4(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
        else offsetSlab2(groups, slab, slabBytes, n << 8, tile, columns, to, outStride);
      }
    }
  }
}

/** unpackBlocks to wide slabs; narrow: Slab.scratch bytes. */
function unpackWide(type: u32, group: usize, k: u32, first: u32, n: u32, wide: usize, narrow: usize): void {
  const offset: i8 = slabKind(type) == SlabKind.signed8 ? 0 : 64;
  for (let b: u32 = 0; b < n; b++, wide += Slab.wideBytes) {
    unpackBlocks(type, group, k, first + b, 1, narrow, true);
    widenSlab(narrow, offset, wide);
  }
}
