// Quantisers by ggml type number: f32 rows to the bytes of a GGUF tensor, as ggml's scalar code writes them. README.md lists the types. Runs
// on any thread: all working memory is the caller's.
//
// quantizeRow (calls.generated.ts) quantises k f32 at x to y: a row, or a part of it (needsWholeRow). qw: k f32, how much each column
// counts, or 0. s, t: scratch memory and the type's tables. k is a multiple of the type's block; all values are finite. hasOverflowed
// (scalar.ts): a scale left the range of 16 bits, the bytes are of no use. Which grid, trellis or codebook a type is written with is said here
// and not in the table of types (quants/types.txt): it is the business of a few quantisers and of nothing else.

import { GgmlType, rowMetaBytes } from "../quants/types";
import { IQ4K_VALUES } from "../quants/iq4_k";
import { IQ3NL_VALUES } from "../quants/iq3_k";
import { IQ5NL_VALUES } from "../quants/iq5_k";
import { IQ6NL_VALUES } from "../quants/iq6_k";
import { codebookBytes, prepareCodebook } from "./codebook";
import { Grid, gridTableBytes, prepareGrid } from "./grid";
import { iq2klTableBytes, prepareIQ2_KL } from "./iq2kl";
import { ktTableBytes, prepareKT } from "./kt";
import { ROW, ROW_BYTES } from "./scalar";

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
