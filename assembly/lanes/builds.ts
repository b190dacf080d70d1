// The only folder where the three builds differ. `BUILD` is a constant of asconfig.json, folded at compile time.
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

/**
 * Words of 4 bytes that one column takes for a step of 4 elements in the unsigned forms (activation-forms.ts): the
 * bytes as they are, or, in base, two pairs of i16: elements (0, 2) and (1, 3).
 */
// @ts-ignore: decorator
@inline
export const STEP: i32 = BASE ? 2 : 1;

/**
 * Whether slabs of signed weights are multiplied as i16, with their scales in them (slab.ts), with several columns: where no 8-bit dot adds four
 * products, two i16 dots and two sums a step take less than signs (rel16, with a scale for each group in a register: 72 against 78 GOP/s).
 */
// @ts-ignore: decorator
@inline
export const WIDE: bool = !DOT32;
