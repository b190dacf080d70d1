// Order of 2-bit codes in the R4 layouts: byte k (0..3) of a row's word holds, in bits 2n and 2n + 1, element 4n + k of
// 16, so that one shift brings a whole step to the low bits.

import { settle, startAt } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { addProduct, addStep } from "./tile-parts";

/** The word of 16 codes, each a byte < 4. */
// @ts-ignore: decorator
@inline
export function packTwoBits(q: v128): u32 {
  const low = i32x4.extract_lane(q, 0) | (i32x4.extract_lane(q, 1) << 2);
  return low | (i32x4.extract_lane(q, 2) << 4) | (i32x4.extract_lane(q, 3) << 6);
}

/** Code of element e of 16; word: address of the row's word. */
// @ts-ignore: decorator
@inline
export function twoBitsAt(word: usize, e: u32): i32 {
  return (<u32>load<u8>(word + (e & 3)) >> ((e >> 2) << 1)) & 3;
}

/**
 * 32 weights of 2 bits, code - 1, times a block of q8x32: acc = sum q * y - sum y, f = f + acc * (d_w * d_y).
 * @part
 */
export function addTwoBits(
  f$g$c: v128, w$g: usize, d$g: v128, y: usize, zero: v128, m3: v128, evenMask: v128, ones: v128,
): void {
  const start$c = startAt(v128.load_splat<u32>(y, 4 * ($C + $c)));
  let a$g$c = start$c;
  for (let $n = 0; $n < 8; $n++) {
    const v$g = v128.load(w$g, 16 * ($n >> 2));
    const u$g = v128.and($n % 4 == 0 ? v$g : i16x8.shr_u(v$g, 2 * ($n % 4)), m3);
    const qEven$g = even(u$g, evenMask), qOdd$g = odd(u$g);
    addStep(a$g$c, false, qEven$g, qOdd$g, y, 2, $n);
  }
  addProduct(f$g$c, settle(zero, a$g$c, ones), d$g, y);
}
