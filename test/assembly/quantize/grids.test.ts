// The room that grids.mjs gives the neighbour lists of the grid searches (assembly/quantize/grid.ts), counted anew.

import { expect, it } from "vitest";
import { GRIDS, gridCodes } from "../../../assembly/quants/tables/grids.mjs";

/** Distances whose points are neighbours: `wantedDistances` of grid.ts, as ggml has them. */
const WANTED = { iq2xxs: 2, iq2xs: 2, iq2s: 1, iq1s: 3, iq3xxs: 2, iq3s: 3 } as const;

/** Of every code that is no point: a count, and the points at its nearest distances. */
function listLength(name: keyof typeof GRIDS): number {
  const { values, bits, width } = GRIDS[name],
    digits = values.length;
  const digitOf = (code: number, i: number) => (code >> (bits * i)) & ((1 << bits) - 1);
  const codes = gridCodes(name),
    points = codes.map((code) => Uint8Array.from({ length: width }, (_, i) => digitOf(code, i))),
    onGrid = new Set(codes);
  let length = 0;
  for (let code = 0; code < 1 << (bits * width); code++) {
    const at = Array.from({ length: width }, (_, i) => digitOf(code, i));
    if (onGrid.has(code) || at.some((digit) => digit >= digits)) continue;
    // by squared distance of values in the step of the grid, which the digits are
    const counts = new Uint32Array(width * digits * digits);
    for (const point of points) {
      let distance = 0;
      for (let i = 0; i < width; i++) distance += (point[i]! - at[i]!) ** 2;
      counts[distance]!++;
    }
    length +=
      1 +
      counts
        .filter((n) => n > 0)
        .subarray(0, WANTED[name])
        .reduce((a, b) => a + b, 0);
  }
  return length;
}

it.each(Object.keys(GRIDS) as (keyof typeof GRIDS)[])("%s: as many as its lists take", (name) => {
  expect(GRIDS[name].quantizer.neighbours).toBe(listLength(name));
});
