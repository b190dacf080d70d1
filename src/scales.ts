// Which half floats of a quantised block are scales, and whether they are numbers. The kernels take block scales for
// finite (assembly/half.ts): a NaN or an infinity there, which only a damaged file has, would become a large number and
// pass unnoticed. So loading looks at each one. Offsets: LAYOUTS.md, and the drawings in assembly/quants.

import type { GgmlType } from "../formats/types.ts";

/** Byte offsets of f16 scales in a block. Types that are absent have none, or not as plain f16: their kernels keep a NaN. */
const SCALES: Partial<Record<string, readonly number[]>> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ2_XXS: [0],
  IQ2_XS: [0],
  IQ2_S: [0],
  IQ3_XXS: [0],
  IQ3_S: [0],
  IQ1_S: [0],
  IQ4_NL: [0],
  IQ4_XS: [0],
  TQ1_0: [52],
  TQ2_0: [64],
  Q1_0: [0],
  Q2_0: [0],
  Q6_0: [0],
  IQ2_K: [0],
  IQ3_K: [0],
  IQ4_K: [0],
  IQ5_K: [0],
  IQ6_K: [0],
};

/** All ones in the exponent of an f16: infinity or NaN. */
const NOT_FINITE = 0x7c00;

/** Byte offset of the first scale in `bytes` (whole blocks, at an even address) that is no finite number; -1: all are. */
export function findBadScale(type: GgmlType, bytes: Uint8Array): number {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1),
    stride = type.typeSize >> 1;
  let first = -1;
  for (const offset of SCALES[type.name] ?? []) {
    for (let i = offset >> 1; i < halves.length; i += stride) {
      if ((halves[i] & NOT_FINITE) !== NOT_FINITE) continue;
      if (first < 0 || i < first) first = i;
      break;
    }
  }
  return first < 0 ? -1 : first * 2;
}
