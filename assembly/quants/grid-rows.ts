// Grid types (IQ1, IQ2, IQ3): blocks of four rows by 256 weights, laid out so that vectors take them apart. `prepare` of a type
// makes of a block what a product needs beside the grid itself; grid-products.ts multiplies it by one column, `octetSlab`
// and its like make slabs (slab.ts) of it for many. A sub-block is 16 weights of each row.
//
// Prepared block, 720 bytes:
//   0    [4 f32]          d
//   16   [16 x 4 u8]      2s + 1 of sub-block j, rows 0..3; [8 x 4 u8] where 32 weights share a scale
//   80   [2 x 4 x 16 B]   signs: byte i of vector 4h + r, bit t: row r's weight 16 (8h + t) + i is negative; IQ1: iq1_s.ts, iq1_m.ts
//   208  [16 x 4 x 2 u16] sub-block j, row r: where its two octets lie in the grid, in bytes; [16 x 4 x 4 u16]: its four quads
//
// How the blocks of memory keep these:
//   places  8 bits of each, rotated, so that two ands give both bytes of its offset in the grid: octets (entries of 8 bytes) have
//           place << 3 | place >> 5, two sub-blocks to a vector, byte 8 (j % 2) + 2r + o; quads place << 2 | place >> 6, byte 4r + o.
//           Further bits are kept apart, in the same order of bytes.
//   signs   planes as above, 16 bytes each. Where the eighth sign of an octet makes the number of negative ones even, 14 bytes:
//           a[i] = the signs 0 to i added, modulo 2, so that sign i = a[i] ^ a[i - 1], and the eighth = a[6]
//   scales  nibbles: byte 16 (j >> 3) + 4 (j % 4) + r, the upper one where j & 4

import { M1, M64, SPREAD, lookup, spreadScales } from "../lanes";
import { Slab, withSigns } from "./slab";

export enum Prepared { bytes = 720, scales = 16, signs = 80, places = 208 }

const MASKS: usize = memory.data<u32>([0x1e1e1e1e, 0xf8f8f8f8, 0xfcfcfcfc], 16);
const M30: usize = MASKS, M248: usize = MASKS + 4, M252: usize = MASKS + 8;
const GAPS: usize = memory.data<u8>([0, 1, 2, 3, 4, 5, 6, 128, 7, 8, 9, 10, 11, 12, 13, 128], 16);
/** Every byte 1 << t, at BITS + 4t. */
export const BITS: usize = memory.data<u32>([
  0x01010101, 0x02020202, 0x04040404, 0x08080808, 0x10101010, 0x20202020, 0x40404040, 0x80808080,
], 16);

// Interleaving: of one row, in the file's order.

/** Keeps the sign bytes of octets 2t + o of a half (byte t of x) as 8 bytes of a plane. */
// @ts-ignore: decorator
@inline
export function storeSigns(plane: usize, x: u64): void {
  store<u64>(plane, transposeBits(x));
}

/** The same as 7 bytes, from 7 signs each. */
export function storeEvenSigns(plane: usize, x: u64): void {
  x = transposeBits(x);
  x ^= x << 8;
  x ^= x << 16;
  x ^= x << 32;
  store<u32>(plane, <u32>x);
  store<u32>(plane, <u32>(x >> 24), 3);
}

/** Bit t of byte i to bit i of byte t. */
function transposeBits(x: u64): u64 {
  let t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aa;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000cccc0000cccc;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0;
  return x ^ t ^ (t << 28);
}

/** Where octet l of row r has its byte among the 128 of a block. */
// @ts-ignore: decorator
@inline
export function octetByte(l: u32, r: u32): u32 {
  return ((l >> 1) << 3) + (r << 1) + (l & 1);
}

/** The low 8 bits of an octet's place, as they are kept. */
// @ts-ignore: decorator
@inline
export function octetPlace(place: u32): u32 {
  return (place << 3) | ((place & 255) >> 5);
}

/** The low 8 bits of a quad's place, as they are kept. */
// @ts-ignore: decorator
@inline
export function quadPlace(place: u32): u32 {
  return (place << 2) | ((place & 255) >> 6);
}

/** Adds scale s of sub-block j of row r to nibbles that were zero. */
export function storeScale(scales: usize, j: u32, r: u32, s: u32): void {
  const at = scales + ((j >> 3) << 4) + ((j & 3) << 2) + r;
  store<u8>(at, load<u8>(at) | (s << (j & 4)));
}

