// Products of the types that keep rows apart (quants/quads.ts) with a tile of four columns alone: the columns are put in the order of
// quads, a few blocks at a time, and multiplied together. (Several tiles: unpacked.ts.)

import { REL16, STEP, startOf } from "../lanes";
import { Column, Quads } from "../quants/activations";
import { words } from "../quants/quads";
import { GgmlType, blockBytes } from "../quants/types";
import { q2_KColumns, q3_KColumns, q6_KColumns } from "./tiles.generated";

/** Blocks of 256 put in order together: 24 KB, 40 in base. */
const BLOCKS: u32 = 16;

export enum QuadTile { bytes = 64 * Quads.bytes }

/** nGroups R4 groups times a packed tile of four columns; output as in matmulTiles. part: QuadTile.bytes of this thread's own. */
export function quadTile(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, out: usize, outStride: usize, part: usize,
): void {
  for (let c: u32 = 0; c < 4; c++) memory.fill(out + <usize>c * outStride, 0, nGroups << 4);
  for (let nb = k >> 8; nb > 0; ) {
    const n = min(BLOCKS, nb);
    columnsToQuads(type, y, n, part);
    multiply(type, nGroups, w, groupBytes, n << 8, part, out, outStride);
    y += <usize>n * 4 * Column.bytes;
    w += <usize>n * 4 * blockBytes(type);
    nb -= n;
  }
}

/** Adds the products of k weights of each row to what `out` holds. */
function multiply(
  type: u32, nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, out: usize, outStride: usize,
): void {
  switch (type) {
    case GgmlType.Q2_K: return q2_KColumns(nGroups, w, groupBytes, k, y, 4, out, outStride);
    case GgmlType.Q3_K: return q3_KColumns(nGroups, w, groupBytes, k, y, 4, out, outStride);
    case GgmlType.Q6_K: return q6_KColumns(nGroups, w, groupBytes, k, y, 4, out, outStride);
    default: unreachable();
  }
}

/** The codes of quad q, as they are multiplied, are larger than the weights by 2 to this power. */
// @ts-ignore: decorator
@inline
function offsetShift(type: u32, q: u32): i32 {
  return type == GgmlType.Q3_K && (q & 1) == 0 ? 2 : 5;
}

/**
 * nb blocks of q8x256 of four columns to blocks of q8x256Quads, those of four columns side by side. The first has d of all four;
 * starts are multiplied by the offset, since they meet every row.
 */
function columnsToQuads(type: u32, tile: usize, nb: u32, dst: usize): void {
  for (; nb > 0; nb--, tile += 4 * Column.bytes, dst += 4 * Quads.bytes) {
    v128.store(dst, v128.load(tile));
    for (let q: u32 = 0; q < 4; q++) {
      // sub-blocks of a quad are every other one of eight
      const first = ((q >> 1) << 3) + (q & 1);
      quadOfTile(
        tile + (first << 4) + 4 * Column.sums, tile + (first << 6) * STEP + 4 * Column.steps, offsetShift(type, q),
        dst + (q << 3), dst + (q << 4), dst + (q << 6) * STEP,
      );
    }
  }
}

/** A quad, its sums, starts and steps, from four columns side by side. */
function quadOfTile(sums: usize, steps: usize, shift: i32, to16: usize, toStart: usize, toSteps: usize): void {
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (const end = steps + 64 * STEP; steps < end; steps += 16, toSteps += 16) {
    const a = v128.load(steps), b = v128.load(steps, 128 * STEP), c = v128.load(steps, 256 * STEP), d = v128.load(steps, 384 * STEP);
    const y0 = words(0, a, b, c, d), y1 = words(1, a, b, c, d), y2 = words(2, a, b, c, d), y3 = words(3, a, b, c, d);
    v128.store(toSteps, y0, Quads.steps);
    v128.store(toSteps, y1, Quads.steps + Quads.bytes);
    v128.store(toSteps, y2, Quads.steps + 2 * Quads.bytes);
    v128.store(toSteps, y3, Quads.steps + 3 * Quads.bytes);
    if (REL16) {
      s0 = i16x8.sub(s0, i16x8.extadd_pairwise_i8x16_s(y0));
      s1 = i16x8.sub(s1, i16x8.extadd_pairwise_i8x16_s(y1));
      s2 = i16x8.sub(s2, i16x8.extadd_pairwise_i8x16_s(y2));
      s3 = i16x8.sub(s3, i16x8.extadd_pairwise_i8x16_s(y3));
    }
  }
  const a = v128.load(sums), b = v128.load(sums, 32), c = v128.load(sums, 64), d = v128.load(sums, 96);
  storeSums(words(0, a, b, c, d), s0, shift, to16, toStart);
  storeSums(words(1, a, b, c, d), s1, shift, to16 + Quads.bytes, toStart + Quads.bytes);
  storeSums(words(2, a, b, c, d), s2, shift, to16 + 2 * Quads.bytes, toStart + 2 * Quads.bytes);
  storeSums(words(3, a, b, c, d), s3, shift, to16 + 3 * Quads.bytes, toStart + 3 * Quads.bytes);
}

/** less: -sums of the four sub-blocks of a column; pairs: the same of each half lane (rel16). */
// @ts-ignore: decorator
@inline
function storeSums(less: v128, pairs: v128, shift: i32, to16: usize, toStart: usize): void {
  const sums = i32x4.neg(less);
  const ordered = v128.shuffle<i32>(sums, sums, 0, 2, 1, 3);
  v128.store64_lane(to16, i16x8.narrow_i32x4_s(ordered, ordered), 0, Quads.sums16);
  v128.store(toStart, startOf(REL16 ? pairs : less, shift), Quads.starts);
}
