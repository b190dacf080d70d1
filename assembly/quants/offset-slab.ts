// Slabs of types with blocks of 32 weights and one scale: for many columns, four rows are unpacked once into plain bytes in cache
// (matmul/unpacked.ts), as in k-slab.ts. The sums are those of q4_0, q5_0, q6_0 and mxfp4, in the same order.
//
// Slab of a block of 32, 144 bytes:
//   0    [4 f32]    d
//   16   [8 x 16 B] vector n, byte 4r + k: row r, element 4n + k, with its offset (8, 16, 32, 12)
//
// Slab of 16 weights with a scale of their own (NVFP4), 80 bytes: the same with four vectors, offset 16.

import { STEPS5, STEPS6, settle, settled } from "../lanes/dots";
import { EVEN, ONES } from "../lanes/masks";
import { addProduct, addSlabStep } from "./tile-parts";

export enum OffsetSlab { bytes = 144, weights = 16 }
export enum HalfSlab { bytes = 80, weights = 16 }

/**
 * One tile, added to what `out` holds: acc = sum q * y - offset * sum y, f = f + acc * (d_w * d_y); the offset is 2^shift, or
 * half of that more. rel16: `steps` steps fit an i16: 8 * 2 * 15 * 127 = 30480, 4 * 2 * 31 * 127 = 31496,
 * 2 * 2 * 63 * 127 = 32004, 4 * 2 * 24 * 127 = 24384.
 * @tiles 2x4 1x4
 * @of slabQ4_0 steps=8 shift=3 more=0, slabQ5_0 steps=STEPS5 shift=4 more=0
 * @of slabQ6_0 steps=STEPS6 shift=5 more=0, slabMXFP4 steps=STEPS5 shift=3 more=1
 */
function offset32Slab(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    const head = y;
    const sum$c = v128.load_splat<u32>(y, 4 * ($C + $c));
    const start$c = $more == 1 ? i32x4.add(i32x4.shl(sum$c, $shift), i32x4.shl(sum$c, $shift - 1)) : i32x4.shl(sum$c, $shift);
    let a$g$c = start$c, total$g$c = start$c;
    y += 8 * $C;
    for (let $n = 0; $n < 8; $n++) {
      addSlabStep(a$g$c, $n % $steps == 0, w$g, 16 + 16 * $n, evenMask, y);
      if ($n % $steps == $steps - 1) {
        total$g$c = settle(total$g$c, a$g$c, ones);
      }
    }
    const d$g = v128.load(w$g);
    addProduct(f$g$c, total$g$c, d$g, head);
    w$g += 144;
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/**
 * The same for slabs of 16 weights, w + 16, |w| <= 12: all steps of one fit an i16 that begins at -16 sum y (at most
 * 4 * 2 * 12 * 127 = 12192 in the end; what wraps before comes back).
 * @tiles 2x4 1x4
 */
function halvesSlab(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    const scales = y;
    y += 4 * $C;
    for (let j: u32 = 0; j < 2; j++) {
      const start$c = v128.load_splat<u32>(y, 4 * $c);
      let a$g$c = start$c;
      y += 4 * $C;
      for (let $n = 0; $n < 4; $n++) {
        addSlabStep(a$g$c, false, w$g, 16 + 16 * $n, evenMask, y);
      }
      const d$g = v128.load(w$g);
      addProduct(f$g$c, settled(a$g$c, ones), d$g, scales);
      w$g += 80;
    }
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}
