// Nibble order of the R4 layouts: byte k (0..3) of word i of a row holds element 8i + k below, 8i + 4 + k above, so
// that the two halves of a vector are two consecutive steps of a row. GGUF keeps 16 elements apart instead.

/** 32 codes of a row, elements 0..15 in `first`, 16..31 in `second` (each a byte < 16), as four words. */
// @ts-ignore: decorator
@inline
export function pairNibbles(first: v128, second: v128): v128 {
  const low = v128.shuffle<i32>(first, second, 0, 2, 4, 6);
  const high = v128.shuffle<i32>(first, second, 1, 3, 5, 7);
  return v128.or(low, i16x8.shl(high, 4));
}

/** Stores the four words of lane r of a group: word i at p + 16 i. */
// @ts-ignore: decorator
@inline
export function storeLane(p: usize, words: v128): void {
  v128.store32_lane(p, words, 0, 0);
  v128.store32_lane(p, words, 1, 16);
  v128.store32_lane(p, words, 2, 32);
  v128.store32_lane(p, words, 3, 48);
}

/** 16 bytes of GGUF, elements 0..15 in their low nibbles, 16..31 in the high ones, to the four words of a lane at p. */
// @ts-ignore: decorator
@inline
export function repackNibbles(p: usize, qs: v128): void {
  const m15 = i8x16.splat(15);
  storeLane(p, pairNibbles(v128.and(qs, m15), v128.and(i16x8.shr_u(qs, 4), m15)));
}

/** Code of element e of 32 in lane `lane`; p: four vectors written by storeLane. */
// @ts-ignore: decorator
@inline
export function nibbleAt(p: usize, lane: u32, e: u32): i32 {
  return (load<u8>(p + ((e >> 3) << 4) + (lane << 2) + (e & 3)) >> (e & 4)) & 15;
}
