// Quads: how rows lie side by side in types whose one-column product keeps them apart (Q2_K, Q3_K, Q6_K). A vector holds four
// sub-blocks of 16 of one row, an i32 lane each, so that the four rows of a group share plain loads of the activations, and the lanes of
// a row are added up once per 256 weights. (One row a lane wants a broadcast load, two instructions in V8, for every four weights a row:
// Q6_K 24 and 30 Gweights/s. Q4_K would go from 36 to 41, but a tile of four columns alone, for which rows must be lanes, from 128 GOP/s to 100.)
//
// Lane i of quad q = 0..3 is sub-block 8 * (q / 2) + 2i + q % 2; vector n of a quad has elements 4n .. 4n + 3 of each. Activations in the
// same order: q8x256Quads (activation-forms.ts). For several columns rows go to lanes (storeRows) in slabs (k-slab.ts, slab.ts).
//
// Four 6-bit codes in three bytes: v0 .. v2 have the first three in bits 0-5, and in bits 6-7 what makes
// (v0 >> 2) ^ (v1 >> 4) ^ (v2 >> 6) the fourth, in i16 lanes: nothing need be masked before (9 instructions for four vectors, not 11).

/** 16 bytes, one a sub-block, in the order of quads. */
// @ts-ignore: decorator
@inline
export function quadOrder(v: v128): v128 {
  return v128.shuffle<i8>(v, v, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
}

/** Sub-block (of 16) in lane i of quad q. */
// @ts-ignore: decorator
@inline
export function subBlockOf(q: u32, i: u32): u32 {
  return ((q >> 1) << 3) + (i << 1) + (q & 1);
}

/** Word n = 0..3 of four vectors, side by side. */
// @ts-ignore: decorator
@inline
export function words(n: i32, a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = n < 2 ? v128.shuffle<i32>(a, b, 0, 4, 1, 5) : v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd = n < 2 ? v128.shuffle<i32>(c, d, 0, 4, 1, 5) : v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  return n & 1 ? v128.shuffle<i64>(ab, cd, 1, 3) : v128.shuffle<i64>(ab, cd, 0, 2);
}

/** One vector of each row of a quad to the slab vectors of its four sub-blocks, 128 bytes apart. */
// @ts-ignore: decorator
@inline
export function storeRows(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(to, words(0, a, b, c, d));
  v128.store(to, words(1, a, b, c, d), 128);
  v128.store(to, words(2, a, b, c, d), 256);
  v128.store(to, words(3, a, b, c, d), 384);
}

/** The sums of the lanes of four vectors. */
// @ts-ignore: decorator
@inline
export function sumLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

/** The fourth 6-bit code of v0, v1, v2, and something in bits 6-7. */
// @ts-ignore: decorator
@inline
export function fourthBits(v0: v128, v1: v128, v2: v128): v128 {
  return v128.xor(v128.xor(i16x8.shr_u(v0, 2), i16x8.shr_u(v1, 4)), i16x8.shr_u(v2, 6));
}

/** The fourth 6-bit code of v0, v1, v2. */
// @ts-ignore: decorator
@inline
export function fourth(v0: v128, v1: v128, v2: v128, m63: v128): v128 {
  return v128.and(fourthBits(v0, v1, v2), m63);
}

/** Stores v0, v1, v2 of four vectors of 6-bit codes. */
export function storeSixBits(p: usize, q0: v128, q1: v128, q2: v128, q3: v128): void {
  // bits 4-5 go to v0, 2-3 to v1, 0-1 to v2
  const spare = v128.xor(q3, fourthBits(q0, q1, q2));
  v128.store(p, v128.or(q0, i16x8.shl(v128.and(spare, i8x16.splat(0x30)), 2)));
  v128.store(p, v128.or(q1, i16x8.shl(v128.and(spare, i8x16.splat(0x0c)), 4)), 16);
  v128.store(p, v128.or(q2, i16x8.shl(v128.and(spare, i8x16.splat(0x03)), 6)), 32);
}

/** The same of a lane's four words. */
export function storeSixBitWords(p: usize, q0: u32, q1: u32, q2: u32, q3: u32): void {
  const spare = q3 ^ ((q0 >> 2) & 0x3fff3fff) ^ ((q1 >> 4) & 0x0fff0fff) ^ ((q2 >> 6) & 0x03ff03ff);
  store<u32>(p, q0 | ((spare & 0x30303030) << 2));
  store<u32>(p, q1 | ((spare & 0x0c0c0c0c) << 4), 16);
  store<u32>(p, q2 | ((spare & 0x03030303) << 6), 32);
}

/** Code n = 0..3 of lane byte at p, p + 16 and p + 32; p: an even byte of v0, or an odd one. */
export function sixBitsAt(p: usize, n: u32): u32 {
  if (n < 3) return load<u8>(p + (n << 4)) & 63;
  // the upper byte of an i16 has nothing above it
  const pair = p & ~1, shift: u32 = p & 1 ? 8 : 0;
  return (((load<u16>(pair) >> 2) ^ (load<u16>(pair, 16) >> 4) ^ (load<u16>(pair, 32) >> 6)) >> shift) & 63;
}
