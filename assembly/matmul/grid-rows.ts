// Products of the grid types (IQ1, IQ2, IQ3) with one column: blocks of a group are prepared a few at a time (quants/grid-rows.ts)
// and multiplied as rows (quants/grid-products.ts).

import { Column } from "../quants/activation-forms";
import { prepareBlocks } from "../quants/index";
import { IQ2_S_SIGNS } from "../quants/iq2_s";
import { IQ2_XS_SIGNS } from "../quants/iq2_xs";
import { IQ2_XXS_SIGNS } from "../quants/iq2_xxs";
import { IQ3_S_SIGNS } from "../quants/iq3_s";
import { IQ3_XXS_SIGNS } from "../quants/iq3_xxs";
import { GgmlType, blockBytes } from "../quants/types";
import {
  octets16_IQ2S, octets16_IQ2XS, octets32_IQ2XXS, quads32_IQ3S, quads32_IQ3XXS, ternary16_IQ1S, ternary32_IQ1S,
} from "./tiles.generated";

/** Blocks prepared together: 3 KB stay in L1. */
const BLOCKS: u32 = 4;

/** nGroups R4 groups times a packed column; output of group g: f32x4 at out + 16 * g. scratch: as in matmulTiles. */
export function gridRows(type: u32, nGroups: u32, w: usize, k: u32, y: usize, out: usize, scratch: usize): void {
  const nBlocks = k >> 8, bytes = blockBytes(type) << 2;
  for (; nGroups > 0; nGroups--, out += 16) {
    v128.store(out, i32x4.splat(0));
    for (let b: u32 = 0; b < nBlocks; b += BLOCKS) {
      const n = min(BLOCKS, nBlocks - b);
      prepareBlocks(type, w, n, scratch);
      multiply(type, n, scratch, w, y + <usize>Column.bytes * b, out);
      w += <usize>bytes * n;
    }
  }
}

function multiply(type: u32, n: u32, p: usize, w: usize, y: usize, out: usize): void {
  const bytes = <usize>blockBytes(type) << 2;
  switch (type) {
    case GgmlType.IQ2_XXS: return octets32_IQ2XXS(n, p, w + IQ2_XXS_SIGNS, bytes, y, out);
    case GgmlType.IQ2_XS: return octets16_IQ2XS(n, p, w + IQ2_XS_SIGNS, bytes, y, out);
    case GgmlType.IQ2_S: return octets16_IQ2S(n, p, w + IQ2_S_SIGNS, bytes, y, out);
    case GgmlType.IQ3_XXS: return quads32_IQ3XXS(n, p, w + IQ3_XXS_SIGNS, bytes, y, out);
    case GgmlType.IQ3_S: return quads32_IQ3S(n, p, w + IQ3_S_SIGNS, bytes, y, out);
    case GgmlType.IQ1_S: return ternary32_IQ1S(n, p, y, out);
    case GgmlType.IQ1_M: return ternary16_IQ1S(n, p, y, out);
    default: unreachable();
  }
}
