// IQ4_NL: 32 weights of 4 bits with one scale, w = d * values[q]: codes into a table of 16 uneven steps.
//
// GGUF block, 18 bytes:      0        2                  18
//                            | d f16  | qs 16 B          |   e < 16: low nibble of qs[e]; else high of qs[e - 16]
//
// R4 group of 4 rows, as Q4_0 (whose repack it takes): [16 B] mark, then K / 32 blocks of 72 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [4 x 16 B] vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32, loadFiniteF16x4, loadNormalF16x4, MARK_BYTES } from "../half";
import { lookup } from "../lanes/bytes";
import { foldedStart, scaledFolded } from "../lanes/folded";
import { M15, ONES } from "../lanes/masks";
import { nibbleAt } from "./nibbles";
import { OffsetSlab } from "./offset-slab";

/** Address of the 16 values, i8: one vector for swizzle. LAYOUTS.md section 2, kvalues_iq4nl. */
// prettier-ignore
export const IQ4NL_VALUES: usize = memory.data<i8>([
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
], 16);

/**
 * One column: acc = sum values[q] * y (folded.ts), f = f + acc * (d_w * d_y).
 * @tiles 1x1
 */
function iq4_nl(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const ones = v128.load_splat<u32>(ONES), m15 = v128.load_splat<u32>(M15), values = v128.load(IQ4NL_VALUES);
  let f = f32x4.splat(0);
  w += MARK_BYTES;
  for (let b: u32 = 0; b < nb; b++) {
    let a = foldedStart(y + 4);
    for (let $i = 0; $i < 4; $i++) {
      const v = v128.load(w, 8 + 16 * $i);
      const low = lookup(values, v128.and(v, m15)), high = lookup(values, v128.and(i16x8.shr_u(v, 4), m15));
      a = scaledFolded(a, low, v128.load_splat<u32>(y, 16 * $i + 8), v128.load_splat<u32>(y, 16 * $i + 12), ones);
      a = scaledFolded(a, high, v128.load_splat<u32>(y, 16 * $i + 16), v128.load_splat<u32>(y, 16 * $i + 20), ones);
    }
    const d = $exact ? loadFiniteF16x4(w) : loadNormalF16x4(w);
    f = f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(a), f32x4.mul(d, v128.load_splat<u32>(y))));
    w += 72;
    y += 72;
  }
  v128.store(out, f);
}

/** n R4 blocks to slabs. */
export function unpackIQ4_NL(block: usize, n: u32, slab: usize): void {
  const m15 = v128.load_splat<u32>(M15), values = v128.load(IQ4NL_VALUES);
  for (; n > 0; n--, block += 72, slab += OffsetSlab.bytes) {
    v128.store(slab, loadFiniteF16x4(block));
    for (let i: u32 = 0; i < 4; i++) {
      const q = v128.load(block + (i << 4), 8), to = slab + (i << 5);
      v128.store(to, lookup(values, v128.and(q, m15)), OffsetSlab.weights);
      v128.store(to, lookup(values, v128.and(i16x8.shr_u(q, 4), m15)), OffsetSlab.weights + 16);
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeIQ4_NL(group: usize, lane: u32, k: u32, out: usize): void {
  const nb = k >> 5;
  let block = group + MARK_BYTES;
  for (let b: u32 = 0; b < nb; b++, block += 72) {
    const d = f16ToF32(load<u16>(block + (lane << 1)));
    for (let e: u32 = 0; e < 32; e++, out += 4) {
      store<f32>(out, d * <f32>load<i8>(IQ4NL_VALUES + nibbleAt(block + 8, lane, e)));
    }
  }
}
