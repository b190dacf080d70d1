// Quantisers by ggml type number: f32 rows to the bytes of a GGUF tensor, as ggml's scalar code writes them.
// README.md lists the types. Runs on any thread: all working memory is the caller's.

import { f32ToBf16, f32ToF16, storeBf16x4, storeF16x4 } from "../half";
import { GgmlType, blockWeights, rowMetaBytes } from "../quants/types";
import { IQ4K_VALUES } from "../quants/iq4_k";
import { IQ3NL_VALUES } from "../quants/iq3_k";
import { IQ5NL_VALUES } from "../quants/iq5_k";
import { IQ6NL_VALUES } from "../quants/iq6_k";
import { codebookBytes, prepareCodebook } from "./codebook";
import { Grid, gridTableBytes, prepareGrid } from "./grid";
import { quantizeIQ1_M, quantizeIQ1_S } from "./iq1";
import { quantizeIQ2_S, quantizeIQ2_XS, quantizeIQ2_XXS } from "./iq2";
import { quantizeIQ2_K, quantizeIQ2_KS } from "./iq2k";
import { iq2klTableBytes, prepareIQ2_KL, quantizeIQ2_KL } from "./iq2kl";
import { quantizeIQ3_S, quantizeIQ3_XXS } from "./iq3";
import { quantizeIQ4_NL, quantizeIQ4_XS } from "./iq4";
import { quantizeIQ4_KSS } from "./iq4kss";
import {
  quantizeIQ3_K, quantizeIQ3_KS, quantizeIQ4_K, quantizeIQ4_KS, quantizeIQ5_K, quantizeIQ5_KS, quantizeIQ6_K,
} from "./iqk";
import { ktTableBytes, prepareKT, quantizeIQ1_KT, quantizeIQ2_KT, quantizeIQ3_KT, quantizeIQ4_KT } from "./kt";
import { quantizeQ2_K, quantizeQ3_K, quantizeQ4_K, quantizeQ5_K, quantizeQ6_K } from "./kquants";
import { quantizeQ4_0, quantizeQ4_1, quantizeQ5_0, quantizeQ5_1, quantizeQ8_0 } from "./legacy";
import { quantizeQ6_0 } from "./q6_0";
import { quantizeIQ1_BN, quantizeIQ2_BN, quantizeQ8_KV } from "./rows";
import { ROW, ROW_BYTES, at, noteOverflow } from "./scalar";
import { quantizeMXFP4, quantizeNVFP4, quantizeQ1_0, quantizeQ2_0, quantizeTQ1_0, quantizeTQ2_0 } from "./small";

/** Whether a quantiser exists for the type. */
export function isQuantizable(type: u32): bool {
  // what only files of interleaved rows hold is read, not written
  return blockWeights(type) != 0 && type != GgmlType.IQ1_M_R4;
}

/** Whether the type cannot be written without importance weights. */
export function needsImatrix(type: u32): bool {
  return type == GgmlType.IQ2_XXS || type == GgmlType.IQ2_XS || type == GgmlType.IQ1_S;
}

/** Whether the bytes of a block depend on all of its row: a scale before the blocks, or error weights with the row's mean. */
export function needsWholeRow(type: u32, weighted: bool): bool {
  switch (type) {
    case GgmlType.Q4_0:
    case GgmlType.Q4_1:
    case GgmlType.Q5_0:
    case GgmlType.Q5_1:
    case GgmlType.Q6_0: return weighted;
    default: return rowMetaBytes(type) != 0;
  }
}

/** The grid of a type, or -1. */
function gridOf(type: u32): i32 {
  switch (type) {
    case GgmlType.IQ2_XXS: return Grid.IQ2_XXS;
    case GgmlType.IQ2_XS: return Grid.IQ2_XS;
    case GgmlType.IQ2_S: return Grid.IQ2_S;
    case GgmlType.IQ1_S:
    case GgmlType.IQ1_M: return Grid.IQ1;
    case GgmlType.IQ3_XXS: return Grid.IQ3_XXS;
    case GgmlType.IQ3_S: return Grid.IQ3_S;
    default: return -1;
  }
}

/** Bytes of scratch memory that quantizeRow needs for k weights, whatever the type. */
export function quantizeScratchBytes(k: u32): u32 {
  return <u32>ROW + k * ROW_BYTES;
}

