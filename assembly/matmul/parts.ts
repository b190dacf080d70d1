// What each type is unpacked to, and the products of that (quants/types.txt, slabs): F16 becomes F32; types with large tables the slabs of
// quants/slab.ts, as do Q3_K and Q6_K; Q2_K, Q4_K, Q5_K those of quants/k-slab.ts; Q4_0, Q5_0, Q6_0, MXFP4 and NVFP4 those of
// quants/offset-slab.ts; Q8_0, Q8_KV and IQ4_NL those of quants/signed-slab.ts. A unit is 256 elements of the four rows of a group.

import { BASE, WIDE } from "../lanes/builds";
import { unpack } from "../quants/calls.generated";
import { unpackBlocks } from "../quants/index";
import { Slab, SlabKind, widenSlab } from "../quants/slab";
import { FAST, blockOf, blockWeights, slabBytes, slabKind } from "../quants/types";
import { product } from "./calls.generated";
import { slab16, slab7 } from "./tiles.generated";

export const UNIT: u32 = 256;

/** Whether the type's slabs are those that unpackBlocks makes; with several columns it has no other tiles. */
export function isSlab(type: u32): bool {
  return slabKind(type & (FAST - 1)) != SlabKind.none;
}

/** Whether such a slab becomes a wide one: of signed weights where lanes/builds.ts says so, in base all. */
function isWide(type: u32, columns: u32): bool {
  return columns > 1 && (BASE || (WIDE && slabKind(type) == SlabKind.signed8));
}

/** Bytes of an unpacked unit of the type; 0: the type is not unpacked. */
export function unitBytes(type: u32, columns: u32): u32 {
  return isSlab(type) && isWide(type, columns) ? Slab.wideBytes : slabBytes(type & (FAST - 1));
}

/** Unpacks `elements` weights a row of a group of k, from unit `first` on. spare: Slab.scratch bytes behind the part. */
export function unpackPart(
  type: u32, columns: u32, group: usize, k: u32, first: u32, elements: u32, dst: usize, spare: usize,
): void {
  if (isSlab(type)) {
    if (isWide(type, columns)) return unpackWide(type, group, k, first, elements >> 8, dst, spare);
    return unpackBlocks(type, group, k, first, elements >> 8, dst, true);
  }
  const weights = blockWeights(type), block = first * (UNIT / weights);
  unpack(type, group, blockOf(type, group, block), block, elements / weights, dst);
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
  // of slabs of slab.ts alone: the others have several columns. Signed weights have, too (types.txt, column)
  if (columns == 1) return slab7(groups, part, rowBytes, elements, tile, columns, out, outStride);
  if (isSlab(type) && isWide(type, columns)) return slab16(groups, part, rowBytes, elements, tile, columns, out, outStride);
  product(type & (FAST - 1), groups, part, rowBytes, elements, tile, columns, out, outStride);
}
