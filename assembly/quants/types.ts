// The tensor types that the kernels know, by their ggml numbers, and what follows from a type alone. It is in the table types.txt; here is
// what is more than a number of it.

import { Form } from "./activation-forms";
import { blockBytes, blockWeights, columnForm, markBytes, rowMetaBytes, tileForm } from "./types.generated";

export {
  GgmlType, blockBytes, blockWeights, hasColumn, isGrid, isQuantizable, isReadFromSlabs, isWords, leastTiles, markBytes, needsImatrix,
  rowMetaBytes, sharesScale, slabBytes, slabKind,
} from "./types.generated";

/** Added to a type's number: its weights as codes (codes.ts), where there are such. */
export const FAST: u32 = 256;

/** The forms in which the type's matmul reads its activations, one column in the low byte, several in the next. */
export function packFormat(type: u32): u32 {
  return (type < FAST ? columnForm(type) : Form.q8x256) | (tileForm(type & (FAST - 1)) << 8);
}

/** Bytes of a row of k weights in the file. */
export function rowSize(type: u32, k: u32): u32 {
  return rowMetaBytes(type) + k / blockWeights(type) * blockBytes(type);
}

/** Where block `first` of an R4 group begins. */
export function blockOf(type: u32, group: usize, first: u32): usize {
  return group + markBytes(type) + ((rowMetaBytes(type) + first * blockBytes(type)) << 2);
}
