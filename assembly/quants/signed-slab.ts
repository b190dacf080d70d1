// Slabs of types with blocks of 32 signed weights of 8 bits and one scale (Q8_0, Q8_KV, IQ4_NL): for several columns, four rows are unpacked
// once into plain bytes in cache (matmul/unpacked.ts). The sums are those of the one-column tiles, in the same order.
//
// Slab of a block of 32, 144 bytes, as in offset-slab.ts:
//   0    [4 f32]    d
//   16   [8 x 16 B] vector n, byte 4r + k: row r, element 4n + k, i8

import { loadFiniteF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { evenSigned, oddSigned } from "../lanes/even-odd";
import { addOdd, foldedStep } from "../lanes/folded";
import { ONES } from "../lanes/masks";
import { addProduct } from "./tile-parts";

/**
 * One tile, added to what `out` holds: acc = sum w * y, f = f + acc * (d_w * d_y). The columns are magnitudes and signs
 * (activation-forms.ts, q8x32Folded): w.y = (w ^ s).|y| + N, where acc begins. rel16: an xor, a product of bytes, one of i16 and a sum for 16
 * products, of which a Zen 4 does 0.86 a cycle; of two products of i16 and two sums 0.77. q8_0Tiles: R4 blocks of Q8_0, for few tiles.
 * @tiles 2x4 1x4
 * @of signed32Slab d=v128.load codes=16 bytes=144, q8_0Tiles d=loadFiniteF16x4 codes=8 bytes=136
 */
function signed32(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 5;
  const ones = v128.load_splat<u32>(ONES);
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let b: u32 = 0; b < nb; b++) {
    const head = y;
    const start$c = v128.load_splat<u32>(y, 4 * ($C + $c));
    let a$g$c = start$c;
    y += 8 * $C;
    for (let $n = 0; $n < 8; $n++) {
      const q$g = v128.load(w$g, $codes + 16 * $n);
      const qEven$g = evenSigned(q$g);
      {
        const y$c = v128.load_splat<u32>(y, 4 * $c), s$c = STEP == 1 ? v128.load_splat<u32>(y, 4 * ($C + $c)) : y$c;
        a$g$c = foldedStep(a$g$c, qEven$g, y$c, s$c, ones);
      }
      const qOdd$g = oddSigned(q$g);
      {
        const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C + $c)) : ones;
        a$g$c = addOdd(a$g$c, qOdd$g, z$c);
      }
      y += 8 * $C;
    }
    const d$g = $d(w$g);
    addProduct(f$g$c, a$g$c, d$g, head);
    w$g += $bytes;
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}
