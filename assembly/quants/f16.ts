// F16: half-precision weights. R4 group of 4 rows: [K][4] f16, element k of rows 0..3 side by side.

import { f16ToF32, loadF16x4 } from "../half";

/**
 * One tile: f = f + f32(w) * x, k ascending.
 * @tiles 4x1 1x1 2x4 1x4
 */
function f16Rows(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let e: u32 = 0; e < k; e++) {
    const v$g = loadF16x4(w$g);
    {
      const y$c = v128.load_splat<u32>(y, 4 * $c);
      f$g$c = f32x4.add(f$g$c, f32x4.mul(v$g, y$c));
    }
    w$g += 8;
    y += 4 * $C;
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackF16(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  for (let r: u32 = 0; r < nRows; r++) {
    const row = src + <usize>r * rowBytes;
    for (let e: u32 = 0; e < k; e++) store<u16>(dst + (e << 3) + (r << 1), load<u16>(row + (e << 1)));
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeF16(group: usize, lane: u32, k: u32, out: usize): void {
  for (let e: u32 = 0; e < k; e++) {
    store<f32>(out + (e << 2), f16ToF32(load<u16>(group + (e << 3) + (lane << 1))));
  }
}
