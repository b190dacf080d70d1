// IQ1_M_R4 (ik_llama.cpp): IQ1_M's octets with plain scales of 4 bits and one scale for a row, w = d_row * s[j] * (grid + delta[l]).
// The file has its rows interleaved; plain-rows.ts puts them apart, 256 weights to a block (so K must be a multiple of it).
//
// Plain row:  [d_row f16][K / 256 x 56 B]
//   block:     0           32         48            56
//              | grid 32 B | qh 16 B  | scales 8 B  |
//   s[j] of the 16 weights from 16j on: nibble j of scales; grid and qh as in iq1_m.ts
//
// R4 group: side-by-side.ts.

import { IQ1S_GRID } from "./grids.generated";
import { nibbleOf, storeScale, storeWeights } from "./side-by-side";

/** An eighth for each of eight weights, in the grid's unit. */
const DELTA: u64 = 0x0101010101010101;

/** A block to one row of a slab: w = 8 * grid + 1 or - 1; the row's d is divided by 8. */
export function unpackIQ1_M_R4(block: usize, lane: usize): void {
  for (let j: u32 = 0; j < 16; j++) {
    storeScale(lane, j, nibbleOf(block + 48, j));
    storeWeights(lane, j, i64x2.replace_lane(i64x2.splat(octet(block, 2 * j)), 1, octet(block, 2 * j + 1)));
  }
}

/** Octet l as bytes, + 64. No byte of the grid's 56 .. 72 carries. */
function octet(block: usize, l: u32): u64 {
  const high = nibbleOf(block + 32, l);
  const point = load<u64>(IQ1S_GRID + ((<u32>load<u8>(block + l) | ((high & 7) << 8)) << 3));
  return high & 8 ? point - DELTA : point + DELTA;
}
