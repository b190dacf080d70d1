// Which numbers of a tensor's bytes are scales, and whether they are finite. The kernels take block scales for finite
// (assembly/half.ts): a NaN or an infinity there, which only a damaged file has, would become a large number and pass
// unnoticed. So loading looks at each one, in the rows as the file has them. Offsets: LAYOUTS.md, and the drawings in
// assembly/quants. NVFP4's scales have no such values; plain numbers (F32, F16, BF16) are left to the run, which names the op.

import type { GgmlType } from "../formats/types.ts";
import { plainType } from "./interleaved/index.ts";

/** Byte offsets of f16 scales in a block. */
const HALVES: Partial<Record<string, readonly number[]>> = {
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

/** All ones in the exponent of an f16: infinity or NaN. The same of an f32. */
const HALF_NOT_FINITE = 0x7c00,
  FLOAT_NOT_FINITE = 0x7f800000;
/** From here on MXFP4's largest code, 12, times 2^(e - 128) is no finite f32. */
const E8M0_TOO_LARGE = 253;

/**
 * Byte offset of the first scale in `bytes` that is no finite number; -1: all are. bytes: at an even address, whole blocks,
 * or whole rows of `rowBytes` bytes (of an interleaved type whole bundles) where the type has row scales.
 */
export function findBadScale(type: GgmlType, bytes: Uint8Array, rowBytes: number): number {
  const { rowsInterleaved: rows, rowMetaBytes } = type;
  if (rowMetaBytes > 0) return findBadRowScale(type, bytes, rowBytes);
  if (type.name === "IQ1_M") return findBadSpreadHalf(bytes, type.typeSize);
  const plain = plainType(type).name;
  if (plain === "MXFP4") return findBadExponent(bytes, type.typeSize * rows, rows);
  const offsets = HALVES[plain] ?? [];
  // an interleaved block begins with the scales of all its rows
  return findBadHalf(
    bytes,
    type.typeSize * rows,
    rows === 1 ? offsets : Array.from({ length: offsets.length * rows }, (_, i) => 2 * i),
  );
}

/** Whether these four bytes are a finite f32. */
export const isFiniteFloat = (view: DataView, at: number): boolean =>
  (view.getUint32(at, true) & FLOAT_NOT_FINITE) !== FLOAT_NOT_FINITE;

function findBadHalf(bytes: Uint8Array, blockBytes: number, offsets: readonly number[]): number {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1),
    stride = blockBytes >> 1;
  let first = -1;
  for (const offset of offsets) {
    for (let i = offset >> 1; i < halves.length; i += stride) {
      if ((halves[i] & HALF_NOT_FINITE) !== HALF_NOT_FINITE) continue;
      if (first < 0 || i < first) first = i;
      break;
    }
  }
  return first < 0 ? -1 : first * 2;
}

/** Row scales, f16 or f32, lead a row; those of a bundle stand side by side. Q8_KV has a sum after its f32. */
function findBadRowScale(
  { rowMetaBytes, rowsInterleaved }: GgmlType,
  bytes: Uint8Array,
  rowBytes: number,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let bundle = 0; bundle < bytes.length; bundle += rowBytes * rowsInterleaved) {
    for (let row = 0; row < rowsInterleaved; row++) {
      const at = bundle + row * rowMetaBytes;
      const finite =
        rowMetaBytes === 2
          ? (view.getUint16(at, true) & HALF_NOT_FINITE) !== HALF_NOT_FINITE
          : isFiniteFloat(view, at);
      if (!finite) return at;
    }
  }
  return -1;
}

/** IQ1_M: the exponent of its f16 is in the top bits of the third and fourth u16 at 48. */
function findBadSpreadHalf(bytes: Uint8Array, blockBytes: number): number {
  for (let at = 48; at < bytes.length; at += blockBytes)
    if ((bytes[at + 5] & 0xc0) === 0xc0 && (bytes[at + 7] & 0x70) === 0x70) return at;
  return -1;
}

/** MXFP4: a byte for each row at the start of a block. */
function findBadExponent(bytes: Uint8Array, blockBytes: number, rows: number): number {
  for (let block = 0; block < bytes.length; block += blockBytes)
    for (let at = block; at < block + rows; at++) if (bytes[at] >= E8M0_TOO_LARGE) return at;
  return -1;
}
