// Types whose codes follow from one scale without a search, and that have no use for importance weights: Q1_0, Q2_0,
// TQ1_0, TQ2_0, MXFP4, NVFP4. Each block's drawing stands above its function.

import { at, inverse, maxMagnitude, roundInt, storeScale } from "./scalar";

/** | d f16 | 16 B |, 128 weights: d = mean |x|, bit e is set where x >= 0. */
export function quantizeQ1_0(x: usize, k: u32, y: usize): void {
  for (let b: u32 = 0; b < k >> 7; b++, x += 512, y += 18) {
    let total: f32 = 0;
    for (let i = 0; i < 128; i++) total += abs<f32>(at(x, i));
    storeScale(y, total / <f32>128);
    for (let j = 0; j < 16; j++) {
      let bits: u32 = 0;
      for (let i = 0; i < 8; i++) bits |= <u32>(at(x, 8 * j + i) >= 0) << i;
      store<u8>(y + j, bits, 2);
    }
  }
}

/** | d f16 | 16 B |, 64 weights: d = max |x|, 2-bit codes round(x / d) + 1. */
export function quantizeQ2_0(x: usize, k: u32, y: usize): void {
  for (let b: u32 = 0; b < k >> 6; b++, x += 256, y += 18) {
    const d = maxMagnitude(x, 64), id = inverse(d);
    storeScale(y, d);
    for (let j = 0; j < 16; j++) {
      let bits = 0;
      for (let i = 0; i < 4; i++) bits |= max<i32>(0, min<i32>(3, roundInt(at(x, 4 * j + i) * id) + 1)) << (2 * i);
      store<u8>(y + j, bits, 2);
    }
  }
}

/** 0, 1, 2 for -d, 0, d; 1 where x * id is no number (a subnormal d has an infinite inverse). */
// @ts-ignore: decorator
@inline
function trit(x: usize, i: i32, id: f32): u32 {
  const q = roundInt(at(x, i) * id);
  return q == i32.MIN_VALUE ? 1 : q + 1;
}

/** Up to five trits as one byte, ceil(value * 256 / 243): n trits, `stride` weights apart, the first most significant. */
function tritByte(x: usize, i: i32, stride: i32, n: i32, id: f32): u32 {
  let q: u32 = 0;
  for (let j = 0; j < 5; j++) q = q * 3 + (j < n ? trit(x, i + j * stride, id) : 0);
  return ((q & 255) * 256 + 242) / 243;
}

/** | qs 48 B | qh 4 B | d f16 |, 256 weights: trits of x / max |x|. */
export function quantizeTQ1_0(x: usize, k: u32, y: usize): void {
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 54) {
    const d = maxMagnitude(x, 256), id = inverse(d);
    storeScale(y + 52, d);
    for (let j = 0; j < 32; j++) store<u8>(y + j, tritByte(x, j, 32, 5, id));
    for (let j = 0; j < 16; j++) store<u8>(y + j, tritByte(x, 160 + j, 16, 5, id), 32);
    for (let j = 0; j < 4; j++) store<u8>(y + j, tritByte(x, 240 + j, 4, 4, id), 48);
  }
}

/** | qs 64 B | d f16 |, 256 weights: trits of x / max |x|, two bits each. */
export function quantizeTQ2_0(x: usize, k: u32, y: usize): void {
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 66) {
    const d = maxMagnitude(x, 256), id = inverse(d);
    storeScale(y + 64, d);
    for (let j = 0; j < 64; j++) {
      const first = ((j >> 5) << 7) + (j & 31);
      let bits: u32 = 0;
      for (let i = 0; i < 4; i++) bits |= (trit(x, first + 32 * i, id) & 3) << (2 * i);
      store<u8>(y + j, bits);
    }
  }
}

// prettier-ignore
const E2M1: usize = memory.data<i8>([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]);

