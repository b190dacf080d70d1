// Undoing the row interleave of ik_llama.cpp's _R4, _R8 and _R16 types at load, and I2_S with its one scale: a bundle of rows
// that are stored together becomes rows of the plain type, from where repackGroup goes on. Only bits are moved, so one
// interpreter serves all types; the lists of moves are in src/interleaved/layouts.ts.
//
//   bundle:  [scales of rows 0..N-1][block 0 of rows 0..N-1][block 1 of rows 0..N-1] ..
//   rows:    [scale][block 0][block 1] ..   of row 0, then of row 1 ..
//
// A move takes the same bits of every row, so a block costs moves x rows: 0.4 to 1.5 ns of one thread for a weight (BF16_R16
// 2.8, I2_S 2.0), which all threads share. Unrealised speed-up: the words of four rows as one vector, no faster (measured:
// Q4_0_R8 0.43 and 0.43 ns, Q4_K_R4 0.77 and 0.90); the time goes into the words that it reads again to add bits to.

import { Move, MoveKind, PlainRows } from "../abi";

/** Bits 0, 8, 16 and 24 of a word times this: bits 24 .. 27. */
const GATHER: u32 = 0x01020408;

/**
 * Puts the rows of one bundle at src, k weights each, apart: one after the other at dst. layout: PlainRows words and moves.
 * scales: where the row scales are, or 0: at the start of the bundle.
 */
export function bundleToRows(layout: usize, src: usize, scales: usize, k: u32, dst: usize): void {
  const rows = load<u32>(layout, PlainRows.rows << 2), nBlocks = k / load<u32>(layout, PlainRows.weights << 2);
  const blockBytes = load<u32>(layout, PlainRows.blockBytes << 2), rowBlockBytes = load<u32>(layout, PlainRows.rowBlockBytes << 2);
  const rowScaleBytes = load<u32>(layout, PlainRows.rowScaleBytes << 2);
  const rowBytes = rowScaleBytes + nBlocks * rowBlockBytes;
  const forScales = layout + (PlainRows.words << 2);
  const forBlocks = forScales + <usize>load<u32>(layout, PlainRows.scaleMoves << 2) * (Move.words << 2);
  const end = forBlocks + <usize>load<u32>(layout, PlainRows.moves << 2) * (Move.words << 2);
  if (scales == 0) {
    scales = src;
    src += load<u32>(layout, PlainRows.scaleBytes << 2);
  }
  memory.fill(dst, 0, <usize>rows * rowBytes);
  for (let move = forScales; move < forBlocks; move += Move.words << 2) carryOut(move, scales, scales, rows, dst, dst, rowBytes);
  let to = dst + rowScaleBytes;
  for (let b: u32 = 0; b < nBlocks; b++, src += blockBytes, to += rowBlockBytes) {
    for (let move = forBlocks; move < end; move += Move.words << 2) carryOut(move, src, scales, rows, dst, to, rowBytes);
  }
}

/** One move for all rows. block: of row 0 in the plain rows, which begin at dst. Writes stay inside the rows. */
function carryOut(move: usize, src: usize, scales: usize, rows: u32, dst: usize, block: usize, rowBytes: u32): void {
  const kind = load<u32>(move, Move.kind << 2), step = load<u32>(move, Move.step << 2);
  const right = load<u32>(move, Move.right << 2), mask = load<u32>(move, Move.mask << 2);
  const left = load<u32>(move, Move.left << 2), flip = load<u32>(move, Move.flip << 2);
  const to = load<u32>(move, Move.to << 2);
  let from = (kind == MoveKind.rowScale ? scales : src) + load<u32>(move, Move.from << 2);
  let at = (kind == MoveKind.sum ? dst : block) + to;
  switch (kind) {
    case MoveKind.u8:
      for (; rows > 0; rows--, from += step, at += rowBytes) {
        store<u8>(at, <u32>load<u8>(at) | ((<u32>load<u8>(from) >> right) & mask) << left);
      }
      return;
    case MoveKind.u16:
    case MoveKind.rowScale:
      for (; rows > 0; rows--, from += step, at += rowBytes) {
        store<u16>(at, <u32>load<u16>(at) | ((<u32>load<u16>(from) >> right) & mask) << left);
      }
      return;
    case MoveKind.u32:
      for (; rows > 0; rows--, from += step, at += rowBytes) {
        store<u32>(at, load<u32>(at) | (((load<u32>(from) >> right) & mask) ^ flip) << left);
      }
      return;
    case MoveKind.signs:
      for (; rows > 0; rows--, from += step, at += rowBytes) {
        const x = (load<u32>(from) >> right) & mask;
        store<u32>(at, load<u32>(at) | ((x ^ (x << 1)) & mask) << left);
      }
      return;
    case MoveKind.gather:
      for (; rows > 0; rows--, from += step, at += rowBytes) {
        const x = ((load<u32>(from) >> right) & 0x01010101) * GATHER;
        store<u32>(at, load<u32>(at) | ((x >> 24) & 15) << left);
      }
      return;
    case MoveKind.sum:
      for (; rows > 0; rows--, from += step, at += rowBytes) {
        const sum = <i32>load<i8>(from) + <i32>load<i8>(from, 1) + <i32>load<i8>(from, 2) + <i32>load<i8>(from, 3);
        store<i32>(at, load<i32>(at) + sum);
      }
      return;
    default: unreachable();
  }
}
