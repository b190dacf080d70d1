// The fifth bits of 5-bit codes (Q5_0, Q5_1) in the R4 layouts: byte k (0..3) of a row's word holds, in bit s, the
// bit of element 4s + k, so that one shift brings a whole step's bits under its nibbles. GGUF keeps bit e of a u32.

/** The word of a row from GGUF's qh: bit 4s + k to bit s of byte k. */
export function packFifthBits(qh: u32): u32 {
  let word: u32 = 0;
  for (let s: u32 = 0; s < 8; s++) {
    // the product puts bit k at 8k; copies elsewhere do not overlap
    word |= ((((qh >> (4 * s)) & 15) * 0x00204081) & 0x01010101) << s;
  }
  return word;
}

/** Bit `step` of every byte of h, as 16. m16: load_splat(M16). */
// @ts-ignore: decorator
@inline
export function fifthBits(h: v128, step: i32, m16: v128): v128 {
  return v128.and(step < 4 ? i16x8.shl(h, 4 - step) : i16x8.shr_u(h, step - 4), m16);
}

/** Fifth bit of element e of 32 in lane `lane`, as 16; p: the vector of four words. */
// @ts-ignore: decorator
@inline
export function fifthBitAt(p: usize, lane: u32, e: u32): i32 {
  return ((load<u8>(p + (lane << 2) + (e & 3)) >> (e >> 2)) & 1) << 4;
}
