// IQ1_M_R4 (ik_llama.cpp): IQ1_M's octets with plain scales of 4 bits and one scale for a row, w = d_row * s[j] * (grid + delta[l]).
// The file has its rows interleaved; plain-rows.ts puts them apart, 256 weights to a block (so K must be a multiple of it).
//
// Plain row:  [d_row f16][K / 256 x 56 B]
//   block:     0           32         48            56
//              | grid 32 B | qh 16 B  | scales 8 B  |
//   s[j] of the 16 weights from 16j on: nibble j of scales; grid and qh as in iq1_m.ts
//
// R4: words.ts.

import { IQ1S_GRID } from "./grids.generated";
import { I15, Slab, storeOctets } from "./slab";
import { storeScales } from "./words";

/** What makes the grid's 8 g + 16 of eight weights 8 g + 1 or - 1, + 64. */
const UP: u64 = 0x3131313131313131, DOWN: u64 = 0x2f2f2f2f2f2f2f2f;

/** An R4 block to a slab: w = 8 * grid + 1 or - 1; the row's d is divided by 8. */
export function unpackIQ1_M_R4(block: usize, slab: usize): void {
  const m15 = v128.load_splat<u32>(I15);
  for (let i: u32 = 0; i < 2; i++) {
    let scales = v128.load(block + (i << 4), 192);
    for (let j = i << 3, end = j + 8; j < end; j++) {
      storeScales(slab, j, v128.and(scales, m15));
      scales = i32x4.shr_u(scales, 4);
    }
  }
  for (let l: u32 = 0; l < 32; l++) {
    storeOctets(
      slab + (l << 5) + Slab.weights, i64x2.replace_lane(i64x2.splat(octet(block, l)), 1, octet(block + 4, l)),
      i64x2.replace_lane(i64x2.splat(octet(block + 8, l)), 1, octet(block + 12, l)),
    );
  }
}

/** Octet l of the row whose words begin at `lane`, as bytes, + 64. No byte of the grid's 8 .. 24 carries. */
// @ts-ignore: decorator
@inline
function octet(lane: usize, l: u32): u64 {
  const nibble = (<u32>load<u8>(lane + ((l >> 3) << 4) + ((l >> 1) & 3), 128) >> ((l & 1) << 2)) & 15;
  const place = <u32>load<u8>(lane + ((l >> 2) << 4) + (l & 3)) | ((nibble & 7) << 8);
  const point = load<u64>(IQ1S_GRID + (place << 3));
  return point + (nibble & 8 ? DOWN : UP);
}
