// The loop by which the host tells which relaxed dot product is an instruction here and which is emulated (src/kernels/probe.ts):
// that of the 4-bit types with four columns, without the rest of a tile. A module of its own (assembly/build.mjs): it is compiled at
// once and optimised within a look, and of the whole kernels only the chosen build is compiled.

import { dot, settle } from "../lanes/dots";
import { NIBBLE, highEven, highOdd, lowEven, lowOdd } from "../lanes/even-odd";
import { ONES } from "../lanes/masks";

/** Vectors of nibbles: 4 rows by 32 elements, a sub-block of Q4_K. */
const VECTORS: u32 = 4;

/** Where operands may lie: everything below belongs to constants. */
export function heapBase(): usize {
  return __heap_base;
}

/** Multiplies the 64 bytes of nibbles at w by the 64 words at y, `rounds` times; the sum of all lanes, modulo 2^32. */
export function dotLoop(w: usize, y: usize, rounds: u32): u32 {
  const nibble = v128.load_splat<u32>(NIBBLE), ones = v128.load_splat<u32>(ONES), zero = i32x4.splat(0);
  let total = zero;
  for (let round: u32 = 0; round < rounds; round++) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
    for (let i: u32 = 0; i < VECTORS; i++) {
      const q = v128.load(w + (<usize>i << 4)), at = y + (<usize>i << 6);
      const lowE = lowEven(q, nibble), lowO = lowOdd(q, nibble), highE = highEven(q, nibble), highO = highOdd(q);
      const y0 = v128.load_splat<u32>(at), y1 = v128.load_splat<u32>(at, 4);
      const y2 = v128.load_splat<u32>(at, 8), y3 = v128.load_splat<u32>(at, 12);
      a0 = dot(false, a0, lowE, lowO, y0, y0);
      a1 = dot(false, a1, lowE, lowO, y1, y1);
      a2 = dot(false, a2, lowE, lowO, y2, y2);
      a3 = dot(false, a3, lowE, lowO, y3, y3);
      a0 = dot(false, a0, highE, highO, y3, y3);
      a1 = dot(false, a1, highE, highO, y2, y2);
      a2 = dot(false, a2, highE, highO, y1, y1);
      a3 = dot(false, a3, highE, highO, y0, y0);
    }
    const sum01 = i32x4.add(settle(zero, a0, ones), settle(zero, a1, ones));
    const sum23 = i32x4.add(settle(zero, a2, ones), settle(zero, a3, ones));
    total = i32x4.add(total, i32x4.add(sum01, sum23));
  }
  const sum = i32x4.add(total, v128.shuffle<i32>(total, total, 2, 3, 0, 1));
  return i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1);
}
