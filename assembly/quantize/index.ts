// Quantisers by ggml type number: f32 rows to the bytes of a GGUF tensor, as ggml's scalar code writes them.
// README.md lists the types. Runs on any thread: all working memory is the caller's.

import { f32ToBf16, f32ToF16 } from "../half";
import { Grid, gridTableBytes, prepareGrid } from "./grid";
import { quantizeIQ1_M, quantizeIQ1_S } from "./iq1";
import { quantizeIQ2_S, quantizeIQ2_XS, quantizeIQ2_XXS } from "./iq2";
import { quantizeIQ3_S, quantizeIQ3_XXS } from "./iq3";
import { quantizeIQ4_NL, quantizeIQ4_XS } from "./iq4";
import { quantizeQ2_K, quantizeQ3_K, quantizeQ4_K, quantizeQ5_K, quantizeQ6_K } from "./kquants";
import { quantizeQ4_0, quantizeQ4_1, quantizeQ5_0, quantizeQ5_1, quantizeQ8_0 } from "./legacy";
import { SCRATCH_BYTES, at, clearOverflow, hasOverflowed, noteOverflow } from "./scalar";
import { quantizeMXFP4, quantizeNVFP4, quantizeQ1_0, quantizeQ2_0, quantizeTQ1_0, quantizeTQ2_0 } from "./small";

/** ggml's numbers of the types that can be written. */
enum Written {
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
}

/** Whether a quantiser exists for the type. */
export function isQuantizable(type: u32): bool {
  return rowSize(type, 256) != 0;
}

/** Whether the type cannot be written without importance weights. */
export function needsImatrix(type: u32): bool {
  return type == Written.IQ2_XXS || type == Written.IQ2_XS || type == Written.IQ1_S;
}

/** Bytes of a row of k weights; 0: the type cannot be written. */
function rowSize(type: u32, k: u32): u32 {
  switch (type) {
    case Written.F32: return k * 4;
    case Written.F16:
    case Written.BF16: return k * 2;
    case Written.Q4_0:
    case Written.IQ4_NL: return k / 32 * 18;
    case Written.Q4_1: return k / 32 * 20;
    case Written.Q5_0: return k / 32 * 22;
    case Written.Q5_1: return k / 32 * 24;
    case Written.Q8_0: return k / 32 * 34;
    case Written.Q2_K: return k / 256 * 84;
    case Written.Q3_K:
    case Written.IQ3_S: return k / 256 * 110;
    case Written.Q4_K: return k / 256 * 144;
    case Written.Q5_K: return k / 256 * 176;
    case Written.Q6_K: return k / 256 * 210;
    case Written.IQ2_XXS:
    case Written.TQ2_0: return k / 256 * 66;
    case Written.IQ2_XS: return k / 256 * 74;
    case Written.IQ2_S: return k / 256 * 82;
    case Written.IQ3_XXS: return k / 256 * 98;
    case Written.IQ1_S: return k / 256 * 50;
    case Written.IQ1_M: return k / 256 * 56;
    case Written.IQ4_XS: return k / 256 * 136;
    case Written.TQ1_0: return k / 256 * 54;
    case Written.MXFP4: return k / 32 * 17;
    case Written.NVFP4: return k / 64 * 36;
    case Written.Q1_0: return k / 128 * 18;
    case Written.Q2_0: return k / 64 * 18;
    default: return 0;
  }
}

/** The grid of a type, or -1. */
function gridOf(type: u32): i32 {
  switch (type) {
    case Written.IQ2_XXS: return Grid.IQ2_XXS;
    case Written.IQ2_XS: return Grid.IQ2_XS;
    case Written.IQ2_S: return Grid.IQ2_S;
    case Written.IQ1_S:
    case Written.IQ1_M: return Grid.IQ1;
    case Written.IQ3_XXS: return Grid.IQ3_XXS;
    case Written.IQ3_S: return Grid.IQ3_S;
    default: return -1;
  }
}

/** Bytes of scratch memory that a call of quantizeRows needs, for any type. */
export function quantizeScratchBytes(): u32 {
  return SCRATCH_BYTES;
}

