// The forms of activations, the right operand of a matmul: quantised once (activations.ts) and laid out in the order in which a tile
// reads it, C columns (tokens) side by side.
//
// Every block of 32 (256) elements of a column becomes int8: d = amax / 127, q = round to nearest even(x / d).
// Blocks, each field for C columns in turn; a step is 4 consecutive elements:
//   f32         no blocks: [K][C] f32
//   q8x32       [d f32][-sum q, i32][8 steps]                           C * (8 + 32 * STEP) bytes
//   q8x256      [d f32][4 x (i16, i16)][16 x -sum of 16 q, i32][64 steps]   84 + 256 * STEP, of one column
//               [d f32][4 x (i16, i16)][8 x (i16, i16)][16 starts][64 steps]   C * (116 + 256 * STEP), of several
//               the first i16 pairs are sums of 32: sub-blocks (0, 2), (1, 3), (4, 6), (5, 7); the other of 16: (0, 1), (2, 3) ..
//   q8x16       [d f32] twice [start][4 steps]                          C * (12 + 32 * STEP)
//   q8x32Folded [d f32][sum of |q| where q < 0, i32][8 steps, |q| and signs]  C * 72
// Of several columns:
//   q8x256Pairs [d f32][STARTS starts][64 steps]                        C * (4 + 4 * STARTS + 256 * STEP)
//   q8x256Signs [d f32][8 x (i16, i16)][64 steps, |q| and signs]        C * 548; where a build is WIDE without the sums, C * 516
//               the i16 pairs are sums of |q| where q < 0 of 16: sub-blocks (0, 1), (2, 3) ..
// A step of one column is 4 bytes q; in base (lanes/builds.ts) two words, the i16 pairs (q0, q2) and (q1, q3), all columns'
// first words before their second. |q| and signs (255 where q < 0) are two words in that order; in base, and in q8x256Signs
// where a build is WIDE, the i16 pairs; the sum of q8x32Folded is 0 then.
// A start is what an offset of 64 (q8x16: 16) makes of 16 elements: -64 times their sum, i32. rel16: in two i16, of elements 4n, 4n + 1 and of
// 4n + 2, 4n + 3, where the two sums of a dot begin; in q8x256Pairs of 8 elements.
//
// Of one column:
//   q8x256Folded  [d f32][16 words][8 words][64 steps, |q| and signs]   612 bytes, for folded.ts, as the following
//     words: for sub-blocks 4i .. 4i + 3 of 16, four: i16 pairs of the sums of |q| where q < 0, (0, 2) and (1, 3), then of the
//     sums of q; then the same of sub-blocks of 32. Signs: 255 where q < 0. In base the i16 pairs, the sums of |q| 0
//   q8x256Paired  [d f32][8 words][4 words][64 steps]                   52 + 256 * STEP: only the sums of q
//   q8x256Octets  the same, but the two steps of 8 elements are those with even numbers and those with odd ones
//   q8x256Trellis  as q8x256Paired
//   q8x256Quads   [d f32, 12 bytes][4 x 4 sums, i16][4 x 16 B starts][16 x 16 B steps]     112 + 256 * STEP, aligned to 16
//     all in the order of quads.ts: sub-blocks of 16 of a quad in i32 lanes, four vectors of elements 4n .. 4n + 3 of each; in base
//     two vectors each, (q0, q2) and (q1, q3). Sums of lanes 0, 2, 1, 3. starts: -sum of a lane, i32; rel16: two i16, -sum of the first
//     and of the last two of every four elements

import { STEP, WIDE } from "../lanes/builds";
import { STARTS } from "../lanes/dots";

/** Forms of one column or of several; what packFormat (types.ts) gives is the one, and 256 times the other. */
export enum Form {
  f32 = 0,
  q8x32 = 1,
  q8x32Folded = 2,
  q8x16 = 3,
  q8x256 = 4,
  q8x256Pairs = 5,
  q8x256Signs = 6,
  q8x256Folded = 7,
  q8x256Paired = 8,
  q8x256Octets = 9,
  q8x256Trellis = 10,
  q8x256Quads = 11,
}

/** The form that a format has for `columns` columns. */
// @ts-ignore: decorator
@inline
export function formOf(format: u32, columns: u32): u32 {
  return columns > 1 ? format >> 8 : format & 255;
}

/** A block of q8x256 of one column: d, four pairs of sums of 32, 16 sums of 16, the steps in order. */
export enum Column { bytes = 84 + 256 * STEP, pairs = 4, sums = 20, steps = 84 }

/** A block of q8x256Quads. */
export enum Quads { bytes = 112 + 256 * STEP, sums16 = 16, starts = 48, steps = 112 }

/** Bytes of a q8x256 block of `columns` columns before its steps. */
// @ts-ignore: decorator
@inline
export function headBytes(columns: u32): u32 {
  return columns == 1 ? 84 : columns * HEAD;
}
/** Bytes of one of several columns before the steps of q8x256, q8x256Pairs and q8x256Signs. */
export const HEAD: u32 = 116, HEAD_PAIRS: u32 = 4 + 4 * STARTS, HEAD_SIGNS: u32 = WIDE ? 4 : 36;

/** A packing can be cut between units: elements of one unit. */
export enum PackUnit { elements = 256 }

/** Columns of a prefill tile (T); decode tiles have one. */
export function tileColumns(format: u32): u32 {
  return 4;
}

/** Elements of a block of the form. */
export function blockElements(form: u32): u32 {
  switch (form) {
    case Form.q8x32:
    case Form.q8x32Folded:
    case Form.q8x16: return 32;
    default: return 256;
  }
}

/** Bytes of a block of the form, of `columns` columns. */
export function blockBytes(form: u32, columns: u32): u32 {
  switch (form) {
    case Form.q8x32: return columns * (8 + 32 * STEP);
    case Form.q8x32Folded: return columns * 72;
    case Form.q8x16: return columns * (12 + 32 * STEP);
    case Form.q8x256: return headBytes(columns) + columns * 256 * STEP;
    case Form.q8x256Pairs: return columns * (HEAD_PAIRS + 256 * STEP);
    case Form.q8x256Signs: return columns * (HEAD_SIGNS + 512);
    case Form.q8x256Folded: return 612;
    case Form.q8x256Quads: return Quads.bytes;
    default: return 52 + 256 * STEP;
  }
}

/** Bytes of a tile of `columns` columns of k elements. */
export function packTileBytes(format: u32, columns: u32, k: u32): u32 {
  const form = formOf(format, columns);
  if (form == Form.f32) return columns * k * 4;
  return k / blockElements(form) * blockBytes(form, columns);
}

/** Units of PackUnit.elements in k elements; the last may be shorter. */
export function packUnits(format: u32, k: u32): u32 {
  return (k + PackUnit.elements - 1) / PackUnit.elements;
}
