// How ops that treat every element (or every run of elements) by itself cut [rows, width] into pieces for the
// threads: wide rows are split, narrow rows are taken several at a time. And the partial vector at the end of a
// run, which is loaded and stored without touching the lanes behind it: those may belong to a neighbouring view.

import { claim } from "../work";

/** Elements of a piece of additions and the like: 0.6 us (measured), large against a claim. */
export const ELEMENTS: u32 = 4096;
/** The same of functions such as silu: 2.7 us, so that threads share one row of a feed-forward layer. */
export const COSTLY_ELEMENTS: u32 = 1024;

let nRows: u32 = 0;
let width: u32 = 0;
let pieceWidth: u32 = 0;
let piecesPerRow: u32 = 0;
let rowsPerPiece: u32 = 0;
let nPieces: u32 = 0;

/** The piece that nextPiece() found: rows [firstRow, endRow), columns [firstColumn, firstColumn + nColumns). */
export let firstRow: u32 = 0;
export let endRow: u32 = 0;
export let firstColumn: u32 = 0;
export let nColumns: u32 = 0;

/** Cuts [rows, columns] into pieces of about `pieceElements` elements; column cuts fall on multiples of `unit`. */
export function cutPieces(rows: u32, columns: u32, unit: u32, pieceElements: u32 = ELEMENTS): void {
  nRows = rows;
  width = columns;
  pieceWidth = columns;
  rowsPerPiece = 1;
  if (columns > pieceElements) pieceWidth = max<u32>(pieceElements / unit, 1) * unit;
  else if (columns > 0) rowsPerPiece = pieceElements / columns;
  piecesPerRow = columns > 0 ? (columns + pieceWidth - 1) / pieceWidth : 0;
  nPieces = ((rows + rowsPerPiece - 1) / rowsPerPiece) * piecesPerRow;
}

/** Claims the next piece; false when none is left. */
export function nextPiece(): bool {
  const piece = claim();
  if (piece >= nPieces) return false;
  firstRow = (piece / piecesPerRow) * rowsPerPiece;
  endRow = min<u32>(firstRow + rowsPerPiece, nRows);
  firstColumn = (piece % piecesPerRow) * pieceWidth;
  nColumns = min<u32>(pieceWidth, width - firstColumn);
  return true;
}

/** The n (1 to 3) floats at `from` in lanes 0.., the other lanes +0. */
export function loadTail(from: usize, n: u32): v128 {
  if (n == 1) return v128.load32_zero(from);
  const low = v128.load64_zero(from);
  return n == 2 ? low : v128.load32_lane(from, low, 2, 8);
}

/** Stores lanes 0 .. n - 1 (n: 1 to 3). */
export function storeTail(to: usize, x: v128, n: u32): void {
  if (n == 1) {
    v128.store32_lane(to, x, 0);
    return;
  }
  v128.store64_lane(to, x, 0);
  if (n == 3) v128.store32_lane(to, x, 2, 8);
}
