// One column of signed weights (folded.ts): w.y = (w ^ s).|y| + N, s being 255 where y < 0 and N the sum of |y| there, since
// w ^ 255 = -w - 1. Magnitudes fit 7 bits: one dot a step where y+ and y- take two. base: (even, odd) pairs, N is 0.

import { BASE, DOT32, REL16 } from "./builds";
import { lookup } from "./bytes";
import { evenSigned, oddSigned } from "./even-odd";

/** One step; y, s: |y| and s, or the pairs; k: the scales, from spreadScales. 2 * 128 * 127 = 32512 fits i16. */
// @ts-ignore: decorator
@inline
export function scaledFolded(acc: v128, w: v128, y: v128, s: v128, k: v128): v128 {
  return addOdd(foldedStep(acc, evenSigned(w), y, s, k), oddSigned(w), s);
}

/** The same step of several columns, but for base's odd bytes. */
// @ts-ignore: decorator
@inline
export function foldedStep(acc: v128, wEven: v128, y: v128, s: v128, k: v128): v128 {
  if (BASE) return i32x4.add(acc, i32x4.dot_i16x8_s(wEven, y));
  if (DOT32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.xor(wEven, s), y, acc);
  return i32x4.add(acc, i32x4.dot_i16x8_s(v128.relaxed_dot<i16>(v128.xor(wEven, s), y), k));
}

/** The total of scaledFolded begins with N, at p. */
// @ts-ignore: decorator
@inline
export function foldedStart(p: usize): v128 {
  return BASE ? i32x4.splat(0) : v128.load_splat<u32>(p);
}

/** The total and what scaledFolded has added up from zero for a sub-block. */
// @ts-ignore: decorator
@inline
export function addFolded(total: v128, acc: v128, k: v128): v128 {
  return i32x4.add(total, REL16 ? acc : i32x4.mul(acc, k));
}

/** The products of the odd bytes, which in base come apart: fewer vectors live at once. */
// @ts-ignore: decorator
@inline
export function addOdd(acc: v128, wOdd: v128, yOdd: v128): v128 {
  return BASE ? i32x4.add(acc, i32x4.dot_i16x8_s(wOdd, yOdd)) : acc;
}

const SPREADS: usize = memory.data<u8>([
  128, 0, 128, 0, 128, 1, 128, 1, 128, 2, 128, 2, 128, 3, 128, 3,
  128, 128, 128, 0, 128, 128, 128, 1, 128, 128, 128, 2, 128, 128, 128, 3,
  128, 0, 128, 0, 128, 4, 128, 4, 128, 8, 128, 8, 128, 12, 128, 12,
  128, 1, 128, 1, 128, 5, 128, 5, 128, 9, 128, 9, 128, 13, 128, 13,
  128, 2, 128, 2, 128, 6, 128, 6, 128, 10, 128, 10, 128, 14, 128, 14,
  128, 3, 128, 3, 128, 7, 128, 7, 128, 11, 128, 11, 128, 15, 128, 15,
  128, 128, 128, 0, 128, 128, 128, 4, 128, 128, 128, 8, 128, 128, 128, 12,
  128, 128, 128, 1, 128, 128, 128, 5, 128, 128, 128, 9, 128, 128, 128, 13,
  128, 128, 128, 2, 128, 128, 128, 6, 128, 128, 128, 10, 128, 128, 128, 14,
  128, 128, 128, 3, 128, 128, 128, 7, 128, 128, 128, 11, 128, 128, 128, 15,
], 16);
/** Address of the mask of spreadScales; of four masks, for byte k of each lane at 16k. */
// @ts-ignore: decorator
@inline
export const SPREAD: usize = REL16 ? SPREADS : SPREADS + 16;
// @ts-ignore: decorator
@inline
export const SPREAD_BYTE: usize = REL16 ? SPREADS + 32 : SPREADS + 96;

/** Four bytes, as signed numbers, a lane each, as factorPair gives them: the lowest (spread: load(SPREAD)), or a byte of each lane. */
// @ts-ignore: decorator
@inline
export function spreadScales(bytes: v128, spread: v128): v128 {
  // indices of 128 and more give 0 in the relaxed instruction, too
  const top = lookup(bytes, spread);
  return REL16 ? i16x8.shr_s(top, 8) : i32x4.shr_s(top, 24);
}
