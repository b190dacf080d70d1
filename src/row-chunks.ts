// Cutting a matrix of the file into chunks of rows that fit a piece of staging memory. Loading walks them, on the caller's
// thread (weights.ts) or on all threads (fill.ts).

import { SamebitError } from "./errors.ts";

/** Rows of `rowBytes` bytes that fit into `room` bytes, whole groups of `step`. Throws SamebitError where not one does. */
export function rowsPerChunk(name: string, rowBytes: number, room: number, step = 4): number {
  const rows = Math.floor(room / rowBytes / step) * step;
  if (rows >= step) return rows;
  throw new SamebitError(
    `${name}: expected rows of at most ${Math.max(0, Math.floor(room / step))} bytes, found ${rowBytes}`,
  );
}

/** [first row, rows] of each chunk. A group of four rows never reaches into the next expert's matrix. */
export function* rowChunks(
  nRows: number,
  rowsPerMatrix: number,
  chunkRows: number,
): Generator<[number, number]> {
  for (let row = 0; row < nRows;) {
    const left = rowsPerMatrix % 4 === 0 ? nRows - row : rowsPerMatrix - (row % rowsPerMatrix);
    const rows = Math.min(left, chunkRows);
    yield [row, rows];
    row += rows;
  }
}
