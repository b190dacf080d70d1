// What each type is unpacked to, and the products of that: F16 becomes F32; types with large tables the slabs of quants/slab.ts, as do Q3_K and
// Q6_K; Q2_K, Q4_K, Q5_K those of quants/k-slab.ts; Q4_0, Q5_0, Q6_0, MXFP4 and NVFP4 those of quants/offset-slab.ts; Q8_0, Q8_KV and IQ4_NL
// those of quants/signed-slab.ts. A unit is 256 elements of the four rows of a group.

import { BASE, WIDE } from "../lanes";
import { widenF16 } from "../quants/f16";
import { unpackBlocks } from "../quants/index";
import { KSlab, Q2Slab } from "../quants/k-slab";
import { unpackIQ4_NL } from "../quants/iq4_nl";
import { unpackMXFP4 } from "../quants/mxfp4";
import { unpackNVFP4 } from "../quants/nvfp4";
import { HalfSlab, OffsetSlab } from "../quants/offset-slab";
import { unpackQ2_K } from "../quants/q2_k";
import { unpackQ3_K } from "../quants/q3_k";
import { unpackQ4_0 } from "../quants/q4_0";
import { unpackQ4_K } from "../quants/q4_k";
import { unpackQ5_0 } from "../quants/q5_0";
import { unpackQ5_K } from "../quants/q5_k";
import { unpackQ6_0 } from "../quants/q6_0";
import { unpackQ6_K } from "../quants/q6_k";
import { unpackQ8_0 } from "../quants/q8_0";
import { unpackQ8_KV } from "../quants/q8_kv";
import { Slab, widenSlab } from "../quants/slab";
import { FAST, GgmlType, SlabKind, blockBytes, blockWeights, markBytes, slabKind, slabSteps } from "../quants/types";
import {
  f32Rows, halvesSlab, offsetSlab2, offsetSlab4, offsetSlab8, signed32Slab, signedSlab, slab16, slab7, slabMXFP4, slabQ2_K, slabQ4_0, slabQ4_K,
  slabQ5_0, slabQ5_K, slabQ6_0,
} from "./tiles.generated";

export const UNIT: u32 = 256;
/** Bytes of a unit of an F32 group. */
const F32_UNIT: u32 = UNIT * 16;

/** Whether the type's slabs are those that unpackBlocks makes; with several columns it has no other tiles. */
export function isSlab(type: u32): bool {
  return slabKind(type & (FAST - 1)) != SlabKind.none;
}

/** Whether such a slab becomes a wide one: of signed weights where lanes.ts says so, in base all. */
function isWide(type: u32, columns: u32): bool {
  return columns > 1 && (BASE || (WIDE && slabKind(type) == SlabKind.signed8));
}

/** Bytes of an unpacked unit of the type; 0: the type is not unpacked. */
export function unitBytes(type: u32, columns: u32): u32 {
  if (isSlab(type)) return isWide(type, columns) ? Slab.wideBytes : Slab.bytes;
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
    case GgmlType.MXFP4:
    case GgmlType.Q8_0:
    case GgmlType.Q8_KV:
    case GgmlType.IQ4_NL: return OffsetSlab.bytes * (UNIT / 32);
    case GgmlType.NVFP4: return HalfSlab.bytes * (UNIT / 16);
    default: return 0;
  }
}

/** Unpacks `elements` weights a row of a group of k, from unit `first` on. spare: Slab.scratch bytes behind the part. */
export function unpackPart(
  type: u32, columns: u32, group: usize, k: u32, first: u32, elements: u32, dst: usize, spare: usize,
): void {
  if (isSlab(type)) {
    if (isWide(type, columns)) return unpackWide(type, group, k, first, elements >> 8, dst, spare);
    return unpackBlocks(type, group, k, first, elements >> 8, dst, true);
  }
  if (type == GgmlType.F16) return widenF16(group, first * UNIT, elements, dst);
  if (type == GgmlType.Q8_KV) return unpackQ8_KV(group, first * (UNIT / 32), elements >> 5, dst);
  const weights = blockWeights(type), n = elements / weights;
  const block = group + markBytes(type) + <usize>first * (UNIT / weights) * (blockBytes(type) << 2);
  switch (type) {
    case GgmlType.MXFP4: return unpackMXFP4(block, n, dst);
    case GgmlType.NVFP4: return unpackNVFP4(block, n, dst);
    case GgmlType.IQ4_NL: return unpackIQ4_NL(block, n, dst);
    case GgmlType.Q8_0: return unpackQ8_0(block, n, dst);
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

/** unpackBlocks to wide slabs; narrow: Slab.scratch bytes. */
function unpackWide(type: u32, group: usize, k: u32, first: u32, n: u32, wide: usize, narrow: usize): void {
  const offset: i8 = slabKind(type) == SlabKind.signed8 ? 0 : 64;
  for (let b: u32 = 0; b < n; b++, wide += Slab.wideBytes) {
    unpackBlocks(type, group, k, first + b, 1, narrow, true);
    widenSlab(narrow, offset, wide);
  }
}

/** Adds the products of a part with one tile to what `out` holds. */
export function multiplyPart(
  type: u32, groups: u32, part: usize, rowBytes: usize, elements: u32, tile: usize, columns: u32, out: usize, outStride: usize,
): void {
  if (isSlab(type)) return multiplySlabs(type, groups, part, rowBytes, elements, tile, columns, out, outStride);
  switch (type) {
    case GgmlType.F16: return f32Rows(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.NVFP4: return halvesSlab(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.IQ4_NL:
    case GgmlType.Q8_0:
    case GgmlType.Q8_KV: return signed32Slab(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.MXFP4: return slabMXFP4(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q4_0: return slabQ4_0(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q5_0: return slabQ5_0(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q6_0: return slabQ6_0(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q2_K: return slabQ2_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q3_K:
    case GgmlType.Q6_K: return offsetSlab4(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q4_K: return slabQ4_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case GgmlType.Q5_K: return slabQ5_K(groups, part, rowBytes, elements, tile, columns, out, outStride);
    default: unreachable();
  }
}

/** The same for slabs. Signed weights come with several columns only (types.ts, isDirect). */
function multiplySlabs(
  type: u32, groups: u32, part: usize, rowBytes: usize, elements: u32, tile: usize, columns: u32, out: usize, outStride: usize,
): void {
  if (columns == 1) return slab7(groups, part, rowBytes, elements, tile, columns, out, outStride);
  if (isWide(type, columns)) return slab16(groups, part, rowBytes, elements, tile, columns, out, outStride);
  if (slabKind(type) == SlabKind.signed8) return signedSlab(groups, part, rowBytes, elements, tile, columns, out, outStride);
  switch (slabSteps(type)) {
    case 8: return offsetSlab8(groups, part, rowBytes, elements, tile, columns, out, outStride);
    case 4: return offsetSlab4(groups, part, rowBytes, elements, tile, columns, out, outStride);
    default: return offsetSlab2(groups, part, rowBytes, elements, tile, columns, out, outStride);
  }
}
