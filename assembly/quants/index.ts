// The tensor types by number: sizes, interleaving four rows into a group, and reading a row back. One file a type.

import { loadF16x4 } from "../half";
import {
  octetSlab_IQ2S, octetSlab_IQ2XS, octetSlab_IQ2XXS, quadSlab_IQ3S, quadSlab_IQ3XXS, ternarySlab32_IQ1S, ternarySlab8_IQ1S,
} from "../matmul/tiles.generated";
import { dequantizeBF16 } from "./bf16";
import { Codes, codeValues, dequantizeCodes, encodeSlab, unpackCodes } from "./codes";
import { dequantizeF16, repackF16 } from "./f16";
import { dequantizeF32 } from "./f32";
import { Prepared, slabScales } from "./grid-rows";
import { interleave32, interleavePairs16 } from "./interleave";
import { prepareIQ1_M, repackIQ1_M } from "./iq1_m";
import { unpackIQ1_M_R4 } from "./iq1_m_r4";
import { prepareIQ1_S, repackIQ1_S } from "./iq1_s";
import { IQ2_S_SIGNS, prepareIQ2_S, repackIQ2_S } from "./iq2_s";
import { IQ2_XS_SIGNS, prepareIQ2_XS, repackIQ2_XS } from "./iq2_xs";
import { IQ2_XXS_SIGNS, prepareIQ2_XXS, repackIQ2_XXS } from "./iq2_xxs";
import { IQ3_S_SIGNS, prepareIQ3_S, repackIQ3_S } from "./iq3_s";
import { IQ3_XXS_SIGNS, prepareIQ3_XXS, repackIQ3_XXS } from "./iq3_xxs";
import { repackIQ2_K, repackIQ2_KS, unpackIQ2_K, unpackIQ2_KS } from "./iq2_k";
import { repackIQ2_KL, unpackIQ2_KL } from "./iq2_kl";
import { repackIQ3_K, repackIQ3_KS, unpackIQ3_K, unpackIQ3_KS } from "./iq3_k";
import { repackIQ4_K, unpackIQ4_K, unpackIQ4_KS, unpackIQ4_KSS } from "./iq4_k";
import { repackIQ5_K, repackIQ5_KS, unpackIQ5_K, unpackIQ5_KS } from "./iq5_k";
import { dequantizeIQ6_K, repackIQ6_K, unpackIQ6_K } from "./iq6_k";
import { unpackIQ1_KT, unpackIQ2_KT, unpackIQ3_KT, unpackIQ4_KT } from "./kt";
import { dequantizeIQ4_NL } from "./iq4_nl";
import { repackIQ4_XS, unpackIQ4_XS } from "./iq4_xs";
import { dequantizeQ2_K, repackQ2_K } from "./q2_k";
import { dequantizeQ3_K, repackQ3_K } from "./q3_k";
import { dequantizeQ4_0, repackQ4_0 } from "./q4_0";
import { dequantizeQ4_1, repackQ4_1 } from "./q4_1";
import { dequantizeQ4_K, repackQ4_K } from "./q4_k";
import { dequantizeQ5_0, repackQ5_0 } from "./q5_0";
import { dequantizeQ5_1, repackQ5_1 } from "./q5_1";
import { dequantizeQ5_K, repackQ5_K } from "./q5_k";
import { dequantizeQ6_K, repackQ6_K } from "./q6_k";
import { dequantizeQ8_0, repackQ8_0 } from "./q8_0";
import { dequantizeMXFP4, repackMXFP4 } from "./mxfp4";
import { dequantizeNVFP4, repackNVFP4 } from "./nvfp4";
import { dequantizeQ1_0, repackQ1_0 } from "./q1_0";
import { dequantizeQ2_0, repackQ2_0 } from "./q2_0";
import { dequantizeTQ1_0, repackTQ1_0 } from "./tq1_0";
import { dequantizeTQ2_0, repackTQ2_0 } from "./tq2_0";
import { dequantizeQ6_0, repackQ6_0 } from "./q6_0";
import { dequantizeIQ1_BN, repackIQ1_BN } from "./iq1_bn";
import { dequantizeIQ2_BN, repackIQ2_BN } from "./iq2_bn";
import { dequantizeQ8_KV, repackQ8_KV } from "./q8_kv";
import { repackWords } from "./words";
import { EIGHTH, Slab, dequantizeSlabs } from "./slab";
import { FAST, GgmlType, SlabKind, blockBytes, blockWeights, markBytes, rowMetaBytes, rowSize, slabKind } from "./types";

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