/** Bytes of the tables of a type; most have none. */
export function quantizeTableBytes(type: u32): u32 {
  if (type == GgmlType.IQ2_KL) return iq2klTableBytes();
  if (indexBits(type)) return ktTableBytes(indexBits(type));
  if (codebookOf(type)) return codebookBytes();
  const grid = gridOf(type);
  return grid < 0 ? 0 : gridTableBytes(grid);
}

/** Writes a type's tables to `tables` (aligned to 16). Threads may share them. */
export function prepareQuantize(type: u32, tables: usize): void {
  if (type == GgmlType.IQ2_KL) return prepareIQ2_KL(tables);
  if (indexBits(type)) return prepareKT(indexBits(type), type == GgmlType.IQ3_KT, tables);
  const values = codebookOf(type);
  if (values) return prepareCodebook(values, codebookSize(type), values == IQ3NL_VALUES ? 64 : 0, tables);
  const grid = gridOf(type);
  if (grid >= 0) prepareGrid(grid, tables);
}

/** Bits of an index of a trellis type; 0: it is none. */
function indexBits(type: u32): i32 {
  switch (type) {
    case GgmlType.IQ1_KT: return 13;
    case GgmlType.IQ2_KT:
    case GgmlType.IQ3_KT: return 16;
    case GgmlType.IQ4_KT: return 15;
    default: return 0;
  }
}

/** The values of a type with a codebook, or 0. */
function codebookOf(type: u32): usize {
  switch (type) {
    case GgmlType.IQ3_K:
    case GgmlType.IQ3_KS: return IQ3NL_VALUES;
    // IQ4_NL and IQ4_XS have the first set
    case GgmlType.IQ4_NL:
    case GgmlType.IQ4_XS:
    case GgmlType.IQ4_K:
    case GgmlType.IQ4_KS:
    case GgmlType.IQ4_KSS: return IQ4K_VALUES;
    case GgmlType.IQ5_K:
    case GgmlType.IQ5_KS: return IQ5NL_VALUES;
    case GgmlType.IQ6_K: return IQ6NL_VALUES;
    default: return 0;
  }
}

/** Values in each set of a type's codebook. */
function codebookSize(type: u32): i32 {
  switch (type) {
    case GgmlType.IQ3_K:
    case GgmlType.IQ3_KS: return 8;
    case GgmlType.IQ5_K:
    case GgmlType.IQ5_KS: return 32;
    case GgmlType.IQ6_K: return 64;
    default: return 16;
  }
}

/**
 * Quantises k f32 at x to y: a row, or a part of it (see needsWholeRow). qw: k f32, how much each column counts, or 0.
 * s, t: scratch memory and the type's tables. k is a multiple of the type's block; all values are finite. hasOverflowed: a
 * scale left the range of 16 bits, the bytes are of no use.
 */
