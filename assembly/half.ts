// f16 and bf16 to f32 and back, one value or four lanes. Exact in both directions: widening keeps every value,
// narrowing rounds to nearest, ties to even. No step has a denormal f32 operand or result: those cost up to 150
// cycles on some CPUs, and a thread that flushes them to zero would get other bits.
// Source: IEEE 754 binary16; LAYOUTS of the GGUF types, section 16-bit floats.

// One lane each, read with load_splat: V8 rebuilds a v128.const at every use, a broadcast load is one instruction.
// prettier-ignore
const C: usize = memory.data<u32>([
  0x7fff, // 0: exponent and mantissa of an f16
  0x80000000, // 4: sign of an f32
  0x38000000, // 8: 112 << 23, the difference of the exponent biases (127 - 15)
  0x38800000, // 12: 2^-14 as f32, the smallest normal f16; also 113 << 23
  0x0f7fffff, // 16: largest magnitude << 13 of a finite f16
  0x7f800000, // 20: infinity as f32
  0x7fffffff, // 24: magnitude of an f32
  0x33000000, // 28: 2^-25: this and below round to 0 as f16
  0x3f000000, // 32: 0.5, whose last mantissa bit weighs 2^-24, the step of f16 subnormals
  0x477ff000, // 36: 65520: this and above round to infinity as f16
  0x7c00, // 40: infinity as f16
  0x7e00, // 44: NaN as f16
  0xfff, // 48: half a step of f16, less one, in f32 bits
  0x8fffe000, // 52: an f16 sign-extended and shifted by 13, without the copies of the sign
  0x7fff, // 56: half a step of bf16, less one, in f32 bits
  0x400000, // 60: quiet bit of an f32 NaN
  1, // 64
  0x04000400, // 68: one step of the exponent, twice
  0x78007800, // 72: an exponent but for its last bit, twice
], 16);

// @ts-ignore: decorator
@inline
function c(offset: usize): v128 {
  return v128.load_splat<u32>(C + offset);
}

/** f16 bits to f32. Infinities stay; NaN stays NaN. */
export function f16ToF32(h: u32): f32 {
  const sign = (h & 0x8000) << 16;
  const magnitude = h & 0x7fff;
  if (magnitude < 0x400) {
    // subnormal: an integer multiple of 2^-24, normal as f32
    const value = <f32>magnitude * <f32>5.9604644775390625e-8;
    return sign ? -value : value;
  }
  const bits = (magnitude << 13) + (magnitude >= 0x7c00 ? 0x70000000 : 0x38000000);
  return reinterpret<f32>(sign | bits);
}

/**
 * Four f16 at p to f32x4, for values that are finite (block scales, weights): 8 instructions.
 * With v = 2^112 times the f16's bits read as f32: normal values are v; a subnormal m * 2^-24 arrives as
 * v = 2^-15 + m * 2^-25, and v + (v - 2^-14) is its value. Every step is exact.
 */
// @ts-ignore: decorator
@inline
export function loadFiniteF16x4(p: usize): v128 {
  const h = v128.load_ext<i16>(p);
  const v = i32x4.add(i32x4.shl(v128.and(h, c(0)), 13), c(8));
  const magnitude = f32x4.add(v, f32x4.pmin(i32x4.splat(0), f32x4.sub(v, c(12))));
  return v128.or(magnitude, v128.and(h, c(4)));
}

/** Every exponent bit of four f16. */
const EXPONENTS: u64 = 0x7c007c007c007c00;
/** What `normal` gives for four normal f16. */
export const ALL_NORMAL: u64 = 0x8000800080008000;

/** Has bit 15 of each of the four f16 at p set where it is not subnormal or zero: scalar work beside busy lanes. */
// @ts-ignore: decorator
@inline
export function normal(p: usize): u64 {
  return ((load<u64>(p) & EXPONENTS) + EXPONENTS) & ALL_NORMAL;
}

// Types with a scale for every 32 weights mark a group that holds a scale which is not normal, when it is interleaved:
// its products then take the longer conversion. (Measured on Q4_0: converting every scale exactly costs Node 24 a
// fifth of the speed; a check in the loop costs it 5%, and Node 20 a quarter.)

/** Bytes of the mark that leads such a group: 16 keep its vectors aligned as without. */
export const MARK_BYTES: u32 = 16;

/** Marks a group of n blocks of blockBytes, behind its 16 bytes of mark, where one of the four f16 that lead each is not normal. */
export function markGroup(group: usize, blockBytes: u32, n: u32): void {
  let all = ALL_NORMAL;
  let block = group + MARK_BYTES;
  for (let b: u32 = 0; b < n; b++, block += blockBytes) all &= normal(block);
  v128.store(group, i32x4.splat(all != ALL_NORMAL ? 1 : 0));
}

/** Whether one of n consecutive groups is marked. */
// @ts-ignore: decorator
@inline
export function marked(w: usize, groupBytes: usize, n: u32): bool {
  let mark: u32 = 0;
  for (let g: u32 = 0; g < n; g++, w += groupBytes) mark |= load<u32>(w);
  return mark != 0;
}

