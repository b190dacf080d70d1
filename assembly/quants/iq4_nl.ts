// IQ4_NL: 32 weights of 4 bits with one scale, w = d * values[q]: codes into a table of 16 uneven steps.
//
// GGUF block, 18 bytes:      0        2                  18
//                            | d f16  | qs 16 B          |   e < 16: low nibble of qs[e]; else high of qs[e - 16]
//
// R4 group of 4 rows, as Q4_0 (whose repack it takes): [16 B] mark, then K / 32 blocks of 72 bytes:
//   0    [4 f16]    d of rows 0..3
//   8    [4 x 16 B] vector i, byte 4r + k: row r, elements 8i + k (low), 8i + 4 + k (high)

import { f16ToF32, loadFiniteF16x4, loadNormalF16x4, MARK_BYTES } from "../half";
import { M15, ONES, dotMinus, dotSigned, evenSigned, lookup, oddSigned, settleSigned } from "../lanes";
import { nibbleAt } from "./nibbles";
import { OffsetSlab } from "./offset-slab";

/** Address of the 16 values, i8: one vector for swizzle. LAYOUTS.md section 2, kvalues_iq4nl. */
// prettier-ignore
export const IQ4NL_VALUES: usize = memory.data<i8>([
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
], 16);

/**
 * One tile: acc = sum values[q] * y, f = f + acc * (d_w * d_y).
 * @tiles 1x1
 */
function iq4_nl(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const zero = i32x4.splat(0), ones = v128.load_splat<u32>(ONES), m15 = v128.load_splat<u32>(M15);
  const values = v128.load(IQ4NL_VALUES);
  let w$g = w + groupBytes * $g + MARK_BYTES;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let plus$g$c = zero, minus$g$c = zero;
    for (let $i = 0; $i < 4; $i++) {
      const v$g = v128.load(w$g, 8 + 16 * $i);
      const low$g = i8x16.swizzle(values, v128.and(v$g, m15));
      const high$g = i8x16.swizzle(values, v128.and(i16x8.shr_u(v$g, 4), m15));
      const lowEven$g = evenSigned(low$g), lowOdd$g = oddSigned(low$g);
      const highEven$g = evenSigned(high$g), highOdd$g = oddSigned(high$g);
      {
        const y$c = v128.load_splat<u32>(y, 4 * ($C * (1 + 4 * $i) + $c));
        const z$c = v128.load_splat<u32>(y, 4 * ($C * (2 + 4 * $i) + $c));
        plus$g$c = dotSigned(plus$g$c, lowEven$g, lowOdd$g, y$c, z$c, ones);
        minus$g$c = dotMinus(minus$g$c, low$g, z$c);
      }
      {
        const y$c = v128.load_splat<u32>(y, 4 * ($C * (3 + 4 * $i) + $c));
        const z$c = v128.load_splat<u32>(y, 4 * ($C * (4 + 4 * $i) + $c));
        plus$g$c = dotSigned(plus$g$c, highEven$g, highOdd$g, y$c, z$c, ones);
        minus$g$c = dotMinus(minus$g$c, high$g, z$c);
      }
    }
    const dw$g = $exact ? loadFiniteF16x4(w$g) : loadNormalF16x4(w$g);
    {
      const dy$c = v128.load_splat<u32>(y, 4 * $c);
      const total$g$c = f32x4.convert_i32x4_s(settleSigned(plus$g$c, minus$g$c));
      f$g$c = f32x4.add(f$g$c, f32x4.mul(total$g$c, f32x4.mul(dw$g, dy$c)));
    }
    w$g += 72;
    y += $C * 68;
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
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