/** Bytes of an R4 group of four rows of k weights. */
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
  switch (type) {
    case GgmlType.F32: return interleave32(src, rowBytes, nRows, k, dst);
    case GgmlType.F16: return repackF16(src, rowBytes, nRows, k, dst);
    case GgmlType.BF16: return interleavePairs16(src, rowBytes, nRows, k, dst);
    case GgmlType.Q4_0:
    case GgmlType.IQ4_NL: return repackQ4_0(src, rowBytes, nRows, k, dst);
    case GgmlType.Q4_1: return repackQ4_1(src, rowBytes, nRows, k, dst);
    case GgmlType.Q5_0: return repackQ5_0(src, rowBytes, nRows, k, dst);
    case GgmlType.Q5_1: return repackQ5_1(src, rowBytes, nRows, k, dst);
    case GgmlType.Q8_0: return repackQ8_0(src, rowBytes, nRows, k, dst);
    case GgmlType.Q2_K: return repackQ2_K(src, rowBytes, nRows, k, dst);
    case GgmlType.Q3_K: return repackQ3_K(src, rowBytes, nRows, k, dst);
    case GgmlType.Q4_K: return repackQ4_K(src, rowBytes, nRows, k, dst);
    case GgmlType.Q5_K: return repackQ5_K(src, rowBytes, nRows, k, dst);
    case GgmlType.Q6_K: return repackQ6_K(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ4_XS: return repackIQ4_XS(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ2_XXS: return repackIQ2_XXS(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ2_XS: return repackIQ2_XS(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ3_XXS: return repackIQ3_XXS(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ1_S: return repackIQ1_S(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ3_S: return repackIQ3_S(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ2_S: return repackIQ2_S(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ1_M: return repackIQ1_M(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ2_K: return repackIQ2_K(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ2_KS: return repackIQ2_KS(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ2_KL: return repackIQ2_KL(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ3_K: return repackIQ3_K(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ3_KS: return repackIQ3_KS(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ4_K: return repackIQ4_K(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ5_K: return repackIQ5_K(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ5_KS: return repackIQ5_KS(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ6_K: return repackIQ6_K(src, rowBytes, nRows, k >> 8, dst);
    case GgmlType.IQ4_KS:
    case GgmlType.IQ4_KSS:
    case GgmlType.IQ2_KT:
    case GgmlType.IQ3_KT:
    case GgmlType.IQ4_KT:
    case GgmlType.IQ1_KT:
    case GgmlType.IQ1_M_R4:
      return repackWords(src, rowBytes, nRows, k >> 8, rowMetaBytes(type), blockBytes(type), dst);
    case GgmlType.Q6_0: return repackQ6_0(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ1_BN: return repackIQ1_BN(src, rowBytes, nRows, k, dst);
    case GgmlType.IQ2_BN: return repackIQ2_BN(src, rowBytes, nRows, k, dst);
    case GgmlType.Q8_KV: return repackQ8_KV(src, rowBytes, nRows, k, dst);
    case GgmlType.MXFP4: return repackMXFP4(src, rowBytes, nRows, k, dst);
    case GgmlType.NVFP4: return repackNVFP4(src, rowBytes, nRows, k, dst);
    case GgmlType.Q1_0: return repackQ1_0(src, rowBytes, nRows, k, dst);
    case GgmlType.Q2_0: return repackQ2_0(src, rowBytes, nRows, k, dst);
    case GgmlType.TQ1_0: return repackTQ1_0(src, rowBytes, nRows, k, dst);
    case GgmlType.TQ2_0: return repackTQ2_0(src, rowBytes, nRows, k, dst);
    default: unreachable();
  }
}

/**
 * Blocks [first, first + n) of an R4 group of k weights a row to n slabs: only for types that use them. product: as the
 * source's products see the weights, not as its decoder does; they differ in IQ2_KT, IQ3_KT and IQ6_K. Slab.scratch bytes are
 * used from the last slab on.
 */
export function unpackBlocks(type: u32, group: usize, k: u32, first: u32, n: u32, slab: usize, product: bool): void {
  if (type >= FAST) return unpackCodes(group, first, n, slab);
  const block = group + <usize>first * (blockBytes(type) << 2);
  switch (type) {
    case GgmlType.IQ2_XXS:
    case GgmlType.IQ2_XS:
    case GgmlType.IQ3_XXS:
    case GgmlType.IQ1_S:
    case GgmlType.IQ3_S:
    case GgmlType.IQ2_S:
    case GgmlType.IQ1_M: return unpackGridRows(type, block, n, slab);
    case GgmlType.IQ4_XS: return unpackIQ4_XS(block, n, slab);
    default: return unpackWords(type, group, block, n, slab, product);
  }
}

/** unpackBlocks for blocks of grid-rows.ts. */
function unpackGridRows(type: u32, block: usize, n: u32, slab: usize): void {
  for (; n > 0; n--, block += <usize>blockBytes(type) << 2, slab += Slab.bytes) {
    // in the next slab's place, or behind the last
    const p = slab + Slab.bytes;
    prepareBlocks(type, block, 1, p);
    slabScales(p, sharesScale(type) ? 1 : 0, slab);
    switch (type) {
      case GgmlType.IQ2_XXS: octetSlab_IQ2XXS(p, block + IQ2_XXS_SIGNS, slab); break;
      case GgmlType.IQ2_XS: octetSlab_IQ2XS(p, block + IQ2_XS_SIGNS, slab); break;
      case GgmlType.IQ2_S: octetSlab_IQ2S(p, block + IQ2_S_SIGNS, slab); break;
      case GgmlType.IQ3_XXS: quadSlab_IQ3XXS(p, block + IQ3_XXS_SIGNS, slab); break;
      case GgmlType.IQ3_S: quadSlab_IQ3S(p, block + IQ3_S_SIGNS, slab); break;
      case GgmlType.IQ1_S: ternarySlab32_IQ1S(p, p + Prepared.deltas + 32, slab); break;
      default: ternarySlab8_IQ1S(p, p + Prepared.deltas, slab);
    }
  }
}

/** Whether 32 weights of a grid type share a scale, not 16. */
function sharesScale(type: u32): bool {
  return type == GgmlType.IQ2_XXS || type == GgmlType.IQ3_XXS || type == GgmlType.IQ3_S || type == GgmlType.IQ1_S;
}

/** n blocks of grid-rows.ts at `block`, prepared, to p. */
export function prepareBlocks(type: u32, block: usize, n: u32, p: usize): void {
  switch (type) {
    case GgmlType.IQ2_XXS: return prepareIQ2_XXS(block, n, p);
    case GgmlType.IQ2_XS: return prepareIQ2_XS(block, n, p);
    case GgmlType.IQ3_XXS: return prepareIQ3_XXS(block, n, p);
    case GgmlType.IQ1_S: return prepareIQ1_S(block, n, p);
    case GgmlType.IQ3_S: return prepareIQ3_S(block, n, p);
    case GgmlType.IQ2_S: return prepareIQ2_S(block, n, p);
    case GgmlType.IQ1_M: return prepareIQ1_M(block, n, p);
    default: unreachable();
  }
}

/** unpackBlocks for blocks of words.ts. */
function unpackWords(type: u32, group: usize, block: usize, n: u32, slab: usize, product: bool): void {
  const meta = rowMetaBytes(type), bytes = <usize>blockBytes(type) << 2;
  // a row scale may be a NaN: it stays one
  let d = meta == 4 ? v128.load(group) : loadF16x4(group);
  if (product && type == GgmlType.IQ2_KT) d = f32x4.mul(d, f32x4.splat(1.05));
  if (product && type == GgmlType.IQ3_KT) d = f32x4.mul(d, f32x4.splat(1.01));
  if (type == GgmlType.IQ1_M_R4) d = f32x4.mul(d, v128.load_splat<u32>(EIGHTH));
  block += meta << 2;
  for (; n > 0; n--, slab += Slab.bytes, block += bytes) {
    v128.store(slab, meta ? d : loadF16x4(block));
    unpackWordBlock(type, block, slab);
  }
}

function unpackWordBlock(type: u32, block: usize, slab: usize): void {
  switch (type) {
    case GgmlType.IQ2_K: return unpackIQ2_K(block, slab);
    case GgmlType.IQ3_K: return unpackIQ3_K(block, slab);
    case GgmlType.IQ4_K: return unpackIQ4_K(block, slab);
    case GgmlType.IQ5_K: return unpackIQ5_K(block, slab);
    case GgmlType.IQ6_K: return unpackIQ6_K(block, slab);
    case GgmlType.IQ4_KS: return unpackIQ4_KS(block, slab);
    case GgmlType.IQ2_KS: return unpackIQ2_KS(block, slab);
    case GgmlType.IQ4_KSS: return unpackIQ4_KSS(block, slab);
    case GgmlType.IQ5_KS: return unpackIQ5_KS(block, slab);
    case GgmlType.IQ2_KT: return unpackIQ2_KT(block, slab);
    case GgmlType.IQ3_KT: return unpackIQ3_KT(block, slab);
    case GgmlType.IQ4_KT: return unpackIQ4_KT(block, slab);
    case GgmlType.IQ3_KS: return unpackIQ3_KS(block, slab);
    case GgmlType.IQ2_KL: return unpackIQ2_KL(block, slab);
    case GgmlType.IQ1_KT: return unpackIQ1_KT(block, slab);
    case GgmlType.IQ1_M_R4: return unpackIQ1_M_R4(block, slab);
    default: unreachable();
  }
}

/**
 * Row `lane` (0..3) of an R4 group as k f32 at out: exactly the values of the format. scratch: Slab.scratch bytes of the
 * caller's own, aligned to 16.
 */
export function dequantizeRow(type: u32, group: usize, lane: u32, k: u32, out: usize, scratch: usize): void {
  if (type >= FAST) return dequantizeCodes(group, lane, k, out);
  const kind = slabKind(type);
  if (kind != SlabKind.none) {
    for (let b: u32 = 0; b < k >> 8; b++, out += 1024) {
      if (type == GgmlType.IQ6_K) {
        dequantizeIQ6_K(group + (<usize>blockBytes(type) << 2) * b, lane, out);
        continue;
      }
      unpackBlocks(type, group, k, b, 1, scratch, false);
      dequantizeSlabs(scratch, 1, lane, kind == SlabKind.unsigned7 ? 64 : 0, out);
    }
    return;
  }
  switch (type) {
    case GgmlType.F32: return dequantizeF32(group, lane, k, out);
    case GgmlType.F16: return dequantizeF16(group, lane, k, out);
    case GgmlType.Q4_0: return dequantizeQ4_0(group, lane, k, out);
    case GgmlType.Q4_1: return dequantizeQ4_1(group, lane, k, out);
    case GgmlType.Q5_0: return dequantizeQ5_0(group, lane, k, out);
    case GgmlType.Q5_1: return dequantizeQ5_1(group, lane, k, out);
    case GgmlType.Q8_0: return dequantizeQ8_0(group, lane, k, out);
    case GgmlType.Q2_K: return dequantizeQ2_K(group, lane, k, out);
    case GgmlType.Q3_K: return dequantizeQ3_K(group, lane, k, out);
    case GgmlType.Q4_K: return dequantizeQ4_K(group, lane, k, out);
    case GgmlType.Q5_K: return dequantizeQ5_K(group, lane, k, out);
    case GgmlType.Q6_K: return dequantizeQ6_K(group, lane, k, out);
    case GgmlType.IQ4_NL: return dequantizeIQ4_NL(group, lane, k, out);
    case GgmlType.BF16: return dequantizeBF16(group, lane, k, out);
    case GgmlType.Q6_0: return dequantizeQ6_0(group, lane, k, out);
    case GgmlType.IQ1_BN: return dequantizeIQ1_BN(group, lane, k, out);
    case GgmlType.IQ2_BN: return dequantizeIQ2_BN(group, lane, k, out);
    case GgmlType.Q8_KV: return dequantizeQ8_KV(group, lane, k, out);
    case GgmlType.MXFP4: return dequantizeMXFP4(group, lane, k, out);
    case GgmlType.NVFP4: return dequantizeNVFP4(group, lane, k, out);
    case GgmlType.Q1_0: return dequantizeQ1_0(group, lane, k, out);
    case GgmlType.Q2_0: return dequantizeQ2_0(group, lane, k, out);
    case GgmlType.TQ1_0: return dequantizeTQ1_0(group, lane, k, out);
    case GgmlType.TQ2_0: return dequantizeTQ2_0(group, lane, k, out);
    default: unreachable();
  }
}