/** Four normal f16 at p to f32x4: 3 instructions. For others see `normal`. */
// @ts-ignore: decorator
@inline
export function loadNormalF16x4(p: usize): v128 {
  return i32x4.add(v128.and(i32x4.shl(v128.load_ext<i16>(p), 13), c(52)), c(8));
}

/** Four finite f16 at p to f32x4, the longer conversion only where one is not normal: checked once in 256 weights. */
// @ts-ignore: decorator
@inline
export function loadScaleF16x4(p: usize): v128 {
  let d = loadNormalF16x4(p);
  if (normal(p) != ALL_NORMAL) d = loadFiniteF16x4(p);
  return d;
}

/** Four f16 at p to f32x4; every pattern, infinities and NaN included. */
// @ts-ignore: decorator
@inline
export function loadF16x4(p: usize): v128 {
  return widenF16x4(v128.load_ext<i16>(p));
}

/** The same of four f16 in i32 lanes, sign-extended. */
// @ts-ignore: decorator
@inline
export function widenF16x4(h: v128): v128 {
  const shifted = i32x4.shl(v128.and(h, c(0)), 13);
  const v = i32x4.add(shifted, c(8));
  const finite = f32x4.add(v, f32x4.pmin(i32x4.splat(0), f32x4.sub(v, c(12))));
  const magnitude = v128.bitselect(v128.or(shifted, c(20)), finite, i32x4.gt_s(shifted, c(16)));
  return v128.or(magnitude, v128.and(h, c(4)));
}

/** Zero in each i16 lane whose f16 is zero, subnormal, infinite or NaN: exponent + 1 is then 1 or 32. */
// @ts-ignore: decorator
@inline
export function normalLanes(h: v128): v128 {
  return v128.and(i16x8.add(h, c(68)), c(72));
}

/** f32 to f16 bits. From 65520 upward infinity; NaN becomes 0x7e00 with its sign. */
export function f32ToF16(x: f32): u32 {
  const bits = reinterpret<u32>(x);
  const sign = (bits >> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    return sign | ((magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13);
  }
  if (magnitude <= 0x33000000) return sign;
  // adding 0.5 rounds to the step 2^-24 and leaves the count of steps in the low bits
  return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + 0.5) - 0x3f000000);
}

/** f32x4 to f16 bits in the low half of each lane. */
// @ts-ignore: decorator
@inline
export function f32x4ToF16(x: v128): v128 {
  const magnitude = v128.and(x, c(24));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), c(64));
  const normal = i32x4.shr_u(i32x4.sub(i32x4.add(i32x4.add(magnitude, c(48)), odd), c(8)), 13);
  // operands too small to count are replaced by 0 before the addition: they might be denormal
  const counted = v128.and(magnitude, i32x4.gt_s(magnitude, c(28)));
  const subnormal = i32x4.sub(f32x4.add(counted, c(32)), c(32));
  let h = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, c(12)));
  h = v128.bitselect(h, c(40), i32x4.lt_s(magnitude, c(36)));
  h = v128.bitselect(c(44), h, i32x4.gt_s(magnitude, c(20)));
  return v128.or(h, i32x4.shr_u(v128.and(x, c(4)), 16));
}

/** Writes f32x4 as four f16 at p. */
// @ts-ignore: decorator
@inline
export function storeF16x4(p: usize, x: v128): void {
  const h = f32x4ToF16(x);
  v128.store64_lane(p, i16x8.narrow_i32x4_u(h, h), 0);
}

/** bf16 bits to f32. */
// @ts-ignore: decorator
@inline
export function bf16ToF32(b: u32): f32 {
  return reinterpret<f32>(b << 16);
}

/** Four bf16 at p to f32x4. */
// @ts-ignore: decorator
@inline
export function loadBf16x4(p: usize): v128 {
  return i32x4.shl(v128.load_ext<u16>(p), 16);
}

/** f32 to bf16 bits. Overflow becomes infinity; NaN keeps its upper half and becomes quiet. */
export function f32ToBf16(x: f32): u32 {
  const bits = reinterpret<u32>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >> 16) | 0x40;
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

/** f32x4 to bf16 bits in the low half of each lane. */
// @ts-ignore: decorator
@inline
export function f32x4ToBf16(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), c(64));
  const rounded = i32x4.add(i32x4.add(x, c(56)), odd);
  const isNan = i32x4.gt_s(v128.and(x, c(24)), c(20));
  return i32x4.shr_u(v128.bitselect(v128.or(x, c(60)), rounded, isNan), 16);
}

/** Writes f32x4 as four bf16 at p. */
// @ts-ignore: decorator
@inline
export function storeBf16x4(p: usize, x: v128): void {
  const b = f32x4ToBf16(x);
  v128.store64_lane(p, i16x8.narrow_i32x4_u(b, b), 0);
}
