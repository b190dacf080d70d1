// Order of 2-bit codes in the R4 layouts: byte k (0..3) of a row's word holds, in bits 2n and 2n + 1, element 4n + k of
// 16, so that one shift brings a whole step to the low bits.

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