/** Codes of the E2M1 values nearest to four x with scale d (half the block's: the table is doubled), the first of equals. */
// @ts-ignore: decorator
@inline
function fp4Codes(x: v128, d: f32): v128 {
  let code = i32x4.splat(0), best = f32x4.abs(f32x4.sub(f32x4.splat(0), x));
  for (let i: u32 = 1; i < 16; i++) {
    const error = f32x4.abs(f32x4.sub(f32x4.splat(<f32>load<i8>(E2M1 + i) * d), x)), nearer = f32x4.lt(error, best);
    code = v128.bitselect(i32x4.splat(i), code, nearer);
    best = v128.bitselect(error, best, nearer);
  }
  return code;
}

/** Codes of 2 * n weights, n a multiple of 4: n bytes, weight j low and weight j + n high. */
function packFp4(x: usize, n: usize, d: f32, qs: usize): void {
  for (let j: usize = 0; j < n; j += 4) {
    const low = fp4Codes(v128.load(x + (j << 2)), d), high = fp4Codes(v128.load(x + (j + n << 2)), d);
    const half = i16x8.narrow_i32x4_u(v128.or(low, i32x4.shl(high, 4)), low);
    v128.store32_lane(qs + j, i8x16.narrow_i16x8_u(half, half), 0);
  }
}

/** floor(log2f(a)) of a > 0: log2f rounds to f32, so values just below a power of two reach it. */
function floorLog2(a: f32): i32 {
  const wide = reinterpret<u64>(<f64>a), exponent = <i32>(wide >> 52) - 1023;
  // a = 2^(exponent + 1) * (1 - gap); near 0, log2(1 - gap) = -gap / ln 2
  const gap = 1 - reinterpret<f64>((wide & 0xfffffffffffff) | 0x3fe0000000000000);
  const above = exponent + 1;
  return <f32>(<f64>above - gap * 1.4426950408889634) == <f32>above ? above : exponent;
}

/** | e u8 | qs 16 B |, 32 weights: e = floor(log2(max |x|)) - 2 + 127. */
export function quantizeMXFP4(x: usize, k: u32, y: usize): void {
  for (let b: u32 = 0; b < k >> 5; b++, x += 128, y += 17) {
    const most = maxMagnitude(x, 32);
    // a byte: blocks below 2^-125 wrap, and their codes are then all 0
    const e = most > 0 ? <u32>(floorLog2(most) + 125) & 255 : 0;
    const d = e < 2 ? reinterpret<f32>(0x00200000 << e) : reinterpret<f32>((e - 1) << 23);
    store<u8>(y, e);
    packFp4(x, 16, d, y + 1);
  }
}

/** Unsigned E4M3 of v: the mantissa's next bit rounds up, 0x7e is the largest. */
function toE4M3(v: f32): u32 {
  if (!(v > 0)) return 0;
  const bits = reinterpret<u32>(min<f32>(v, 448));
  let exponent = <i32>(bits >> 23) - 120, mantissa = <i32>((bits >> 20) & 7);
  if (exponent <= 0) return min<i32>(7, <i32>(v * 512 + <f32>0.5));
  mantissa += <i32>((bits >> 19) & 1);
  if (mantissa > 7) {
    mantissa = 0;
    exponent++;
  }
  return exponent >= 15 ? 0x7e : (exponent << 3) | mantissa;
}

/** Half the value of an unsigned E4M3 byte. */
function halfE4M3(byte: u32): f32 {
  if (byte < 8) return <f32>byte * <f32>0.0009765625; // 2^-10
  return reinterpret<f32>(((byte >> 3) + 119) << 23) * (<f32>1 + <f32>(byte & 7) * <f32>0.125);
}

/** | 4 scale bytes | qs 32 B |, 64 weights in runs of 16: scale = E4M3(max |x| / 6). */
export function quantizeNVFP4(x: usize, k: u32, y: usize): void {
  for (let b: u32 = 0; b < k >> 6; b++, y += 36) {
    for (let run = 0; run < 4; run++, x += 64) {
      const byte = toE4M3(maxMagnitude(x, 16) / <f32>6), d = halfE4M3(byte);
      store<u8>(y + run, byte);
      packFp4(x, 8, d, y + 4 + (run << 3));
    }
  }
}
