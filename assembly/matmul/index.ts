// Matrix products, from the outside: weights in R4 groups, activations in packed tiles, one call a tile.
// matmul/ops.ts drives these from a plan; tests, benchmarks and the loader call them directly.

import { packColumn } from "../quants/activations";
import { exactF16 } from "../quants/f16";
import { FAST, GgmlType, isGrid, markBytes } from "../quants/types";
import { gridRows } from "./grid-rows";
import { Unpacked, clear, isUnpacked, unpackedTiles } from "./unpacked";
import {
  bf16Column, bf16Rows, codes, f16Column, f32Column, f32Rows, iq1_bn, iq1_kt, iq2_bn, iq2_k, iq2_kl, iq2_ks, iq2_kt, iq3_k,
  iq3_ks, iq3_kt, iq4_k, iq4_ks, iq4_kss, iq4_kt, iq4_nl, iq4_xs, iq5_k, iq5_ks, iq6_k, mxfp4, nvfp4, q1_0, q2_0, q2_K, q3_K,
  q4_0, q4_1, q4_K, q5_0, q5_1, q5_K, q6_0, q6_K, q8_0, q8_0Tiles, q8_KV, tq1_0, tq2_0, tq2_0Column,
} from "./tiles.generated";

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
  switch (type) {
    case GgmlType.F32: {
      if (columns == 1) return f32Column(nGroups, w, groupBytes, k, y, columns, out, outStride);
      clear(nGroups, columns, out, outStride);
      return f32Rows(nGroups, w, groupBytes, k, y, columns, out, outStride);
    }
    case GgmlType.F16: {
      f16Column(nGroups, w, groupBytes, k, y, columns, out, outStride);
      return exactF16(nGroups, w, groupBytes, k, y, out);
    }
    case GgmlType.BF16:
      if (columns == 1) return bf16Column(nGroups, w, groupBytes, k, y, columns, out, outStride);
      return bf16Rows(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q4_0: return q4_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q4_1: return q4_1(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q5_0: return q5_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q5_1: return q5_1(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q8_0: {
      if (columns == 1) return q8_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
      clear(nGroups, columns, out, outStride);
      return q8_0Tiles(nGroups, w + markBytes(type), groupBytes, k, y, columns, out, outStride);
    }
    case GgmlType.Q2_K: return q2_K(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q3_K: return q3_K(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q4_K: return q4_K(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q5_K: return q5_K(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q6_K: return q6_K(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ4_NL: return iq4_nl(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ4_XS: return iq4_xs(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ2_K: return iq2_k(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ2_KS: return iq2_ks(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ2_KL: return iq2_kl(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ3_K: return iq3_k(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ3_KS: return iq3_ks(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ1_KT: return iq1_kt(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ4_KT: return iq4_kt(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ2_KT: return iq2_kt(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ3_KT: return iq3_kt(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ4_K: return iq4_k(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ4_KS: return iq4_ks(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ4_KSS: return iq4_kss(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ5_K: return iq5_k(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ5_KS: return iq5_ks(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ6_K: return iq6_k(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q6_0: return q6_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ1_BN: return iq1_bn(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.IQ2_BN: return iq2_bn(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q8_KV: return q8_KV(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.MXFP4: return mxfp4(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.NVFP4: return nvfp4(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q1_0: return q1_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.Q2_0: return q2_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.TQ1_0: return tq1_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
    case GgmlType.TQ2_0:
      if (columns == 1) return tq2_0Column(nGroups, w, groupBytes, k, y, columns, out, outStride);
      return tq2_0(nGroups, w, groupBytes, k, y, columns, out, outStride);
    default: unreachable();
  }
}
