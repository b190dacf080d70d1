// The tensor types that the kernels know, by their ggml numbers, and what follows from a type alone.

import { MARK_BYTES } from "../half";
import { BASE } from "../lanes";
import { Form } from "./activation-forms";

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
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
  Q1_0 = 41,
  Q2_0 = 42,
  // ik_llama.cpp
  Q6_0 = 133,
  IQ1_BN = 134,
  IQ2_BN = 135,
  IQ2_K = 137,
  IQ3_K = 138,
  IQ4_K = 139,
  IQ5_K = 140,
  IQ6_K = 141,
  IQ4_KS = 144,
  IQ2_KS = 145,
  IQ4_KSS = 146,
  Q8_KV = 151,
  IQ5_KS = 152,
  IQ2_KT = 153,
  IQ3_KT = 154,
  IQ4_KT = 155,
  IQ3_KS = 156,
  IQ2_KL = 157,
  IQ1_KT = 158,
  IQ1_M_R4 = 229,
}

/** Added to a type's number: its weights as codes (codes.ts), where there are such. */
export const FAST: u32 = 256;

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
    case GgmlType.IQ4_NL:
    case GgmlType.MXFP4:
    case GgmlType.Q6_0:
    case GgmlType.Q8_KV: return 32;
    case GgmlType.NVFP4:
    case GgmlType.IQ1_BN:
    case GgmlType.IQ2_BN:
    case GgmlType.Q2_0: return 64;
    case GgmlType.Q1_0: return 128;
    case GgmlType.Q2_K:
    case GgmlType.Q3_K:
    case GgmlType.Q4_K:
    case GgmlType.Q5_K:
    case GgmlType.Q6_K:
    case GgmlType.IQ4_XS:
    case GgmlType.IQ2_XXS:
    case GgmlType.IQ2_XS:
    case GgmlType.IQ3_XXS:
    case GgmlType.IQ1_S:
    case GgmlType.IQ3_S:
    case GgmlType.IQ2_S:
    case GgmlType.IQ1_M:
    case GgmlType.IQ2_K:
    case GgmlType.IQ3_K:
    case GgmlType.IQ4_K:
    case GgmlType.IQ5_K:
    case GgmlType.IQ6_K:
    case GgmlType.IQ4_KS:
    case GgmlType.IQ2_KS:
    case GgmlType.IQ4_KSS:
    case GgmlType.IQ5_KS:
    case GgmlType.IQ2_KT:
    case GgmlType.IQ3_KT:
    case GgmlType.IQ4_KT:
    case GgmlType.IQ3_KS:
    case GgmlType.IQ2_KL:
    case GgmlType.IQ1_KT:
    case GgmlType.IQ1_M_R4:
    case GgmlType.TQ1_0:
    case GgmlType.TQ2_0: return 256;
    default: return 0;
  }
}

/** Bytes that a group has beside its blocks: see half.ts, markGroup, and f16.ts. */
export function markBytes(type: u32): u32 {
  switch (type) {
    case GgmlType.F16:
    case GgmlType.Q4_0:
    case GgmlType.Q8_0:
    case GgmlType.IQ4_NL: return MARK_BYTES;
    default: return 0;
  }
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
    case GgmlType.IQ2_XXS: return 66;
    case GgmlType.IQ2_XS: return 74;
    case GgmlType.IQ3_XXS: return 98;
    case GgmlType.IQ1_S: return 50;
    case GgmlType.IQ3_S: return 110;
    case GgmlType.IQ2_S: return 82;
    case GgmlType.IQ1_M: return 56;
    case GgmlType.TQ1_0: return 54;
    case GgmlType.TQ2_0: return 66;
    case GgmlType.MXFP4: return 17;
    case GgmlType.NVFP4: return 36;
    case GgmlType.Q1_0: return 18;
    case GgmlType.Q2_0: return 18;
    case GgmlType.Q6_0: return 26;
    case GgmlType.IQ1_BN: return 13;
    case GgmlType.IQ2_BN: return 16;
    case GgmlType.Q8_KV: return 32;
    case GgmlType.IQ2_K: return 76;
    case GgmlType.IQ3_K: return 110;
    case GgmlType.IQ4_K: return 144;
    case GgmlType.IQ5_K: return 176;
    case GgmlType.IQ6_K: return 212;
    case GgmlType.IQ4_KS: return 136;
    case GgmlType.IQ2_KS: return 70;
    case GgmlType.IQ4_KSS: return 128;
    case GgmlType.IQ5_KS: return 168;
    case GgmlType.IQ2_KT: return 68;
    case GgmlType.IQ3_KT: return 100;
    case GgmlType.IQ4_KT: return 128;
    case GgmlType.IQ3_KS: return 102;
    case GgmlType.IQ2_KL: return 86;
    case GgmlType.IQ1_KT:
    case GgmlType.IQ1_M_R4: return 56;
    default: return 0;
  }
}

/** The forms in which the type's matmul reads its activations, one column in the low byte, several in the next. */
export function packFormat(type: u32): u32 {
  return columnForm(type) | (tileForm(type) << 8);
}

