// Vectors of weights as dots take them: in base the even and the odd bytes apart, as i16; elsewhere as they are.

import { BASE } from "./builds";

/** Bytes 0, 2, .. of unsigned weights as i16 (base), or the weights as they are. evenMask: load_splat(EVEN). */
// @ts-ignore: decorator
@inline
export function even(w: v128, evenMask: v128): v128 {
  return BASE ? v128.and(w, evenMask) : w;
}

/** Bytes 1, 3, .. of unsigned weights as i16 (base); not used elsewhere. */
// @ts-ignore: decorator
@inline
export function odd(w: v128): v128 {
  return BASE ? i16x8.shr_u(w, 8) : w;
}

/** Bytes 0, 2, .. of signed weights as i16. */
// @ts-ignore: decorator
@inline
export function evenI16(w: v128): v128 {
  return i16x8.shr_s(i16x8.shl(w, 8), 8);
}

/** Bytes 1, 3, .. of signed weights as i16. */
// @ts-ignore: decorator
@inline
export function oddI16(w: v128): v128 {
  return i16x8.shr_s(w, 8);
}

/** Bytes 0, 2, .. of signed weights as i16 (base), or the weights as they are. */
// @ts-ignore: decorator
@inline
export function evenSigned(w: v128): v128 {
  return BASE ? i16x8.shr_s(i16x8.shl(w, 8), 8) : w;
}

/** Bytes 1, 3, .. of signed weights as i16 (base); not used elsewhere. */
// @ts-ignore: decorator
@inline
export function oddSigned(w: v128): v128 {
  return BASE ? i16x8.shr_s(w, 8) : w;
}

// Vectors of nibbles go to even and odd bytes in six instructions where `even` and `odd` of both halves take seven.
const NIBBLES: usize = memory.data<u32>([0x0f0f0f0f, 0x000f000f], 16);
/** Address for load_splat<u32>: the mask of the four functions below. */
// @ts-ignore: decorator
@inline
export const NIBBLE: usize = BASE ? NIBBLES + 4 : NIBBLES;

/** `even` of the low nibbles of v. */
// @ts-ignore: decorator
@inline
export function lowEven(v: v128, nibble: v128): v128 {
  return v128.and(v, nibble);
}

/** `odd` of the low nibbles of v. */
// @ts-ignore: decorator
@inline
export function lowOdd(v: v128, nibble: v128): v128 {
  return BASE ? v128.and(i16x8.shr_u(v, 8), nibble) : v;
}

/** `even` of the high nibbles of v. */
// @ts-ignore: decorator
@inline
export function highEven(v: v128, nibble: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), nibble);
}

/** `odd` of the high nibbles of v. */
// @ts-ignore: decorator
@inline
export function highOdd(v: v128): v128 {
  return BASE ? i16x8.shr_u(v, 12) : v;
}
