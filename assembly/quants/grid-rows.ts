// Grid types (IQ1, IQ2, IQ3): blocks of four rows by 256 weights, laid out so that vectors take them apart. `prepare` of a type
// makes of a block what a product needs beside its signs and the grid; grid-products.ts multiplies it by one column, `octetSlab`
// and its like make slabs (slab.ts) of it for many. A sub-block is 16 weights of each row.
//
// Prepared block, 656 bytes:
//   0    [4 f32]          d
//   16   [16 x 4 u8]      2s + 1 of sub-block j, rows 0..3; [8 x 4 u8] where 32 weights share a scale
//   80   [64 B]           deltas: iq1_s.ts, iq1_m.ts
//   144  [32 x 4 u16]     octet l, row r: where it begins in the grid, in bytes; [32 x 4 x 2 u16]: its two quads
//
// How the blocks of memory keep these:
//   places  8 bits of each, rotated, so that two ands give both bytes of its offset in the grid: octets (entries of 8 bytes) have
//           place << 3 | place >> 5 in byte 4l + r, quads place << 2 | place >> 6 in byte 8l + 2r + o. Further bits are kept
//           apart, in the same order of bytes.
//   signs   8 planes of 16 bytes: byte 8i + n of plane 2c + g, bit 7 - t: weight n of octet 8c + t of row 2g + i is negative. Where the
//           eighth sign of an octet makes the number of negative ones even, 14 bytes: byte 7i + n is a[n], the signs 0 to n
//           added modulo 2, so that sign n = a[n] ^ a[n - 1] and the eighth = a[6]
//   scales  nibbles: byte 16 (j >> 3) + 4 (j % 4) + r, the upper one where j & 4

import { lookup } from "../lanes/bytes";
import { factor } from "../lanes/dots";
import { M1, M64 } from "../lanes/masks";
import { Slab, storeOctets, withSigns } from "./slab";

export enum Prepared { bytes = 656, scales = 16, deltas = 80, places = 144 }

const MASKS: usize = memory.data<u32>([0xf8f8f8f8, 0xfcfcfcfc, 0x1e1e1e1e, 0x31313131, 0x02020202], 16);
/** Every byte 248, 252. */
export const M248: usize = MASKS, M252: usize = MASKS + 4;
const M30: usize = MASKS + 8;
/** Every byte 49. */
export const M49: usize = MASKS + 12;
/** Every byte 2. */
export const M2: usize = MASKS + 16;
/** Bytes r of four rows eight times: rows 0 and 1, 2 and 3. */
export const ROW_OCTETS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3,
], 16);
/** 14 bytes to twice 7, each with a zero behind. */
export const GAPS: usize = memory.data<u8>([0, 1, 2, 3, 4, 5, 6, 128, 7, 8, 9, 10, 11, 12, 13, 128], 16);

// Interleaving: of one row, in the file's order.

/** Keeps the signs of row r's octets 8c + t (bit n of byte t of x) in planes of 16 bytes. */
export function storeSigns(planes: usize, c: u32, r: u32, x: u64): void {
  store<u64>(planes + (((c << 1) + (r >> 1)) << 4) + ((r & 1) << 3), transposeBits(bswap(x)));
}

/** The same in planes of 14 bytes, from 7 signs each. */
export function storeEvenSigns(planes: usize, c: u32, r: u32, x: u64): void {
  const plane = planes + 14 * ((c << 1) + (r >> 1)) + 7 * (r & 1);
  x = transposeBits(bswap(x));
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

/** The signs that the 16 or 14 bytes of a plane stand for. gaps: load(GAPS). */
// @ts-ignore: decorator
@inline
export function signPlane(bytes: v128, gaps: v128, plane: i32): v128 {
  if (plane == 16) return bytes;
  const a = lookup(bytes, gaps);
  return v128.xor(a, i64x2.shl(a, 8));
}

/** 16 places of 8 bits; mask: load_splat(M248) for octets, load_splat(M252) for quads. */
// @ts-ignore: decorator
@inline
export function prepareBytes(p: usize, bytes: v128, mask: v128): void {
  const low = v128.and(bytes, mask);
  storeOffsets(p, low, v128.xor(bytes, low));
}

/** The same with further bits: high, what the upper bytes of the offsets have above the 8. */
// @ts-ignore: decorator
@inline
export function prepareWide(p: usize, bytes: v128, high: v128, mask: v128): void {
  const low = v128.and(bytes, mask);
  storeOffsets(p, low, v128.or(v128.xor(bytes, low), high));
}

// @ts-ignore: decorator
@inline
function storeOffsets(p: usize, low: v128, high: v128): void {
  v128.store(p, v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), Prepared.places);
  v128.store(p, v128.shuffle<i8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), Prepared.places + 16);
}

// Parts of templates: octet $l of rows 2g and 2g + 1.

/**
 * From a grid of octets.
 * @part
 */
