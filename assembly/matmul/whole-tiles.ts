// Products of weights as they lie in memory that are more than one call of a tile's driver.

import { MARK_BYTES } from "../half";
import { exactF16 } from "../quants/f16";
import { f16Column, f32Rows, q8_0Tiles } from "./tiles.generated";

/** +0 to all outputs, for products that are added to them. */
export function clear(nGroups: u32, columns: u32, out: usize, outStride: usize): void {
  for (let c: u32 = 0; c < columns; c++) memory.fill(out + <usize>c * outStride, 0, nGroups << 4);
}

/** F32 with several columns. */
export function f32Tiles(nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, columns: u32, out: usize, outStride: usize): void {
  clear(nGroups, columns, out, outStride);
  f32Rows(nGroups, w, groupBytes, k, y, columns, out, outStride);
}

/** F16 with one column: then again the groups that f16Column cannot do. */
export function f16Exact(nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, columns: u32, out: usize, outStride: usize): void {
  f16Column(nGroups, w, groupBytes, k, y, columns, out, outStride);
  exactF16(nGroups, w, groupBytes, k, y, out);
}

/** Q8_0 with several columns: its tiles take the blocks behind the mark. */
export function q8_0Marked(nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, columns: u32, out: usize, outStride: usize): void {
  clear(nGroups, columns, out, outStride);
  q8_0Tiles(nGroups, w + MARK_BYTES, groupBytes, k, y, columns, out, outStride);
}
