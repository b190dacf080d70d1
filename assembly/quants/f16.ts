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

/** Elements [first, first + n) of a group as an F32 group of n weights a row; n is even. */
export function widenF16(group: usize, first: u32, n: u32, dst: usize): void {
  let w = group + (<usize>first << 3);
  for (const end = w + (<usize>n << 3); w < end; w += 16, dst += 32) {
    const h = v128.load(w);
    if (i16x8.all_true(normalLanes(h))) {
      const upper = upperHalves(h);
      v128.store(dst, widenLow(h, upper));
      v128.store(dst, widenHigh(h, upper), 16);
    } else {
      v128.store(dst, loadF16x4(w));
      v128.store(dst, loadF16x4(w + 8), 16);
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeF16(group: usize, lane: u32, k: u32, out: usize): void {
  for (let e: u32 = 0; e < k; e++) {
    store<f32>(out + (e << 2), f16ToF32(load<u16>(group + (e << 3) + (lane << 1))));
  }
}
