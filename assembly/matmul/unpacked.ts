// Matrix products with many columns of types that one column multiplies as they lie in memory: a part of a few groups is unpacked
// in cache, and every column tile multiplies it before the next one takes its place. The sums are the same, in the same order.
// F16 becomes F32; Q2_K to Q6_K become the slabs of quants/k-slab.ts; Q4_0, Q5_0, Q6_0 and MXFP4 those of quants/offset-slab.ts.

import { packTileBytes } from "../quants/activations";
import { widenF16 } from "../quants/f16";
import { KSlab, Q2Slab } from "../quants/k-slab";
import { unpackMXFP4 } from "../quants/mxfp4";
import { OffsetSlab } from "../quants/offset-slab";
import { unpackQ2_K } from "../quants/q2_k";
import { unpackQ3_K } from "../quants/q3_k";
import { unpackQ4_0 } from "../quants/q4_0";
import { unpackQ4_K } from "../quants/q4_k";
import { unpackQ5_0 } from "../quants/q5_0";
import { unpackQ5_K } from "../quants/q5_k";
import { unpackQ6_0 } from "../quants/q6_0";
import { unpackQ6_K } from "../quants/q6_k";
import { Slab } from "../quants/slab";
import { GgmlType, blockBytes, blockWeights, markBytes, packFormat } from "../quants/types";
import {
  f32Rows, slabMXFP4, slabQ2_K, slabQ3_K, slabQ4_0, slabQ4_K, slabQ5_0, slabQ5_K, slabQ6_0, slabQ6_K,
} from "./tiles.generated";

/** Groups of a part: two of the largest tile. */
const GROUPS: u32 = 4;
/** Elements of a unit. */
const UNIT: u32 = 256;
/** Bytes of a unit of an F32 group. */
const F32_UNIT: u32 = UNIT * 16;
/** A part's units: 2 take 32 KB of F32, 4 take up to 25 KB of slabs. Half of it is in use by a tile of two groups. */
const F32_UNITS: u32 = 2, SLAB_UNITS: u32 = 4;

export enum Unpacked { bytes = 32768 }

/** Bytes of an unpacked unit of the type; 0: the type is not unpacked for many columns. */
function unitBytes(type: u32): u32 {
  switch (type) {
    case GgmlType.F16: return F32_UNIT;
    case GgmlType.Q2_K: return Q2Slab.bytes;
    case GgmlType.Q4_K:
    case GgmlType.Q5_K: return KSlab.bytes;
    case GgmlType.Q3_K:
    case GgmlType.Q6_K: return Slab.bytes;
    case GgmlType.Q4_0:
    case GgmlType.Q5_0:
    case GgmlType.Q6_0:
    case GgmlType.MXFP4: return OffsetSlab.bytes * (UNIT / 32);
    default: return 0;
  }
}

/** Whether a product with several tiles of several columns should go through unpackedTiles. */
export function unpacksForTiles(type: u32): bool {
  return unitBytes(type) != 0;
}

/**
 * nGroups R4 groups of k weights a row times nTiles packed tiles of `columns` columns, tileBytes apart. Output as in
 * matmulTiles. part: Unpacked.bytes of this thread's own.
 */
export function unpackedTiles(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, y: usize, tileBytes: usize, nTiles: u32, k: u32, columns: u32,
  out: usize, outStride: usize, part: usize,
): void {
  const bytes: usize = unitBytes(type), perPart = bytes == F32_UNIT ? F32_UNITS : SLAB_UNITS;
  const rowBytes = bytes * perPart, nUnits = (k + UNIT - 1) / UNIT;
  const tileUnit: usize = packTileBytes(packFormat(type), columns, UNIT);
  for (let g: u32 = 0; g < nGroups; g += GROUPS, w += groupBytes * GROUPS, out += 16 * GROUPS) {
    const groups = min(GROUPS, nGroups - g);
    for (let c: u32 = 0; c < nTiles * columns; c++) memory.fill(out + <usize>c * outStride, 0, groups << 4);
    for (let u: u32 = 0; u < nUnits; u += perPart) {
      const elements = min(perPart * UNIT, k - u * UNIT);
      for (let i: u32 = 0; i < groups; i++) unpackUnits(type, w + groupBytes * i, u, elements, part + rowBytes * i);
      let tile = y + tileUnit * u, to = out;
      for (let t: u32 = 0; t < nTiles; t++, tile += tileBytes, to += outStride * columns) {
        multiplyPart(type, groups, part, rowBytes, elements, tile, columns, to, outStride);
      }
    }
  }
}

/** `elements` weights a row of a group, from unit `first` on. */
function unpackUnits(type: u32, group: usize, first: u32, elements: u32, dst: usize): void {
  if (type == GgmlType.F16) return widenF16(group, first * UNIT, elements, dst);
  const weights = blockWeights(type), n = elements / weights;
  const block = group + markBytes(type) + <usize>first * (UNIT / weights) * (blockBytes(type) << 2);
  switch (type) {
    case GgmlType.MXFP4: return unpackMXFP4(block, n, dst);
    case GgmlType.Q4_0: return unpackQ4_0(block, n, dst);
    case GgmlType.Q5_0: return unpackQ5_0(block, n, dst);
    case GgmlType.Q6_0: return unpackQ6_0(block, n, dst);
    case GgmlType.Q2_K: return unpackQ2_K(block, n, dst);
    case GgmlType.Q3_K: return unpackQ3_K(block, n, dst);
    case GgmlType.Q4_K: return unpackQ4_K(block, n, dst);
    case GgmlType.Q5_K: return unpackQ5_K(block, n, dst);
    case GgmlType.Q6_K: return unpackQ6_K(block, n, dst);
    default: unreachable();
  }
}

/** Adds the products of a part with one tile to what `out` holds. */
function multiplyPart(
  type: u32, groups: u32, part: usize, rowBytes: usize, elements: u32, tile: usize, columns: u32, out: usize, outStride: usize,
): void {
  switch (type) {
    case GgmlType.F16: return f32Rows(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.MXFP4: return slabMXFP4(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q4_0: return slabQ4_0(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q5_0: return slabQ5_0(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q6_0: return slabQ6_0(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q2_K: return slabQ2_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q3_K: return slabQ3_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q4_K: return slabQ4_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q5_K: return slabQ5_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q6_K: return slabQ6_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    default: unreachable();
  }
}
