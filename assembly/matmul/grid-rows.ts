// Products of the grid types (IQ1, IQ2, IQ3) with one column: blocks of a group are prepared a few at a time (quants/grid-rows.ts)
// and multiplied as rows (quants/grid-products.ts).

import { Column } from "../quants/activation-forms";
import { prepare } from "../quants/calls.generated";
import { blockBytes } from "../quants/types";
import { gridProduct } from "./calls.generated";

/** Blocks prepared together: 3 KB stay in L1. */
const BLOCKS: u32 = 4;

/** nGroups R4 groups times a packed column; output of group g: f32x4 at out + 16 * g. scratch: as in matmulTiles. */
export function gridRows(type: u32, nGroups: u32, w: usize, k: u32, y: usize, out: usize, scratch: usize): void {
  const nBlocks = k >> 8, bytes = blockBytes(type) << 2;
  for (; nGroups > 0; nGroups--, out += 16) {
    v128.store(out, i32x4.splat(0));
    for (let b: u32 = 0; b < nBlocks; b += BLOCKS) {
      const n = min(BLOCKS, nBlocks - b);
      prepare(type, w, n, scratch);
      gridProduct(type, w, n, scratch, y + <usize>Column.bytes * b, out);
      w += <usize>bytes * n;
    }
  }
}
