// Relaxed instructions on bytes, for operands for which they are defined.

import { BASE } from "./builds";

/** Sums of pairs of bytes of v, 0..127 each, as i16; m1: every byte 1. */
// @ts-ignore: decorator
@inline
export function pairSums(v: v128, m1: v128): v128 {
  return BASE ? i16x8.extadd_pairwise_i8x16_u(v) : v128.relaxed_dot<i16>(m1, v);
}

/** a's bytes where the mask's are 255, b's where they are 0: for these the relaxed instruction is defined. */
// @ts-ignore: decorator
@inline
export function select(a: v128, b: v128, mask: v128): v128 {
  return BASE ? v128.bitselect(a, b, mask) : v128.relaxed_laneselect<i8>(a, b, mask);
}

/** table[index[i]] for every byte; index: 0..15, or 128..255 for 0: for these the relaxed instruction is defined. */
// @ts-ignore: decorator
@inline
export function lookup(table: v128, index: v128): v128 {
  return BASE ? i8x16.swizzle(table, index) : i8x16.relaxed_swizzle(table, index);
}