/** Bytes of the tables of a type; most have none. */
export function quantizeTableBytes(type: u32): u32 {
  const grid = gridOf(type);
  return grid < 0 ? 0 : gridTableBytes(grid);
}

/** Writes a type's tables to `tables` (aligned to 8). Threads may share them. */
export function prepareQuantize(type: u32, tables: usize): void {
  const grid = gridOf(type);
  if (grid >= 0) prepareGrid(grid, tables);
}

/**
 * Quantises nRows rows of k f32 at src to dst. imatrix: k f32, how much each column counts, or 0. scratch and tables:
 * see above. k is a multiple of the type's block; all values are finite. False: a scale left the range of 16 bits, the
 * bytes are of no use.
 */
export function quantizeRows(
  type: u32, src: usize, nRows: u32, k: u32, imatrix: usize, dst: usize, scratch: usize, tables: usize,
): bool {
  const bytes = rowSize(type, k);
  clearOverflow();
  for (let r: u32 = 0; r < nRows; r++, src += k << 2, dst += bytes) {
    quantizeRow(type, src, k, imatrix, dst, scratch, tables);
  }
  return !hasOverflowed();
}

function quantizeRow(type: u32, x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  switch (type) {
    case Written.F32: return memory.copy(y, x, k << 2);
    case Written.F16: return quantizeF16(x, k, y);
    case Written.BF16: return quantizeBF16(x, k, y);
    case Written.Q4_0: return quantizeQ4_0(x, k, qw, y, s);
    case Written.Q4_1: return quantizeQ4_1(x, k, qw, y, s);
    case Written.Q5_0: return quantizeQ5_0(x, k, qw, y, s);
    case Written.Q5_1: return quantizeQ5_1(x, k, qw, y, s);
    case Written.Q8_0: return quantizeQ8_0(x, k, y);
    case Written.Q2_K: return quantizeQ2_K(x, k, qw, y, s);
    case Written.Q3_K: return quantizeQ3_K(x, k, qw, y, s);
    case Written.Q4_K: return quantizeQ4_K(x, k, qw, y, s);
    case Written.Q5_K: return quantizeQ5_K(x, k, qw, y, s);
    case Written.Q6_K: return quantizeQ6_K(x, k, qw, y, s);
    case Written.IQ4_NL: return quantizeIQ4_NL(x, k, qw, y, s);
    case Written.IQ4_XS: return quantizeIQ4_XS(x, k, qw, y, s);
    case Written.IQ2_XXS: return quantizeIQ2_XXS(x, k, qw, y, s, t);
    case Written.IQ2_XS: return quantizeIQ2_XS(x, k, qw, y, s, t);
    case Written.IQ2_S: return quantizeIQ2_S(x, k, qw, y, s, t);
    case Written.IQ3_XXS: return quantizeIQ3_XXS(x, k, qw, y, s, t);
    case Written.IQ3_S: return quantizeIQ3_S(x, k, qw, y, s, t);
    case Written.IQ1_S: return quantizeIQ1_S(x, k, qw, y, s, t);
    case Written.IQ1_M: return quantizeIQ1_M(x, k, qw, y, s, t);
    case Written.TQ1_0: return quantizeTQ1_0(x, k, y);
    case Written.TQ2_0: return quantizeTQ2_0(x, k, y);
    case Written.MXFP4: return quantizeMXFP4(x, k, y);
    case Written.NVFP4: return quantizeNVFP4(x, k, y);
    case Written.Q1_0: return quantizeQ1_0(x, k, y);
    case Written.Q2_0: return quantizeQ2_0(x, k, y);
    default: unreachable();
  }
}

function quantizeF16(x: usize, k: u32, y: usize): void {
  for (let i: u32 = 0; i < k; i++) {
    const h = f32ToF16(at(x, i));
    if ((h & 0x7c00) == 0x7c00) noteOverflow();
    store<u16>(y + (i << 1), h);
  }
}

function quantizeBF16(x: usize, k: u32, y: usize): void {
  for (let i: u32 = 0; i < k; i++) {
    const h = f32ToBf16(at(x, i));
    if ((h & 0x7f80) == 0x7f80) noteOverflow();
    store<u16>(y + (i << 1), h);
  }
}
