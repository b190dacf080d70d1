// The only file where the three builds differ. `BUILD` is a constant of asconfig.json, folded at compile time.
//   dot32  8-bit relaxed dot, four products added in an i32 lane (vpdpbusd, SDOT)
//   rel16  8-bit relaxed dot, two products in an i16 lane (pmaddubsw), collected in i16 and widened rarely
//   base   SIMD128 only: i16 pairs, the even and the odd bytes of a vector apart
// Relaxed dots are used only where one operand fits 7 bits and no lane can saturate: their result is then defined.

// @ts-ignore: decorator
@inline
export const DOT32: bool = BUILD == 0;
// @ts-ignore: decorator
@inline
export const REL16: bool = BUILD == 1;
// @ts-ignore: decorator
@inline
export const BASE: bool = BUILD == 2;