export function quantizeRow(type: u32, x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  switch (type) {
    case GgmlType.F32: return memory.copy(y, x, k << 2);
    case GgmlType.F16: return quantizeF16(x, k, y);
    case GgmlType.BF16: return quantizeBF16(x, k, y);
    case GgmlType.Q4_0: return quantizeQ4_0(x, k, qw, y, s);
    case GgmlType.Q4_1: return quantizeQ4_1(x, k, qw, y, s);
    case GgmlType.Q5_0: return quantizeQ5_0(x, k, qw, y, s);
    case GgmlType.Q5_1: return quantizeQ5_1(x, k, qw, y, s);
    case GgmlType.Q8_0: return quantizeQ8_0(x, k, y);
    case GgmlType.Q2_K: return quantizeQ2_K(x, k, qw, y, s);
    case GgmlType.Q3_K: return quantizeQ3_K(x, k, qw, y, s);
    case GgmlType.Q4_K: return quantizeQ4_K(x, k, qw, y, s);
    case GgmlType.Q5_K: return quantizeQ5_K(x, k, qw, y, s);
    case GgmlType.Q6_K: return quantizeQ6_K(x, k, qw, y, s);
    case GgmlType.IQ4_NL: return quantizeIQ4_NL(x, k, qw, y, s, t);
    case GgmlType.IQ4_XS: return quantizeIQ4_XS(x, k, qw, y, s, t);
    case GgmlType.IQ2_XXS: return quantizeIQ2_XXS(x, k, qw, y, s, t);
    case GgmlType.IQ2_XS: return quantizeIQ2_XS(x, k, qw, y, s, t);
    case GgmlType.IQ2_S: return quantizeIQ2_S(x, k, qw, y, s, t);
    case GgmlType.IQ3_XXS: return quantizeIQ3_XXS(x, k, qw, y, s, t);
    case GgmlType.IQ3_S: return quantizeIQ3_S(x, k, qw, y, s, t);
    case GgmlType.IQ1_S: return quantizeIQ1_S(x, k, qw, y, s, t);
    case GgmlType.IQ1_M: return quantizeIQ1_M(x, k, qw, y, s, t);
    case GgmlType.TQ1_0: return quantizeTQ1_0(x, k, y);
    case GgmlType.TQ2_0: return quantizeTQ2_0(x, k, y);
    case GgmlType.MXFP4: return quantizeMXFP4(x, k, y);
    case GgmlType.NVFP4: return quantizeNVFP4(x, k, y);
    case GgmlType.Q1_0: return quantizeQ1_0(x, k, y);
    case GgmlType.Q2_0: return quantizeQ2_0(x, k, y);
    case GgmlType.Q6_0: return quantizeQ6_0(x, k, qw, y, s);
    case GgmlType.Q8_KV: return quantizeQ8_KV(x, k, y);
    case GgmlType.IQ1_BN: return quantizeIQ1_BN(x, k, y);
    case GgmlType.IQ2_BN: return quantizeIQ2_BN(x, k, y);
    case GgmlType.IQ2_K: return quantizeIQ2_K(x, k, qw, y, s);
    case GgmlType.IQ2_KS: return quantizeIQ2_KS(x, k, qw, y, s);
    case GgmlType.IQ2_KL: return quantizeIQ2_KL(x, k, qw, y, s, t);
    case GgmlType.IQ3_K: return quantizeIQ3_K(x, k, qw, y, s, t);
    case GgmlType.IQ3_KS: return quantizeIQ3_KS(x, k, qw, y, s, t);
    case GgmlType.IQ4_K: return quantizeIQ4_K(x, k, qw, y, s, t);
    case GgmlType.IQ4_KS: return quantizeIQ4_KS(x, k, qw, y, s, t);
    case GgmlType.IQ4_KSS: return quantizeIQ4_KSS(x, k, qw, y, s, t);
    case GgmlType.IQ5_K: return quantizeIQ5_K(x, k, qw, y, s, t);
    case GgmlType.IQ5_KS: return quantizeIQ5_KS(x, k, qw, y, s, t);
    case GgmlType.IQ6_K: return quantizeIQ6_K(x, k, qw, y, s, t);
    case GgmlType.IQ1_KT: return quantizeIQ1_KT(x, k, qw, y, s, t);
    case GgmlType.IQ2_KT: return quantizeIQ2_KT(x, k, qw, y, s, t);
    case GgmlType.IQ3_KT: return quantizeIQ3_KT(x, k, qw, y, s, t);
    case GgmlType.IQ4_KT: return quantizeIQ4_KT(x, k, qw, y, s, t);
    default: unreachable();
  }
}

function quantizeF16(x: usize, k: u32, y: usize): void {
  let i: u32 = 0, most = f32x4.splat(0);
  for (; i + 4 <= k; i += 4) {
    const v = v128.load(x + (i << 2));
    most = f32x4.pmax(most, f32x4.abs(v));
    storeF16x4(y + (i << 1), v);
  }
  // what rounds to infinity
  if (v128.any_true(f32x4.ge(most, f32x4.splat(65520)))) noteOverflow();
  for (; i < k; i++) {
    const h = f32ToF16(at(x, i));
    if ((h & 0x7c00) == 0x7c00) noteOverflow();
    store<u16>(y + (i << 1), h);
  }
}

function quantizeBF16(x: usize, k: u32, y: usize): void {
  let i: u32 = 0, most = f32x4.splat(0);
  for (; i + 4 <= k; i += 4) {
    const v = v128.load(x + (i << 2));
    most = f32x4.pmax(most, f32x4.abs(v));
    storeBf16x4(y + (i << 1), v);
  }
  if (v128.any_true(f32x4.ge(most, i32x4.splat(BF16_INFINITE)))) noteOverflow();
  for (; i < k; i++) {
    const h = f32ToBf16(at(x, i));
    if ((h & 0x7f80) == 0x7f80) noteOverflow();
    store<u16>(y + (i << 1), h);
  }
}

/** The f32 from which on BF16 is infinity: halfway beyond its largest number. */
const BF16_INFINITE: i32 = 0x7f7f8000;
