// Matrix products, from the outside: weights in R4 groups, activations in packed tiles, one call a tile.
// matmul/ops.ts drives these from a plan; tests, benchmarks and the loader call them directly.

import { packColumn } from "../quants/activations";
import { FAST, isGrid } from "../quants/types";
import { column, tiles } from "./calls.generated";
import { gridRows } from "./grid-rows";
import { codes } from "./tiles.generated";
import { Unpacked, isUnpacked, unpackedTiles } from "./unpacked";

export {
  dequantizeRow, fastType, groupBytes, isSupported, packFormat, packTileBytes, packUnits, repackFast, repackGroup, tileColumns,
} from "../quants/index";

/**
 * Packs units [fromUnit, toUnit) of a tile of `columns` columns (1 or tileColumns): rows of x, k f32, xStride bytes
 * apart. nColumns <= columns are given; the others become zero.
 */
export function packTile(
  format: u32, columns: u32, x: usize, xStride: usize, nColumns: u32, k: u32, fromUnit: u32, toUnit: u32, dst: usize,
): void {
  for (let c: u32 = 0; c < columns; c++) {
    packColumn(format, columns, c, c < nColumns ? x + <usize>c * xStride : 0, k, fromUnit, toUnit, dst);
  }
}

/** Bytes of scratch memory that matmulTiles and dequantizeRow want. */
export function scratchBytes(): u32 {
  return Unpacked.bytes;
}

/**
 * nGroups R4 groups times nTiles packed tiles of `columns` columns, tileBytes apart. Output of group g and column c of all
 * tiles': f32x4 at out + c * outStride + 16 * g. scratch: scratchBytes() of the caller's own, aligned to 16.
 */
export function matmulTiles(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, y: usize, tileBytes: usize, nTiles: u32, k: u32, columns: u32,
  out: usize, outStride: usize, scratch: usize,
): void {
  // one column alone has no use for a slab
  if (nTiles * columns == 1 && isGrid(type)) return gridRows(type, nGroups, w, k, y, out, scratch);
  if (isUnpacked(type, columns, nTiles)) {
    return unpackedTiles(type, nGroups, w, groupBytes, y, tileBytes, nTiles, k, columns, out, outStride, scratch);
  }
  for (let t: u32 = 0; t < nTiles; t++, y += tileBytes, out += outStride * columns) {
    directTile(type, nGroups, w, groupBytes, y, k, columns, out, outStride);
  }
}

/**
 * nGroups consecutive R4 groups times one packed tile of `columns` columns (1 or tileColumns). Output of group g and
 * column c: f32x4 at out + c * outStride + 16 * g. Padding columns are written too.
 * scratch: as in matmulTiles.
 */
export function matmulTile(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, y: usize, k: u32, columns: u32, out: usize, outStride: usize,
  scratch: usize,
): void {
  matmulTiles(type, nGroups, w, groupBytes, y, 0, 1, k, columns, out, outStride, scratch);
}

/** The same for weights that are multiplied as they lie in memory. */
function directTile(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, y: usize, k: u32, columns: u32, out: usize, outStride: usize,
): void {
  if (type >= FAST) return codes(nGroups, w, groupBytes, k, y, columns, out, outStride);
  if (columns == 1) return column(type, nGroups, w, groupBytes, k, y, columns, out, outStride);
  tiles(type, nGroups, w, groupBytes, k, y, columns, out, outStride);
}
