// BF16: the upper halves of f32 weights. R4 group of 4 rows, an i32 lane a row:
//   [K / 2][4 rows][2]  bf16 of elements 2i and 2i + 1
//   [4]                 if K is odd: those of the last element
//
//   bf16 bits:   15     14       7  6        0
//                | sign | exponent | mantissa |     w = the f32 with these upper 16 bits, lower bits 0

import { bf16ToF32, loadBf16x4 } from "../half";

/** Address for load_splat<u32>: an i32's upper half. */
export const UPPER16: usize = memory.data<u32>([0xffff0000], 16);

/**
 * One column: both elements of x are loaded first, which would take a tile too many registers (16.9 instead of 15.8 Gweights/s).
 * @tiles 4x1 1x1
 */
function bf16Column(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const upper = v128.load_splat<u32>(UPPER16);
  let w$g = w + groupBytes * $g;
  let f$g = f32x4.splat(0);
  for (let e: u32 = 2; e <= k; e += 2) {
    const h$g = v128.load(w$g);
    const x = v128.load_splat<u32>(y), z = v128.load_splat<u32>(y, 4);
    f$g = f32x4.add(f$g, f32x4.mul(i32x4.shl(h$g, 16), x));
    f$g = f32x4.add(f$g, f32x4.mul(v128.and(h$g, upper), z));
    w$g += 16;
    y += 8;
  }
  if (k & 1) f$g = f32x4.add(f$g, f32x4.mul(loadBf16x4(w$g), v128.load_splat<u32>(y)));
  v128.store(out, f$g, 16 * $g);
}

/**
 * One tile: f = f + f32(w) * x, k ascending.
 * @tiles 2x4 1x4
 */
function bf16(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const upper = v128.load_splat<u32>(UPPER16);
  let w$g = w + groupBytes * $g;
  let f$g$c = f32x4.splat(0);
  for (let e: u32 = 2; e <= k; e += 2) {
    const h$g = v128.load(w$g);
    {
      const y$c = v128.load_splat<u32>(y, 4 * $c);
      f$g$c = f32x4.add(f$g$c, f32x4.mul(i32x4.shl(h$g, 16), y$c));
    }
    {
      const y$c = v128.load_splat<u32>(y, 4 * ($C + $c));
      f$g$c = f32x4.add(f$g$c, f32x4.mul(v128.and(h$g, upper), y$c));
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
  let p = group + (lane << 2);
  for (const end = out + (<usize>(k & ~1) << 2); out < end; out += 8, p += 16) {
    const word = load<u32>(p);
    store<u32>(out, word << 16);
    store<u32>(out, word & 0xffff0000, 4);
  }
  if (k & 1) store<f32>(out, bf16ToF32(load<u16>(p - (lane << 1))));
}
