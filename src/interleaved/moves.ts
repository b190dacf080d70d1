// The vocabulary of the layouts (layouts.ts): moves of bits from a bundle of interleaved rows to plain rows, and the places
// that several types share. assembly/quants/plain-rows.ts carries the moves out. A quad a is elements 4a .. 4a + 3 of 32.

import { MoveKind } from "../memory/abi.generated.ts";

/** For every row k: dst[to] |= (((src[from + k * step] >> right) & mask) ^ flip) << left; see MoveKind. */
export interface Move {
  readonly kind: MoveKind;
  readonly from: number;
  readonly step: number;
  readonly right?: number;
  readonly mask: number;
  readonly to: number;
  readonly left?: number;
  readonly flip?: number;
}

/** Byte offset and bit of something in a block. */
export type Place = readonly [offset: number, bit: number];

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** f(0), f(1) .. f(n - 1), one after the other. */
export const each = <T>(n: number, f: (i: number) => readonly T[]): T[] => range(n).flatMap(f);

/** A u16 of every row, side by side: a block scale. */
export const half = (from: number, to: number): Move => ({
  kind: MoveKind.u16,
  from,
  step: 2,
  mask: 0xffff,
  to,
});

/** The f32 of every row, side by side: a row scale. */
export const float = (from: number, to: number): Move => ({
  kind: MoveKind.u32,
  from,
  step: 4,
  mask: 0xffffffff,
  to,
});

/** A field of `width` bits in a byte of every row, side by side. */
export const field = (width: number, [from, right]: Place, [to, left]: Place): Move => ({
  kind: MoveKind.u8,
  from,
  step: 1,
  right,
  mask: (1 << width) - 1,
  to,
  left,
});

/** A byte of every row, side by side. */
export const byte = (from: number, to: number): Move => field(8, [from, 0], [to, 0]);

/** Four bytes of every row, side by side: `width` bits of each. */
export const quad = (width: number, [from, right]: Place, [to, left]: Place, flip = 0): Move => ({
  kind: MoveKind.u32,
  from,
  step: 4,
  right,
  mask: (((1 << width) - 1) * 0x01010101) >>> 0,
  to,
  left,
  flip,
});

/** The quads of `nSubBlocks` sub-blocks of 32 weights, `width` bits of each weight. */
export const quads = (
  width: number,
  nSubBlocks: number,
  source: (ib: number, a: number) => Place,
  target: (ib: number, a: number) => Place,
): Move[] => each(nSubBlocks, (ib) => each(8, (a) => [quad(width, source(ib, a), target(ib, a))]));

const bits = (a: number): [number, number, number] => [a & 1, (a >> 1) & 1, a >> 2];

// Where a quad lies in an interleaved block, row 0: `from` is the offset of sub-block 0.

/** Nibbles of four rows. */
export const nibbles4 =
  (from: number) =>
  (ib: number, a: number): Place => {
    const [a0, a1, a2] = bits(a);
    return [from + 64 * ib + 16 * (a2 + 2 * a0), 4 * a1];
  };

/** Nibbles of eight rows, blocks of 32. */
export const nibbles8 =
  (from: number) =>
  (ib: number, a: number): Place => [from + 128 * ib + 32 * (a % 4), a < 4 ? 0 : 4];

/** Two bits of four rows. */
export const pairs4 =
  (from: number) =>
  (ib: number, a: number): Place => [from + 32 * ib + 16 * (a >> 2), 2 * (a % 4)];

/** One bit of four rows; place: which of a byte's bits is quad a's. */
export const bits4 =
  (from: number, place = (a: number) => a) =>
  (ib: number, a: number): Place => [from + 16 * ib, place(a)];

/** Bit of quad a, for bits4: of IQ5_K_R4, of Q5_K_R4, and the place of the high bits of Q5_0_R4. */
export const bit402 = (a: number): number => 4 * (a & 1) + 2 * (a >> 2) + ((a >> 1) & 1);
export const bit421 = (a: number): number => 4 * (a >> 2) + 2 * (a & 1) + ((a >> 1) & 1);
export const bit241 = (a: number): number => (a >> 2) + 2 * (a & 1) + 4 * ((a >> 1) & 1);

// Where a quad lies in a plain block; `to` is the offset of the codes.

/** Nibbles in halves of 16 bytes. */
export const halfSplit =
  (to: number) =>
  (ib: number, a: number): Place => [to + 16 * ib + 4 * (a % 4), a < 4 ? 0 : 4];

/** Nibbles in halves of 32 bytes: Q4_K, Q5_K. */
export const wideSplit =
  (to: number) =>
  (ib: number, a: number): Place => [to + 32 * (ib >> 1) + 4 * a, 4 * (ib & 1)];

/** Two bits, 128 weights in 32 bytes: Q2_K. */
export const pairsOf128 =
  (to: number) =>
  (ib: number, a: number): Place => [to + 32 * (ib >> 2) + 4 * a, 2 * (ib & 3)];

/** One bit a sub-block in 32 bytes: Q3_K, Q5_K. */
export const bitOf256 =
  (to: number) =>
  (ib: number, a: number): Place => [to + 4 * a, ib];

// Scales of sub-blocks.

/** Where the low four and the high two bits of the 6-bit scale t lie: nibble t / 32 of low[t % 32], 2 bits of high[t % 16]. */
export const sixBits = (
  low: number,
  high: number,
  t: number,
): { readonly low: Place; readonly high: Place } => ({
  low: [low + (t % 32), 4 * (t >> 5)],
  high: [high + (t % 16), 2 * (t >> 4)],
});

/** Nibble g of bytes at `to`, low one first. */
export const nibbleAt = (to: number, g: number): Place => [to + (g >> 1), 4 * (g & 1)];
/** Bit g of bytes at `to`. */
export const bitAt = (to: number, g: number): Place => [to + (g >> 3), g & 7];