// Preparing.

/** 32 nibbles s as bytes 2s + 1. */
// @ts-ignore: decorator
@inline
export function prepareScales(p: usize, nibbles: v128): void {
  const m30 = v128.load_splat<u32>(M30), m1 = v128.load_splat<u32>(M1);
  v128.store(p, v128.or(v128.and(i16x8.shl(nibbles, 1), m30), m1), Prepared.scales);
  v128.store(p, v128.or(v128.and(i16x8.shr_u(nibbles, 3), m30), m1), Prepared.scales + 16);
}

/** Eight planes of 14 bytes. */
// @ts-ignore: decorator
@inline
export function prepareEvenSigns(p: usize, planes: usize): void {
  const gaps = v128.load(GAPS);
  for (const end = p + 128; p < end; p += 32, planes += 28) {
    const a = lookup(v128.load(planes), gaps), b = lookup(v128.load(planes, 14), gaps);
    v128.store(p, v128.xor(a, i64x2.shl(a, 8)), Prepared.signs);
    v128.store(p, v128.xor(b, i64x2.shl(b, 8)), Prepared.signs + 16);
  }
}

/** Eight planes of 16 bytes. */
// @ts-ignore: decorator
@inline
export function prepareSigns(p: usize, planes: usize): void {
  memory.copy(p + Prepared.signs, planes, 128);
}

/** 16 octets' places; high: what the upper bytes of their offsets have from bit 3 on. */
// @ts-ignore: decorator
@inline
export function prepareOctets(p: usize, bytes: v128, high: v128): void {
  const low = v128.and(bytes, v128.load_splat<u32>(M248));
  storeOffsets(p, low, v128.or(v128.xor(bytes, low), high));
}

/** 16 quads' places; high: from bit 2 on. */
// @ts-ignore: decorator
@inline
export function prepareQuads(p: usize, bytes: v128, high: v128): void {
  const low = v128.and(bytes, v128.load_splat<u32>(M252));
  storeOffsets(p, low, v128.or(v128.xor(bytes, low), high));
}

// @ts-ignore: decorator
@inline
function storeOffsets(p: usize, low: v128, high: v128): void {
  v128.store(p, v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), Prepared.places);
  v128.store(p, v128.shuffle<i8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), Prepared.places + 16);
}

// Slabs of prepared blocks.

/** d, and the scales of sub-blocks that share one by 16 << shared weights. */
function slabScales(p: usize, shared: u32, slab: usize): void {
  const spread = v128.load(SPREAD);
  v128.store(slab, v128.load(p));
  for (let j: u32 = 0; j < 16; j++) {
    v128.store(slab + (j << 4), spreadScales(v128.load32_zero(p + ((j >> shared) << 2), Prepared.scales), spread), Slab.scales);
  }
}

export function octetSlab(p: usize, grid: usize, shared: u32, slab: usize): void {
  const m64 = v128.load_splat<u32>(M64);
  slabScales(p, shared, slab);
  for (let signs = p, end = p + 128; signs < end; signs += 64) {
    const s0 = v128.load(signs, Prepared.signs), s1 = v128.load(signs, Prepared.signs + 16);
    const s2 = v128.load(signs, Prepared.signs + 32), s3 = v128.load(signs, Prepared.signs + 48);
    for (let b = BITS; b < BITS + 32; b += 4, p += 16, slab += 64) {
      const bit = v128.load_splat<u32>(b);
      const w0 = withSigns(octets(p, grid), i8x16.eq(v128.and(s0, bit), bit), m64);
      const w1 = withSigns(octets(p + 4, grid), i8x16.eq(v128.and(s1, bit), bit), m64);
      const w2 = withSigns(octets(p + 8, grid), i8x16.eq(v128.and(s2, bit), bit), m64);
      const w3 = withSigns(octets(p + 12, grid), i8x16.eq(v128.and(s3, bit), bit), m64);
      storeRows(slab, w0, w1, w2, w3);
    }
  }
}

