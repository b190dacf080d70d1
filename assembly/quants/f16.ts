// F16: half-precision weights. R4 group of 4 rows: [K][4] f16, element k of rows 0..3 side by side.

import { f16ToF32, loadF16x4, normalLanes, upperHalves, widenHigh, widenLow } from "../half";

/**
 * One tile: f = f + f32(w) * x, k ascending.
 * @tiles 4x1 1x1 2x4 1x4
 */
function f16Rows(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  let e: u32 = 2;
  for (; e <= k; e += 2) {
    const h$g = v128.load(w$g);
    const upper$g = upperHalves(h$g);
    let a$g = widenLow(h$g, upper$g), b$g = widenHigh(h$g, upper$g);
    let lanes = i16x8.splat(-1);
    lanes = i16x8.min_u(lanes, normalLanes(h$g));
    if (!i16x8.all_true(lanes)) {
      a$g = loadF16x4(w$g);
      b$g = loadF16x4(w$g + 8);
    }
    {
      const y$c = v128.load_splat<u32>(y, 4 * $c);
      f$g$c = f32x4.add(f$g$c, f32x4.mul(a$g, y$c));
    }
    {
      const y$c = v128.load_splat<u32>(y, 4 * ($C + $c));
      f$g$c = f32x4.add(f$g$c, f32x4.mul(b$g, y$c));
    }
    w$g += 16;
    y += 8 * $C;
  }
  if (k & 1) {
    f$g$c = f32x4.add(f$g$c, f32x4.mul(loadF16x4(w$g), v128.load_splat<u32>(y, 4 * $c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Row `lane` of a group as k f32. */
export function dequantizeF16(group: usize, lane: u32, k: u32, out: usize): void {
  for (let e: u32 = 0; e < k; e++) {
    store<f32>(out + (e << 2), f16ToF32(load<u16>(group + (e << 3) + (lane << 1))));
  }
}
