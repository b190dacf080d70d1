// BF16: the upper halves of f32 weights. R4 group of 4 rows: [K][4] bf16, element k of rows 0..3 side by side.
//
//   bf16 bits:   15     14       7  6        0
//                | sign | exponent | mantissa |     w = the f32 with these upper 16 bits, lower bits 0

import { bf16ToF32, loadBf16x4 } from "../half";

/**
 * One tile: f = f + f32(w) * x, k ascending.
 * @tiles 4x1 1x1 2x4 1x4
 */
function bf16Rows(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const zero = i32x4.splat(0);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  // two elements a load; interleaving with zeros widens: one instruction for four weights
  for (let e: u32 = 2; e <= k; e += 2) {
    const h$g = v128.load(w$g);
    const a$g = v128.shuffle<i16>(zero, h$g, 0, 8, 1, 9, 2, 10, 3, 11);
    const b$g = v128.shuffle<i16>(zero, h$g, 4, 12, 5, 13, 6, 14, 7, 15);
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
    f$g$c = f32x4.add(f$g$c, f32x4.mul(loadBf16x4(w$g), v128.load_splat<u32>(y, 4 * $c)));
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Row `lane` of a group as k f32. */
export function dequantizeBF16(group: usize, lane: u32, k: u32, out: usize): void {
  for (let e: u32 = 0; e < k; e++) {
    store<f32>(out + (e << 2), bf16ToF32(load<u16>(group + (e << 3) + (lane << 1))));
  }
}
