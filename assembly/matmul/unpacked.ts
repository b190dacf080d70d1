// Matrix products of what is unpacked first: a part of a few groups is unpacked in cache (parts.ts), and every column tile multiplies it before
// the next one takes its place. The sums are those of the tiles that multiply weights as they lie in memory, in the same order.

import { packTileBytes } from "../quants/activation-forms";
import { Slab } from "../quants/slab";
import { FAST, GgmlType, hasColumn, leastTiles, packFormat } from "../quants/types";
import { UNIT, isSlab, multiplyPart, unitBytes, unpackPart } from "./parts";
import { clear } from "./whole-tiles";

/**
 * Groups of a part: two of the largest tile. One column is bound by memory: it takes a group after the other, so that the weights
 * are read as one stream (bench/RESULTS.md, "One stream").
 */
const GROUPS: u32 = 4, GROUPS1: u32 = 1;
/** A part's units: 2 take 32 KB of F32; 4 take up to 23 KB of slabs, which stay in L1 (8: 2 % slower), or 33 KB of wide ones. */
const F32_UNITS: u32 = 2, SLAB_UNITS: u32 = 4;

/** Room for a part, and for a slab in the making behind it. */
export enum Unpacked { bytes = 34976 }

/** Whether a product with nTiles tiles of `columns` columns goes through unpackedTiles. */
export function isUnpacked(type: u32, columns: u32, nTiles: u32): bool {
  if (columns == 1) return type < FAST && !hasColumn(type);
  return isSlab(type) || (nTiles >= leastTiles(type) && unitBytes(type, columns) != 0);
}

/**
 * nGroups R4 groups of k weights a row times nTiles packed tiles of `columns` columns, tileBytes apart. Output as in
 * matmulTiles. part: Unpacked.bytes of this thread's own.
 */
export function unpackedTiles(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, y: usize, tileBytes: usize, nTiles: u32, k: u32, columns: u32,
  out: usize, outStride: usize, part: usize,
): void {
  const perPass = columns == 1 ? GROUPS1 : GROUPS, perPart = type == GgmlType.F16 ? F32_UNITS : SLAB_UNITS;
  const rowBytes = <usize>unitBytes(type, columns) * perPart, spare = part + Unpacked.bytes - Slab.scratch;
  const nUnits = (k + UNIT - 1) / UNIT, tileUnit: usize = packTileBytes(packFormat(type), columns, UNIT);
  for (let g: u32 = 0; g < nGroups; g += perPass, w += groupBytes * perPass, out += 16 * perPass) {
    const groups = min(perPass, nGroups - g);
    clear(groups, nTiles * columns, out, outStride);
    for (let u: u32 = 0; u < nUnits; u += perPart) {
      const elements = min(perPart * UNIT, k - u * UNIT);
      for (let i: u32 = 0; i < groups; i++) unpackPart(type, columns, w + groupBytes * i, k, u, elements, part + rowBytes * i, spare);
      let tile = y + tileUnit * u, to = out;
      for (let t: u32 = 0; t < nTiles; t++, tile += tileBytes, to += outStride * columns) {
        multiplyPart(type, groups, part, rowBytes, elements, tile, columns, to, outStride);
      }
    }
  }
}
