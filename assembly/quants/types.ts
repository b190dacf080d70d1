// The tensor types that the kernels know, by their ggml numbers, and what follows from a type alone.

import { MARK_BYTES } from "../half";
import { PackFormat } from "./activations";

export enum GgmlType {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  IQ4_NL = 20,
  IQ4_XS = 23,
  BF16 = 30,
}

/** Weights in a block of the type; 0: not supported. */
export function blockWeights(type: u32): u32 {
  switch (type) {
    case GgmlType.F32:
    case GgmlType.F16:
    case GgmlType.BF16: return 1;
    case GgmlType.Q4_0:
    case GgmlType.Q4_1:
    case GgmlType.Q5_0:
    case GgmlType.Q5_1:
    case GgmlType.Q8_0:
    case GgmlType.IQ4_NL: return 32;
    case GgmlType.Q2_K:
    case GgmlType.Q3_K:
    case GgmlType.Q4_K:
    case GgmlType.Q5_K:
    case GgmlType.Q6_K:
    case GgmlType.IQ4_XS: return 256;
    default: return 0;
  }
}

/** Bytes that a group has beside its blocks: see half.ts, markGroup. */
export function markBytes(type: u32): u32 {
  return type == GgmlType.Q4_0 || type == GgmlType.Q8_0 || type == GgmlType.IQ4_NL ? MARK_BYTES : 0;
}

/** Bytes of a block. R4 keeps the size: a group of four rows takes four rows' bytes (and 16, see markBytes). */
export function blockBytes(type: u32): u32 {
  switch (type) {
    case GgmlType.F32: return 4;
    case GgmlType.F16: return 2;
    case GgmlType.Q4_0: return 18;
    case GgmlType.Q4_1: return 20;
    case GgmlType.Q5_0: return 22;
    case GgmlType.Q5_1: return 24;
    case GgmlType.Q8_0: return 34;
    case GgmlType.Q2_K: return 84;
    case GgmlType.Q3_K: return 110;
    case GgmlType.Q4_K: return 144;
    case GgmlType.Q5_K: return 176;
    case GgmlType.Q6_K: return 210;
    case GgmlType.IQ4_NL: return 18;
    case GgmlType.IQ4_XS: return 136;
    case GgmlType.BF16: return 2;
    default: return 0;
  }
}

/** The form in which the type's matmul reads its activations. */
export function packFormat(type: u32): u32 {
  switch (type) {
    case GgmlType.Q4_0:
    case GgmlType.Q4_1:
    case GgmlType.Q5_0:
    case GgmlType.Q5_1: return PackFormat.q8x32;
    case GgmlType.Q8_0:
    case GgmlType.IQ4_NL: return PackFormat.q8x32Split;
    case GgmlType.Q2_K:
    case GgmlType.Q3_K:
    case GgmlType.Q4_K:
    case GgmlType.Q5_K:
    case GgmlType.Q6_K:
    case GgmlType.IQ4_XS: return PackFormat.q8x256;
    default: return PackFormat.f32;
  }
}
