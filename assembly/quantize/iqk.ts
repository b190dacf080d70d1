// IQ3_K .. IQ6_K and IQ3_KS .. IQ5_KS (ik_llama.cpp): codes of two sets of uneven values. IQn_K: runs of 16 weights, whose scales
// are rounded to the block's f16 scale; IQn_KS: runs of 32 and one scale for the row. Layouts: assembly/quants/iq3_k.ts ..
// iq6_k.ts. Source: ik_llama.cpp, iqk_quantize.cpp (quantize_row_iq*_k_impl, quantize_row_iq*_ks_impl and _bs16, _bs128).

import { clearSums, encode, encodeHalves, fitCodebook, shifted, sumq2, sumqx, weighBlock } from "./codebook";
import { packNibbles, packOneBit, packTwoBits } from "./pack";
import { CODES, ROW, SCALES, WEIGHTS, at, clampInt, extreme, inverse, nearestInt, put, storeRowScale, storeScale } from "./scalar";

/** Scales of the 256 / size runs of a block, at `scales`; a bit for each run that takes the second set. */
function fitRuns(size: i32, x: usize, tries: i32, step: f32, refine: bool, scales: usize, t: usize, s: usize): u32 {
  let sets: u32 = 0;
  for (let r = 0; r < 256 / size; r++) {
    put(scales, r, fitCodebook(size, x + (r * size << 2), s + WEIGHTS + (r * size << 2), tries, step, refine, t, s));
    if (shifted) sets |= 1 << r;
  }
  return sets;
}

/** encode for run r of a block. */
// @ts-ignore: decorator
@inline
function encodeRun(size: i32, r: i32, x: usize, d: f32, scale: f32, sets: u32, t: usize, s: usize): void {
  const first = r * size;
  const id = inverse(d * scale);
  encode(size, x + (first << 2), s + WEIGHTS + (first << 2), id, scale, (sets >> r) & 1, s + CODES + first, t);
}

/** d, extra, scales_h 2 B (signs), scales_l 8 B, qs 64 B, qh 32 B. Scales are odd: 2 * code + 1. */
export function quantizeIQ3_K(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const scales = s + SCALES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 110) {
    memory.fill(y, 0, 110);
    weighBlock(x, qw, 16, 1.5, true, s);
    if (qw) qw += 1024;
    const sets = fitRuns(16, x, 3, 2, true, scales, t, s), most = abs<f32>(extreme(scales, 16));
    if (most == 0) continue;
    const d = most / <f32>31, id = <f32>1 / d;
    let signs: u32 = 0;
    clearSums();
    for (let r = 0; r < 16; r++) {
      const scale = at(scales, r), l = clampInt(nearestInt(<f32>0.5 * (id * abs<f32>(scale) - 1)), 0, 15);
      const odd = <f32>(l + l + 1), p = y + 6 + (r >> 1);
      store<u8>(p, <u32>load<u8>(p) | (l << ((r & 1) << 2)));
      if (scale < 0) signs |= 1 << r;
      encodeRun(16, r, x, d, scale < 0 ? -odd : odd, sets, t, s);
    }
    storeScale(y, <f32>1.01 * (sumq2 > 0 ? sumqx / sumq2 : d));
    store<u16>(y, <u16>sets, 2);
    store<u16>(y, <u16>signs, 4);
    packTwoBits(s + CODES, 0, y + 14);
    packOneBit(s + CODES, 2, y + 78);
  }
}

/** The scale codes of IQ4_K and IQ5_K, 6 bits each: low nibbles at y + 8, two bits each at y + 4. */
function storeScale6(y: usize, r: u32, code: u32): void {
  const low = y + 8 + (r >> 1), high = y + 4 + (r >> 2);
  store<u8>(low, <u32>load<u8>(low) | ((code & 15) << ((r & 1) << 2)));
  store<u8>(high, <u32>load<u8>(high) | ((code >> 4) << ((r & 3) << 1)));
}

/** d, extra, scales_h 4 B, scales_l 8 B, qs 128 B; IQ5_K: qh 32 B more. */
function quantizeIQ45_K(five: bool, x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const scales = s + SCALES, bytes: usize = five ? 176 : 144;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += bytes) {
    memory.fill(y, 0, bytes);
    weighBlock(x, qw, 16, 2, five, s);
    if (qw) qw += 1024;
    const sets = fitRuns(16, x, five ? 5 : 7, 1, five, scales, t, s), d = -extreme(scales, 16) / <f32>32, id = inverse(d);
    // a block of zeros: IQ4_K writes the scales' codes all the same
    if (five && d == 0) continue;
    clearSums();
    for (let r = 0; r < 16; r++) {
      const l = clampInt(nearestInt(id * at(scales, r)), -32, 31);
      storeScale6(y, r, l + 32);
      // where the scale is 0, the codes of IQ5_K are 0, those of IQ4_K the codes of 0
      if (five && d * <f32>l == 0) memory.fill(s + CODES + (r << 4), 0, 16);
      else encodeRun(16, r, x, d, <f32>l, sets, t, s);
    }
    storeScale(y, sumq2 > 0 ? sumqx / sumq2 : d);
    store<u16>(y, <u16>sets, 2);
    packNibbles(s + CODES, five ? 32 : 16, y + 16);
    if (five) packOneBit(s + CODES, 4, y + 144);
  }
}

