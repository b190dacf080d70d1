// The trellis types (ik_llama.cpp): IQ1_KT to IQ4_KT, 256 weights from the generator of LAYOUTS.md section 3.1.
// For an index i the weights are, for j = 1 .. 8 (IQ4_KT: 4): the sum of the bytes of ((i + offset) * 0xCBAC1FED^j mod 2^32)
// & 0x3f3f3f3f, minus 126. b = e / 32; w = d_row * s[b] * that; before each row: d_row f32.
//
// IQ1_KT, 56 bytes:    0        8         40          56       octet t of b: index of 13 bits: ql[4b + t]; a nibble of
//                      | sh 8 B | ql 32 B | qh 16 B   |        qh[4 * (b % 4) + t], low where b < 4; bit 4 + t of sh[b]
//   s = iq4k_values[sh[b] & 15]
// IQ2_KT, 68 bytes:    0            4                  68      octet l: index ql[l]
//                      | scales 4 B | ql 32 x u16      |       s = iq4k_values[nibble b of scales, low ones first]
// IQ3_KT, 100 bytes:   0            4                  68          100
//                      | scales 4 B | ql 32 x u16      | qh 32 B   |   as IQ2_KT, but s is the nibble, the weight's magnitude
//   is the generator's and its sign is bit b of qh[e % 32]
// IQ4_KT, 128 bytes:   0             32        96          128    quad j: index of 15 bits: ql[j]; a nibble of qh[j % 32], low
//                      | sh 8 x u32  | ql 64 B | qh 32 B   |      where j < 32; three bits of sh[b] from 8 + 3 * (j % 8) on
//   s = bits 1-7 of sh[b], minus 64; bit 0: the offset is 4096 + 32768, else, and in the other types, 4096
//
// ik_llama.cpp's products multiply d_row by 1.05 (IQ2_KT) and 1.01 (IQ3_KT), its decoder does not; so do we.

import { IQ4K_VALUES } from "./iq4_k";
import { nibbleOfHalves, storeScale32, storeWeights } from "./side-by-side";

/** 0xCBAC1FED to the powers 1 .. 8. */
export const POWERS: usize = memory.data<u32>([0xcbac1fed, 0xc8734169, 0xbd2b4535, 0xe50c7d11,
  0x1220d7bd, 0x94839cf9, 0x58267985, 0x60b19b21], 16);

/** Four values of the generator, i32x4; powers: those that make them. */
// @ts-ignore: decorator
@inline
export function generate(x: u32, powers: v128): v128 {
  const bytes = v128.and(i32x4.mul(i32x4.splat(x), powers), i8x16.splat(0x3f));
  return i32x4.sub(i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)), i32x4.splat(126));
}

/** The octets of two indices, as 16 bytes. */
// @ts-ignore: decorator
@inline
function octets(first: u32, second: u32): v128 {
  const low = v128.load(POWERS), high = v128.load(POWERS, 16);
  const a = i16x8.narrow_i32x4_s(generate(first + 4096, low), generate(first + 4096, high));
  const b = i16x8.narrow_i32x4_s(generate(second + 4096, low), generate(second + 4096, high));
  return i8x16.narrow_i16x8_s(a, b);
}

// @ts-ignore: decorator
@inline
function index1(block: usize, b: u32, t: u32, sh: u32): u32 {
  const high = (<u32>load<u8>(block + 4 * (b & 3) + t, 40) >> (b & 4)) & 15;
  return <u32>load<u8>(block + 4 * b + t, 8) | (high << 8) | (((sh >> (4 + t)) & 1) << 12);
}

export function unpackIQ1_KT(block: usize, lane: usize): void {
  for (let b: u32 = 0; b < 8; b++) {
    const sh = <u32>load<u8>(block + b);
    storeScale32(lane, b, <i32>load<i8>(IQ4K_VALUES + (sh & 15)));
    storeWeights(lane, 2 * b, octets(index1(block, b, 0, sh), index1(block, b, 1, sh)));
    storeWeights(lane, 2 * b + 1, octets(index1(block, b, 2, sh), index1(block, b, 3, sh)));
  }
}

export function unpackIQ2_KT(block: usize, lane: usize): void {
  for (let b: u32 = 0; b < 8; b++) {
    storeScale32(lane, b, <i32>load<i8>(IQ4K_VALUES + nibbleOfHalves(block, b)));
    const ql = block + (b << 3);
    storeWeights(lane, 2 * b, octets(load<u16>(ql, 4), load<u16>(ql, 6)));
    storeWeights(lane, 2 * b + 1, octets(load<u16>(ql, 8), load<u16>(ql, 10)));
  }
}

/** |w| with the signs that bit b of qh gives. */
// @ts-ignore: decorator
@inline
function signed(w: v128, qh: usize, b: u32): v128 {
  const sign = i8x16.neg(v128.and(i16x8.shr_u(v128.load(qh), b), i8x16.splat(1)));
  return i8x16.sub(v128.xor(i8x16.abs(w), sign), sign);
}

export function unpackIQ3_KT(block: usize, lane: usize): void {
  for (let b: u32 = 0; b < 8; b++) {
    storeScale32(lane, b, nibbleOfHalves(block, b));
    const ql = block + (b << 3);
    storeWeights(lane, 2 * b, signed(octets(load<u16>(ql, 4), load<u16>(ql, 6)), block + 68, b));
    storeWeights(lane, 2 * b + 1, signed(octets(load<u16>(ql, 8), load<u16>(ql, 10)), block + 84, b));
  }
}

// @ts-ignore: decorator
@inline
function quad(block: usize, j: u32, sh: u32, powers: v128): v128 {
  const high = (<u32>load<u8>(block + (j & 31), 96) >> ((j >> 5) << 2)) & 15;
  const index = <u32>load<u8>(block + j, 32) | (high << 8) | (((sh >> (8 + 3 * (j & 7))) & 7) << 12);
  return generate(index + 4096 + ((sh & 1) << 15), powers);
}

export function unpackIQ4_KT(block: usize, lane: usize): void {
  const powers = v128.load(POWERS);
  for (let g: u32 = 0; g < 16; g++) {
    const sh = load<u32>(block + ((g >> 1) << 2)), j = g << 2;
    if ((g & 1) == 0) storeScale32(lane, g >> 1, <i32>((sh & 255) >> 1) - 64);
    const a = i16x8.narrow_i32x4_s(quad(block, j, sh, powers), quad(block, j + 1, sh, powers));
    const b = i16x8.narrow_i32x4_s(quad(block, j + 2, sh, powers), quad(block, j + 3, sh, powers));
    storeWeights(lane, g, i8x16.narrow_i16x8_s(a, b));
  }
}