function columnForm(type: u32): u32 {
  if (type >= FAST) return Form.q8x256;
  switch (type) {
    case GgmlType.Q4_0:
    case GgmlType.Q4_1:
    case GgmlType.Q5_0:
    case GgmlType.Q5_1:
    case GgmlType.MXFP4:
    case GgmlType.Q1_0:
    case GgmlType.Q2_0:
    case GgmlType.Q6_0:
    case GgmlType.IQ1_BN:
    case GgmlType.IQ2_BN: return Form.q8x32;
    case GgmlType.NVFP4: return Form.q8x16;
    case GgmlType.Q8_0:
    case GgmlType.IQ4_NL:
    case GgmlType.Q8_KV: return Form.q8x32Folded;
    case GgmlType.Q4_K:
    case GgmlType.Q5_K:
    case GgmlType.IQ2_XXS:
    case GgmlType.IQ2_XS:
    case GgmlType.IQ3_XXS:
    case GgmlType.IQ1_S:
    case GgmlType.IQ3_S:
    case GgmlType.IQ2_S:
    case GgmlType.IQ1_M:
    case GgmlType.IQ1_M_R4:
    case GgmlType.IQ4_XS:
    case GgmlType.TQ1_0:
    case GgmlType.TQ2_0: return Form.q8x256;
    case GgmlType.IQ4_K:
    case GgmlType.IQ5_K:
    case GgmlType.IQ6_K:
    case GgmlType.IQ4_KS:
    case GgmlType.IQ4_KSS:
    case GgmlType.IQ5_KS:
    case GgmlType.IQ3_KT: return Form.q8x256Folded;
    case GgmlType.IQ2_K:
    case GgmlType.IQ3_K:
    case GgmlType.IQ2_KS:
    case GgmlType.IQ3_KS: return Form.q8x256Paired;
    case GgmlType.Q2_K:
    case GgmlType.Q3_K:
    case GgmlType.Q6_K: return Form.q8x256Quads;
    case GgmlType.IQ2_KL: return Form.q8x256Octets;
    case GgmlType.IQ1_KT:
    case GgmlType.IQ2_KT:
    case GgmlType.IQ4_KT: return Form.q8x256Trellis;
    default: return Form.f32;
  }
}

function tileForm(type: u32): u32 {
  switch (slabKind(type & (FAST - 1))) {
    case SlabKind.signed8: return Form.q8x256Signs;
    case SlabKind.unsigned7: {
      if (BASE) return Form.q8x256Signs;
      return slabSteps(type) == 2 ? Form.q8x256Pairs : Form.q8x256;
    }
  }
  switch (type) {
    case GgmlType.Q2_K:
    case GgmlType.Q3_K:
    case GgmlType.Q6_K: return Form.q8x256;
    default: return columnForm(type);
  }
}

/** Bytes before the blocks of a row. */
export function rowMetaBytes(type: u32): u32 {
  switch (type) {
    case GgmlType.Q8_KV: return 8;
    case GgmlType.IQ2_BN:
    case GgmlType.IQ4_KS:
    case GgmlType.IQ4_KSS:
    case GgmlType.IQ5_KS:
    case GgmlType.IQ2_KT:
    case GgmlType.IQ3_KT:
    case GgmlType.IQ4_KT:
    case GgmlType.IQ1_KT: return 4;
    case GgmlType.IQ1_BN:
    case GgmlType.IQ2_KS:
    case GgmlType.IQ3_KS:
    case GgmlType.IQ2_KL:
    case GgmlType.IQ1_M_R4: return 2;
    default: return 0;
  }
}

/** Bytes of a row of k weights in the file. */
export function rowSize(type: u32, k: u32): u32 {
  return rowMetaBytes(type) + k / blockWeights(type) * blockBytes(type);
}

/** The products of quants/slab.ts. */
export enum SlabKind { none = 0, unsigned7 = 1, signed8 = 2 }

/** Whether and how the type's matmul unpacks its weights to slabs first, with one column only where it is not direct. */
export function slabKind(type: u32): SlabKind {
  switch (type) {
    case GgmlType.IQ2_XXS:
    case GgmlType.IQ2_XS:
    case GgmlType.IQ3_XXS:
    case GgmlType.IQ1_S:
    case GgmlType.IQ3_S:
    case GgmlType.IQ2_S:
    case GgmlType.IQ1_M:
    case GgmlType.IQ2_K:
    case GgmlType.IQ3_K:
    case GgmlType.IQ2_KS:
    case GgmlType.IQ3_KS:
    case GgmlType.IQ2_KL:
    case GgmlType.IQ1_M_R4: return SlabKind.unsigned7;
    case GgmlType.IQ4_XS:
    case GgmlType.IQ4_K:
    case GgmlType.IQ5_K:
    case GgmlType.IQ6_K:
    case GgmlType.IQ4_KS:
    case GgmlType.IQ4_KSS:
    case GgmlType.IQ5_KS:
    case GgmlType.IQ2_KT:
    case GgmlType.IQ3_KT:
    case GgmlType.IQ4_KT:
    case GgmlType.IQ1_KT: return SlabKind.signed8;
    default: return SlabKind.none;
  }
}

/** Steps of slabs of 7 bits that an accumulator takes (slab.ts): 8 where |w| <= 16 and 32 weights share a scale, 4 where |w| <= 32, else 2. */
export function slabSteps(type: u32): u32 {
  switch (type & (FAST - 1)) {
    case GgmlType.IQ1_S:
    case GgmlType.IQ3_S: return 8;
    case GgmlType.IQ1_M:
    case GgmlType.IQ1_M_R4:
    case GgmlType.IQ2_K:
    case GgmlType.IQ2_KS: return 4;
    default: return 2;
  }
}

/** Whether the type's blocks are those of grid-rows.ts. */
export function isGrid(type: u32): bool {
  switch (type) {
    case GgmlType.IQ2_XXS:
    case GgmlType.IQ2_XS:
    case GgmlType.IQ3_XXS:
    case GgmlType.IQ1_S:
    case GgmlType.IQ3_S:
    case GgmlType.IQ2_S:
    case GgmlType.IQ1_M: return true;
    default: return false;
  }
}

/** Whether a type of slabs is multiplied with one column as it lies in memory (folded.ts). */
export function isDirect(type: u32): bool {
  return type == GgmlType.IQ4_XS || (type < FAST && columnForm(type) >= <u32>Form.q8x256Folded);
}