export function quantizeIQ4_K(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  quantizeIQ45_K(false, x, k, qw, y, s, t);
}

export function quantizeIQ5_K(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  quantizeIQ45_K(true, x, k, qw, y, s, t);
}

/** d, extra, scales 16 B, qs 128 B, qh 64 B. */
export function quantizeIQ6_K(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const scales = s + SCALES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 212) {
    memory.fill(y, 0, 212);
    weighBlock(x, qw, 16, 2, true, s);
    if (qw) qw += 1024;
    const sets = fitRuns(16, x, 5, 1, true, scales, t, s), d = -extreme(scales, 16) / <f32>127;
    if (d == 0) continue;
    const id = <f32>1 / d;
    clearSums();
    for (let r = 0; r < 16; r++) {
      const l = clampInt(nearestInt(id * at(scales, r)), -127, 127);
      store<i8>(y + r, l, 4);
      if (d * <f32>l == 0) memory.fill(s + CODES + (r << 4), 0, 16);
      else encodeRun(16, r, x, d, <f32>l, sets, t, s);
    }
    storeScale(y, sumq2 > 0 ? sumqx / sumq2 : d);
    store<u16>(y, <u16>sets, 2);
    packNibbles(s + CODES, 32, y + 20);
    packTwoBits(s + CODES, 4, y + 148);
  }
}

/** Row: d f16. Block: extra (scale bit b, set bit 8 + b), scales 4 B, qs 64 B, qh 32 B. */
export function quantizeIQ3_KS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const nBlocks = <i32>(k >> 8), scales = s + ROW, blocks = y + 2;
  memory.fill(y, 0, 2 + nBlocks * 102);
  for (let b = 0; b < nBlocks; b++) {
    weighBlock(x + (b << 10), qw ? qw + (b << 10) : 0, 32, 2, false, s);
    store<u8>(blocks + b * 102, fitRuns(32, x + (b << 10), 5, 1, false, scales + (b << 5), t, s), 1);
  }
  const d = -extreme(scales, nBlocks << 3) / <f32>16;
  storeScale(y, d);
  if (d == 0) return;
  const id = <f32>1 / d;
  clearSums();
  for (let b = 0; b < nBlocks; b++) {
    const block = blocks + b * 102, xb = x + (b << 10), sets = <u32>load<u8>(block, 1);
    weighBlock(xb, qw ? qw + (b << 10) : 0, 32, 2, false, s);
    for (let r = 0; r < 8; r++) {
      const l = clampInt(nearestInt(id * at(scales + (b << 5), r)), -16, 15), code = <u32>(l + 16);
      const p = block + 2 + (r & 3);
      store<u8>(p, <u32>load<u8>(p) | ((code & 15) << (r & 4)));
      store<u8>(block, <u32>load<u8>(block) | ((code >> 4) << r));
      encodeRun(32, r, xb, d, <f32>l, sets, t, s);
    }
    packTwoBits(s + CODES, 0, block + 6);
    packOneBit(s + CODES, 2, block + 70);
  }
  if (sumq2 > 0) storeScale(y, sumqx / sumq2);
}

/** Row: d f32. Block: scales 8 B (odd: code - 127, the lowest bit is the set), qs 128 B; IQ5_KS: qh 32 B more. */
function quantizeIQ45_KS(five: bool, x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const nBlocks = <i32>(k >> 8), scales = s + ROW, blocks = y + 4, bytes = five ? 168 : 136;
  memory.fill(y, 0, 4 + nBlocks * bytes);
  for (let b = 0; b < nBlocks; b++) {
    const block = blocks + b * bytes;
    weighBlock(x + (b << 10), qw ? qw + (b << 10) : 0, 32, 2, false, s);
    const sets = fitRuns(32, x + (b << 10), five ? 5 : 7, 1, false, scales + (b << 5), t, s);
    for (let r = 0; r < 8; r++) store<u8>(block + r, (sets >> r) & 1);
  }
  const d = abs<f32>(extreme(scales, nBlocks << 3)) / <f32>127;
  storeRowScale(y, d);
  if (d == 0) return;
  const id = <f32>1 / d;
  clearSums();
  for (let b = 0; b < nBlocks; b++) {
    const block = blocks + b * bytes, xb = x + (b << 10);
    weighBlock(xb, qw ? qw + (b << 10) : 0, 32, 2, false, s);
    for (let r = 0; r < 8; r++) {
      const set = <u32>load<u8>(block + r);
      const l = clampInt(nearestInt(<f32>0.5 * (id * at(scales + (b << 5), r) + 127)), 0, 127) << 1;
      store<u8>(block + r, l | set);
      const scale = <f32>(l - 127), xr = xb + (r << 7), w = s + WEIGHTS + (r << 7), L = s + CODES + (r << 5);
      if (five) encode(32, xr, w, inverse(d * scale), scale, set, L, t);
      else encodeHalves(xr, w, inverse(d * scale), scale, set, L, t);
    }
    packNibbles(s + CODES, five ? 32 : 16, block + 8);
    if (five) packOneBit(s + CODES, 4, block + 136);
  }
  if (sumq2 > 0) storeRowScale(y, sumqx / sumq2);
}

export function quantizeIQ4_KS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  quantizeIQ45_KS(false, x, k, qw, y, s, t);
}

export function quantizeIQ5_KS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  quantizeIQ45_KS(true, x, k, qw, y, s, t);
}
