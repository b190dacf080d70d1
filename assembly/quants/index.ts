// The tensor types by number: sizes, interleaving four rows into a group, and reading a row back. One file a type.

import { dequantizeBF16 } from "./bf16";
import { dequantizeF16 } from "./f16";
import { dequantizeF32 } from "./f32";
import { interleave16, interleave32 } from "./interleave";
import { repackIQ1_M, unpackIQ1_M } from "./iq1_m";
import { repackIQ1_S, unpackIQ1_S } from "./iq1_s";
import { repackIQ2_S, unpackIQ2_S } from "./iq2_s";
import { repackIQ2_XS, unpackIQ2_XS } from "./iq2_xs";
import { repackIQ2_XXS, unpackIQ2_XXS } from "./iq2_xxs";
import { repackIQ3_S, unpackIQ3_S } from "./iq3_s";
import { repackIQ3_XXS, unpackIQ3_XXS } from "./iq3_xxs";
import { dequantizeIQ4_NL } from "./iq4_nl";
import { dequantizeIQ4_XS, repackIQ4_XS } from "./iq4_xs";
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
import { Slab, dequantizeSlabs } from "./slab";
import { GgmlType, blockBytes, blockWeights, usesSlabs } from "./types";

export { packTileBytes, packUnits, tileColumns } from "./activations";
export { packFormat } from "./types";

/** Whether the kernels know the type. */
export function isSupported(type: u32): bool {
  return blockWeights(type) != 0;
}

/** Bytes of an R4 group of four rows of k weights. */
export function groupBytes(type: u32, k: u32): u32 {
  return k / blockWeights(type) * blockBytes(type) * 4;
}

/**
 * Interleaves nRows (1..4) rows of k weights in GGUF layout, rowBytes apart, into one R4 group at dst. Missing rows
 * become rows of zeros.
 */
export function repackGroup(type: u32, src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  if (nRows < 4) memory.fill(dst, 0, groupBytes(type, k));
  switch (type) {
    case GgmlType.F32: return interleave32(src, rowBytes, nRows, k, dst);
    case GgmlType.F16:
    case GgmlType.BF16: return interleave16(src, rowBytes, nRows, k, dst);
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
    case GgmlType.MXFP4: return repackMXFP4(src, rowBytes, nRows, k, dst);
    case GgmlType.NVFP4: return repackNVFP4(src, rowBytes, nRows, k, dst);
    case GgmlType.Q1_0: return repackQ1_0(src, rowBytes, nRows, k, dst);
    case GgmlType.Q2_0: return repackQ2_0(src, rowBytes, nRows, k, dst);
    case GgmlType.TQ1_0: return repackTQ1_0(src, rowBytes, nRows, k, dst);
    case GgmlType.TQ2_0: return repackTQ2_0(src, rowBytes, nRows, k, dst);
    default: unreachable();
  }
}

/** Blocks [first, first + n) of an R4 group of k weights a row to n slabs: only for types that use them. */
export function unpackBlocks(type: u32, group: usize, k: u32, first: u32, n: u32, slab: usize): void {
  const block = group + <usize>first * (blockBytes(type) << 2);
  switch (type) {
    case GgmlType.IQ2_XXS: return unpackIQ2_XXS(block, n, slab);
    case GgmlType.IQ2_XS: return unpackIQ2_XS(block, n, slab);
    case GgmlType.IQ3_XXS: return unpackIQ3_XXS(block, n, slab);
    case GgmlType.IQ1_S: return unpackIQ1_S(block, n, slab);
    case GgmlType.IQ3_S: return unpackIQ3_S(block, n, slab);
    case GgmlType.IQ2_S: return unpackIQ2_S(block, n, slab);
    case GgmlType.IQ1_M: return unpackIQ1_M(block, n, slab);
    default: unreachable();
  }
}

/**
 * Row `lane` (0..3) of an R4 group as k f32 at out: exactly the values of the format. scratch: Slab.bytes of the caller's
 * own, aligned to 16.
 */
export function dequantizeRow(type: u32, group: usize, lane: u32, k: u32, out: usize, scratch: usize): void {
  if (usesSlabs(type)) {
    for (let b: u32 = 0; b < k >> 8; b++, out += 1024) {
      unpackBlocks(type, group, k, b, 1, scratch);
      dequantizeSlabs(scratch, 1, lane, out);
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
    case GgmlType.IQ4_XS: return dequantizeIQ4_XS(group, lane, k, out);
    case GgmlType.BF16: return dequantizeBF16(group, lane, k, out);
    case GgmlType.MXFP4: return dequantizeMXFP4(group, lane, k, out);
    case GgmlType.NVFP4: return dequantizeNVFP4(group, lane, k, out);
    case GgmlType.Q1_0: return dequantizeQ1_0(group, lane, k, out);
    case GgmlType.Q2_0: return dequantizeQ2_0(group, lane, k, out);
    case GgmlType.TQ1_0: return dequantizeTQ1_0(group, lane, k, out);
    case GgmlType.TQ2_0: return dequantizeTQ2_0(group, lane, k, out);
    default: unreachable();
  }
}
