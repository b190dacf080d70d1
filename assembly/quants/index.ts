// The tensor types by number: sizes, interleaving four rows into a group, and reading a row back. One file a type.

import { dequantizeBF16 } from "./bf16";
import { dequantizeF16 } from "./f16";
import { dequantizeF32 } from "./f32";
import { interleave16, interleave32 } from "./interleave";
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
import { GgmlType, blockBytes, blockWeights, markBytes } from "./types";

export { packTileBytes, packUnits, tileColumns } from "./activations";
export { packFormat } from "./types";

/** Whether the kernels know the type. */
export function isSupported(type: u32): bool {
  return blockWeights(type) != 0;
}

/** Bytes of an R4 group of four rows of k weights. */
export function groupBytes(type: u32, k: u32): u32 {
  return k / blockWeights(type) * blockBytes(type) * 4 + markBytes(type);
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
    default: unreachable();
  }
}

/** Row `lane` (0..3) of an R4 group as k f32 at out: exactly the values of the format. */
export function dequantizeRow(type: u32, group: usize, lane: u32, k: u32, out: usize): void {
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
    default: unreachable();
  }
}
