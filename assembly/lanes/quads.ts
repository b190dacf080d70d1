// One column times rows whose i32 lanes are sub-blocks (quants/quads.ts).

import { REL16 } from "./builds";

/** An accumulator of `dot` that begins at 2^shift times what the packing holds. */
// @ts-ignore: decorator
@inline
export function startOfQuad(v: v128, shift: i32): v128 {
  return REL16 ? i16x8.shl(v, shift) : i32x4.shl(v, shift);
}

/** i16 lanes 0..3 as factors for addScaled. */
// @ts-ignore: decorator
@inline
export function lowFactors(v: v128): v128 {
  return REL16 ? v128.shuffle<i16>(v, v, 0, 0, 1, 1, 2, 2, 3, 3) : i32x4.extend_low_i16x8_s(v);
}

/** i16 lanes 4..7. */
// @ts-ignore: decorator
@inline
export function highFactors(v: v128): v128 {
  return REL16 ? v128.shuffle<i16>(v, v, 4, 4, 5, 5, 6, 6, 7, 7) : i32x4.extend_high_i16x8_s(v);
}