export function quadSlab(p: usize, grid: usize, slab: usize): void {
  const m64 = v128.load_splat<u32>(M64);
  slabScales(p, 1, slab);
  for (let signs = p, end = p + 128; signs < end; signs += 64) {
    const s0 = v128.load(signs, Prepared.signs), s1 = v128.load(signs, Prepared.signs + 16);
    const s2 = v128.load(signs, Prepared.signs + 32), s3 = v128.load(signs, Prepared.signs + 48);
    for (let b = BITS; b < BITS + 32; b += 4, p += 32, slab += 64) {
      const bit = v128.load_splat<u32>(b);
      const w0 = withSigns(quads(p, grid), i8x16.eq(v128.and(s0, bit), bit), m64);
      const w1 = withSigns(quads(p + 8, grid), i8x16.eq(v128.and(s1, bit), bit), m64);
      const w2 = withSigns(quads(p + 16, grid), i8x16.eq(v128.and(s2, bit), bit), m64);
      const w3 = withSigns(quads(p + 24, grid), i8x16.eq(v128.and(s3, bit), bit), m64);
      storeRows(slab, w0, w1, w2, w3);
    }
  }
}

/** IQ1_S: bytes [8 x 4] at `deltas` are added to the weights of 32. */
export function sharedDeltaSlab(p: usize, grid: usize, deltas: usize, slab: usize): void {
  slabScales(p, 1, slab);
  for (let j: u32 = 0; j < 16; j++, p += 16, slab += 64) {
    const at = deltas + ((j >> 1) << 2);
    storeRows(
      slab, i8x16.add(octets(p, grid), v128.load_splat<u8>(at)), i8x16.add(octets(p + 4, grid), v128.load_splat<u8>(at + 1)),
      i8x16.add(octets(p + 8, grid), v128.load_splat<u8>(at + 2)), i8x16.add(octets(p + 12, grid), v128.load_splat<u8>(at + 3)),
    );
  }
}

/** IQ1_M: 49, or 47 where the bit of a plane is set, is added to a weight. */
export function deltaSlab(p: usize, grid: usize, slab: usize): void {
  const up = i8x16.splat(49), step = i8x16.splat(2);
  slabScales(p, 0, slab);
  for (let planes = p, end = p + 128; planes < end; planes += 64) {
    const s0 = v128.load(planes, Prepared.signs), s1 = v128.load(planes, Prepared.signs + 16);
    const s2 = v128.load(planes, Prepared.signs + 32), s3 = v128.load(planes, Prepared.signs + 48);
    for (let b = BITS; b < BITS + 32; b += 4, p += 16, slab += 64) {
      const bit = v128.load_splat<u32>(b);
      const d0 = i8x16.sub(up, v128.and(i8x16.eq(v128.and(s0, bit), bit), step));
      const d1 = i8x16.sub(up, v128.and(i8x16.eq(v128.and(s1, bit), bit), step));
      const d2 = i8x16.sub(up, v128.and(i8x16.eq(v128.and(s2, bit), bit), step));
      const d3 = i8x16.sub(up, v128.and(i8x16.eq(v128.and(s3, bit), bit), step));
      storeRows(
        slab, i8x16.add(octets(p, grid), d0), i8x16.add(octets(p + 4, grid), d1), i8x16.add(octets(p + 8, grid), d2),
        i8x16.add(octets(p + 12, grid), d3),
      );
    }
  }
}

/** Two octets. */
// @ts-ignore: decorator
@inline
function octets(p: usize, grid: usize): v128 {
  const first = v128.load64_zero(grid + load<u16>(p, Prepared.places));
  return v128.load64_lane(grid + load<u16>(p, Prepared.places + 2), first, 1);
}

/** Four quads. */
// @ts-ignore: decorator
@inline
function quads(p: usize, grid: usize): v128 {
  let four = v128.load32_zero(grid + load<u16>(p, Prepared.places));
  four = v128.load32_lane(grid + load<u16>(p, Prepared.places + 2), four, 1);
  four = v128.load32_lane(grid + load<u16>(p, Prepared.places + 4), four, 2);
  return v128.load32_lane(grid + load<u16>(p, Prepared.places + 6), four, 3);
}

/** 16 weights of four rows to four vectors of a slab. */
// @ts-ignore: decorator
@inline
function storeRows(slab: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  v128.store(slab, v128.shuffle<i64>(ab, cd, 0, 2), Slab.weights);
  v128.store(slab, v128.shuffle<i64>(ab, cd, 1, 3), Slab.weights + 16);
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(slab, v128.shuffle<i64>(ef, gh, 0, 2), Slab.weights + 32);
  v128.store(slab, v128.shuffle<i64>(ef, gh, 1, 3), Slab.weights + 48);
}