export function octets(p: usize, $l: i32): v128 {
  return v128.load64_lane(
    <usize>load<u16>(p, Prepared.places + 8 * $l + 4 * $g + 2),
    v128.load64_zero(<usize>load<u16>(p, Prepared.places + 8 * $l + 4 * $g), $GRID), 1, $GRID,
  );
}

/**
 * From a grid of quads.
 * @part
 */
export function quads(p: usize, $l: i32): v128 {
  return v128.load32_lane(
    <usize>load<u16>(p, Prepared.places + 16 * $l + 8 * $g + 6),
    v128.load32_lane(
      <usize>load<u16>(p, Prepared.places + 16 * $l + 8 * $g + 4),
      v128.load32_lane(
        <usize>load<u16>(p, Prepared.places + 16 * $l + 8 * $g + 2),
        v128.load32_zero(<usize>load<u16>(p, Prepared.places + 16 * $l + 8 * $g), $GRID), 1, $GRID,
      ), 2, $GRID,
    ), 3, $GRID,
  );
}

// Slabs of prepared blocks.

/** d, and the scales of sub-blocks that share one by 16 << shared weights. */
export function slabScales(p: usize, shared: u32, slab: usize): void {
  v128.store(slab, v128.load(p));
  for (let j: u32 = 0; j < 16; j++) {
    const rows = i16x8.extend_low_i8x16_u(v128.load32_zero(p + ((j >> shared) << 2), Prepared.scales));
    v128.store(slab + (j << 4), factor(i32x4.extend_low_i16x8_u(rows)), Slab.scales);
  }
}

/**
 * The weights. Templates as those of grid-products.ts; $bytes: of an octet's places.
 * @rows
 * @of octetSlab_IQ2XXS row=octets bytes=8 GRID=IQ2XXS_GRID PLANE=14, octetSlab_IQ2XS row=octets bytes=8 GRID=IQ2XS_GRID PLANE=14
 * @of octetSlab_IQ2S row=octets bytes=8 GRID=IQ2S_GRID PLANE=16, quadSlab_IQ3XXS row=quads bytes=16 GRID=IQ3XXS_GRID PLANE=14
 * @of quadSlab_IQ3S row=quads bytes=16 GRID=IQ3S_GRID PLANE=16
 */
function signedRowSlab(p: usize, planes: usize, slab: usize): void {
  const zero = i32x4.splat(0), m64 = v128.load_splat<u32>(M64), gaps = v128.load(GAPS);
  for (const end = planes + 8 * $PLANE; planes < end; planes += 2 * $PLANE) {
    let s$g = signPlane(v128.load(planes, $PLANE * $g), gaps, $PLANE);
    for (let t: u32 = 0; t < 8; t++, p += $bytes, slab += 32) {
      const w$g = $row(p, 0);
      storeOctets(slab + Slab.weights, withSigns(w_0, i8x16.lt_s(s_0, zero), m64), withSigns(w_1, i8x16.lt_s(s_1, zero), m64));
      s$g = i8x16.add(s$g, s$g);
    }
  }
}

/**
 * IQ1_S: the second bytes [8 x 4] of its deltas are added to the weights of 32.
 * @rows
 * @of ternarySlab32_IQ1S GRID=IQ1S_GRID
 */
function ternarySlab32(p: usize, slab: usize): void {
  let deltas = p + Prepared.deltas + 32;
  for (const end = deltas + 32; deltas < end; deltas += 4, p += 32, slab += 128) {
    const rows = v128.load32_zero(deltas);
    const d$g = lookup(rows, v128.load(ROW_OCTETS + 16 * $g));
    for (let $l = 0; $l < 4; $l++) {
      const w$g = i8x16.add(d$g, octets(p, $l));
      storeOctets(slab + Slab.weights + 32 * $l, w_0, w_1);
    }
  }
}

/**
 * IQ1_M: 49, or 47 where its bit is set (deltas: [4 x 4 B], bit 7 - t: octet 8c + t of row r), is added to an octet.
 * @rows
 * @of ternarySlab8_IQ1S GRID=IQ1S_GRID
 */
function ternarySlab8(p: usize, slab: usize): void {
  let deltas = p + Prepared.deltas;
  const zero = i32x4.splat(0), m49 = v128.load_splat<u32>(M49), m2 = v128.load_splat<u32>(M2);
  for (const end = deltas + 16; deltas < end; deltas += 4) {
    const rows = v128.load32_zero(deltas);
    let s$g = lookup(rows, v128.load(ROW_OCTETS + 16 * $g));
    for (let t: u32 = 0; t < 8; t++, p += 8, slab += 32) {
      const d$g = i8x16.sub(m49, v128.and(i8x16.lt_s(s$g, zero), m2));
      const w$g = i8x16.add(d$g, octets(p, 0));
      storeOctets(slab + Slab.weights, w_0, w_1);
      s$g = i8x16.add(s$g, s$g);
    }
  }
}
