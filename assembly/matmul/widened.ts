// Matrix products of F16 weights with many columns: a part of a few groups is widened to F32 in cache, and every column tile
// multiplies it before the next one takes its place. The products are those of f16Rows, in the same order.

import { widenF16 } from "../quants/f16";
import { f32Rows } from "./tiles.generated";

/** Groups of a part, and elements of their rows: 32 KB of F32, half of them in use by a tile of 2x4. */
const GROUPS: u32 = 4;
const ELEMENTS: u32 = 512;
/** Bytes of an element of an F32 group. */
const F32_BYTES: u32 = 16;

export enum Widened { bytes = 32768 }

/**
 * nGroups F16 groups of k weights a row, k even, times nTiles packed tiles of `columns` columns, tileBytes apart. Output as in
 * slabTiles. slab: Widened.bytes of this thread's own.
 */
export function widenedTiles(
  nGroups: u32, w: usize, groupBytes: usize, y: usize, tileBytes: usize, nTiles: u32, k: u32, columns: u32, out: usize,
  outStride: usize, slab: usize,
): void {
  for (let g: u32 = 0; g < nGroups; g += GROUPS, w += groupBytes * GROUPS, out += 16 * GROUPS) {
    const groups = min(GROUPS, nGroups - g);
    for (let c: u32 = 0; c < nTiles * columns; c++) memory.fill(out + <usize>c * outStride, 0, groups << 4);
    for (let e: u32 = 0; e < k; e += ELEMENTS) {
      const n = min(ELEMENTS, k - e);
      for (let i: u32 = 0; i < groups; i++) widenF16(w + groupBytes * i, e, n, slab + <usize>i * ELEMENTS * F32_BYTES);
      let tile = y + (<usize>(e * columns) << 2), to = out;
      for (let t: u32 = 0; t < nTiles; t++, tile += tileBytes, to += outStride * columns) {
        f32Rows(groups, slab, ELEMENTS * F32_BYTES, n, tile, columns, to, outStride);
      }
    }
  }
}
