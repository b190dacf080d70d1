// The only file where the three builds differ. `BUILD` is a constant of asconfig.json, folded at compile time.
//   dot32  8-bit relaxed dot, four products added in an i32 lane (vpdpbusd, SDOT)
//   rel16  8-bit relaxed dot, two products in an i16 lane (pmaddubsw), collected in i16 and widened rarely
//   base   SIMD128 only: i16 pairs, the even and the odd bytes of a vector apart
// Relaxed dots are used only where one operand fits 7 bits and no lane can saturate: their result is then defined.

// @ts-ignore: decorator
@inline
export const DOT32: bool = BUILD == 0;
// @ts-ignore: decorator
@inline
export const REL16: bool = BUILD == 1;
// @ts-ignore: decorator
@inline
export const BASE: bool = BUILD == 2;

/**
 * Words of 4 bytes that one column takes for a step of 4 elements in the unsigned forms (activation-forms.ts): the
 * bytes as they are, or, in base, two pairs of i16: elements (0, 2) and (1, 3).
 */
// @ts-ignore: decorator
@inline
export const STEP: i32 = BASE ? 2 : 1;


/**
 * Whether slabs of signed weights are multiplied as i16, with their scales in them (slab.ts), with several columns: where no 8-bit dot adds four
 * products, two i16 dots and two sums a step take less than signs (rel16, with a scale for each group in a register: 72 against 78 GOP/s).
 */
// @ts-ignore: decorator
@inline
export const WIDE: bool = !DOT32;

// Masks are read from memory once per tile: V8 rebuilds a v128.const at every use (measured: 10 against 15 GB/s).
const MASKS: usize = memory.data<u32>([
  0x0f0f0f0f, 0x3f3f3f3f, 0x30303030, 0x00ff00ff, 0x00010001, 0xff, 0x10101010,
  0x03030303, 0x04040404, 0x07070707, 0x18181818, 0x1f1f1f1f, 0x80808080, 32,
  0x01010101, 0xd5d5d5d5, 0x2a2a2a2a, 0x40404040, 0xffff, 0x0c0c0c0c, 0x3c3c3c3c,
  0x000f000f, 0x38383838,
], 16);
/** Addresses for load_splat<u32>: every byte 15, 63, 48; the even bytes; every i16 1; an i32's low byte; every byte 16. */
// prettier-ignore
export const M15: usize = MASKS, M63: usize = MASKS + 4, M48: usize = MASKS + 8, EVEN: usize = MASKS + 12,
  ONES: usize = MASKS + 16, M255: usize = MASKS + 20, M16: usize = MASKS + 24;
/** Every byte 3, 4, 7, 24, 31, 128; an i32's 32. */
// prettier-ignore
export const M3: usize = MASKS + 28, M4: usize = MASKS + 32, M7: usize = MASKS + 36, M24: usize = MASKS + 40,
  M31: usize = MASKS + 44, M128: usize = MASKS + 48, M32: usize = MASKS + 52;
/** Every byte 1, -43, 42, 64; an i32's low half. */
// prettier-ignore
export const M1: usize = MASKS + 56, BELOW1: usize = MASKS + 60, BELOW2: usize = MASKS + 64, M64: usize = MASKS + 68,
  LOW16: usize = MASKS + 72;
/** Every byte 12, 60; every i16 15; every byte 56. */
// prettier-ignore
export const M12: usize = MASKS + 76, M60: usize = MASKS + 80, M15X2: usize = MASKS + 84, M56: usize = MASKS + 88;

/** Bytes 0, 2, .. of unsigned weights as i16 (base), or the weights as they are. evenMask: load_splat(EVEN). */
// @ts-ignore: decorator
@inline
export function even(w: v128, evenMask: v128): v128 {
  return BASE ? v128.and(w, evenMask) : w;
}

/** Bytes 1, 3, .. of unsigned weights as i16 (base); not used elsewhere. */
// @ts-ignore: decorator
@inline
export function odd(w: v128): v128 {
  return BASE ? i16x8.shr_u(w, 8) : w;
}

/** Bytes 0, 2, .. of signed weights as i16. */
// @ts-ignore: decorator
@inline
export function evenI16(w: v128): v128 {
  return i16x8.shr_s(i16x8.shl(w, 8), 8);
}

/** Bytes 1, 3, .. of signed weights as i16. */
// @ts-ignore: decorator
@inline
export function oddI16(w: v128): v128 {
  return i16x8.shr_s(w, 8);
}

/** Bytes 0, 2, .. of signed weights as i16 (base), or the weights as they are. */
// @ts-ignore: decorator
@inline
export function evenSigned(w: v128): v128 {
  return BASE ? i16x8.shr_s(i16x8.shl(w, 8), 8) : w;
}

/** Bytes 1, 3, .. of signed weights as i16 (base); not used elsewhere. */
// @ts-ignore: decorator
@inline
export function oddSigned(w: v128): v128 {
  return BASE ? i16x8.shr_s(w, 8) : w;
}

// Vectors of nibbles go to even and odd bytes in six instructions where `even` and `odd` of both halves take seven.
const NIBBLES: usize = memory.data<u32>([0x0f0f0f0f, 0x000f000f], 16);
/** Address for load_splat<u32>: the mask of the four functions below. */
// @ts-ignore: decorator
@inline
export const NIBBLE: usize = BASE ? NIBBLES + 4 : NIBBLES;

/** `even` of the low nibbles of v. */
// @ts-ignore: decorator
@inline
export function lowEven(v: v128, nibble: v128): v128 {
  return v128.and(v, nibble);
}

/** `odd` of the low nibbles of v. */
// @ts-ignore: decorator
@inline
export function lowOdd(v: v128, nibble: v128): v128 {
  return BASE ? v128.and(i16x8.shr_u(v, 8), nibble) : v;
}

/** `even` of the high nibbles of v. */
// @ts-ignore: decorator
@inline
export function highEven(v: v128, nibble: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), nibble);
}

/** `odd` of the high nibbles of v. */
// @ts-ignore: decorator
@inline
export function highOdd(v: v128): v128 {
  return BASE ? i16x8.shr_u(v, 12) : v;
}

/**
 * One step: adds the products of 4 elements of 4 rows (weights 0..127) with one column (-127..127) to `acc`.
 * dot32 and base: acc is i32x4. rel16: acc is i16x8, two sums a row; `fresh` begins a new one, ignoring acc. The
 * caller settles it before 2 * maxWeight * 127 * steps can pass 32767: 8 steps of 4-bit weights, 4 of 5, 2 of 6.
 */
// @ts-ignore: decorator
@inline
export function dot(fresh: bool, acc: v128, wEven: v128, wOdd: v128, y: v128, yOdd: v128): v128 {
  if (DOT32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(y, wEven, acc);
  if (BASE) return i32x4.add(i32x4.add(acc, i32x4.dot_i16x8_s(wEven, y)), i32x4.dot_i16x8_s(wOdd, yOdd));
  if (fresh) return v128.relaxed_dot<i16>(y, wEven);
  return i16x8.add(acc, v128.relaxed_dot<i16>(y, wEven));
}

/** Steps of 5-bit weights that one accumulator takes. */
// @ts-ignore: decorator
@inline
export const STEPS5: i32 = REL16 ? 4 : 8;

/** Steps of 6-bit weights that one accumulator takes, of the four of a sub-block. */
// @ts-ignore: decorator
@inline
export const STEPS6: i32 = REL16 ? 2 : 4;
/** Steps of slabs of 7-bit weights that an accumulator takes which begins at their offset (quants/slab.ts). */
// @ts-ignore: decorator
@inline
export const STEPS7: i32 = REL16 ? 2 : 4;
/** Words of a column of a q8x256Pairs block at which accumulators begin: rel16 has one for 2 steps, the others one for 4. */
// @ts-ignore: decorator
@inline
export const STARTS: i32 = REL16 ? 32 : 16;

/** Words at which an accumulator of `steps` steps begins. */
// @ts-ignore: decorator
@inline
export function startWords(steps: i32): i32 {
  return steps == 8 ? 2 : 1;
}

/** Where an accumulator of `steps` steps begins, from the words at p, stride bytes apart. */
// @ts-ignore: decorator
@inline
export function startOf(steps: i32, p: usize, stride: usize): v128 {
  const first = v128.load_splat<u32>(p);
  return startWords(steps) == 1 ? first : addStarts(first, v128.load_splat<u32>(p + stride));
}

// @ts-ignore: decorator
@inline
function addStarts(a: v128, b: v128): v128 {
  return REL16 ? i16x8.add(a, b) : i32x4.add(a, b);
}

/** An accumulator of `dot` that begins at an i32x4 of numbers that fit i16; rel16: in the first sum of each row. */
// @ts-ignore: decorator
@inline
export function startAt(v: v128): v128 {
  return REL16 ? i32x4.shr_u(i32x4.shl(v, 16), 16) : v;
}

/**
 * The i32x4 total after some steps. dot32 and base: acc itself, which must have begun at the total. rel16: total
 * plus the two i16 sums of each row.
 */
// @ts-ignore: decorator
@inline
export function settle(total: v128, acc: v128, ones: v128): v128 {
  return REL16 ? i32x4.add(total, i32x4.dot_i16x8_s(acc, ones)) : acc;
}

/** `settle` of an accumulator that began at its offset, from a packing (activations.ts, startOf16). */
// @ts-ignore: decorator
@inline
export function settled(acc: v128, ones: v128): v128 {
  return REL16 ? i32x4.dot_i16x8_s(acc, ones) : acc;
}

/** acc and a quarter of `four`, which is a sum of multiples of 4. */
// @ts-ignore: decorator
@inline
export function addQuarter(acc: v128, four: v128): v128 {
  return REL16 ? i16x8.add(acc, i16x8.shr_s(four, 2)) : i32x4.add(acc, i32x4.shr_s(four, 2));
}

/** A factor for addScaled: an i32x4 of 0..32767. */
// @ts-ignore: decorator
@inline
export function factor(k: v128): v128 {
  return REL16 ? v128.or(k, i32x4.shl(k, 16)) : k;
}

/** total + acc * k for an accumulator that began at zero; k from `factor`. */
// @ts-ignore: decorator
@inline
export function addScaled(total: v128, acc: v128, k: v128): v128 {
  return i32x4.add(total, REL16 ? i32x4.dot_i16x8_s(acc, k) : i32x4.mul(acc, k));
}

/** Sum of the 256 activations of a q8x256 block, in every lane; y: the block's d of one column, stride: to its next field. */
// @ts-ignore: decorator
@inline
export function sumOf256(y: usize, stride: usize, ones: v128): v128 {
  const a = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + stride), ones);
  const b = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + 2 * stride), ones);
  const c = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + 3 * stride), ones);
  const d = i32x4.dot_i16x8_s(v128.load_splat<u32>(y + 4 * stride), ones);
  return i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
}

// Products of a sub-block's sum with its scale (slab.ts): weights of 7 bits, offset by 64, so that only one step fits i16.
// rel16 multiplies each step by the scale, as a pair of i16, and takes the offset off at the end of a block.

/** The accumulator of a sub-block; sum: -(sum of its 16 activations). */
// @ts-ignore: decorator
@inline
export function scaledStart(total: v128, sum: v128): v128 {
  return REL16 ? total : i32x4.shl(sum, 6);
}

/** One step; k: the scales, from factorPair. 2 * 127 * 127 = 32258 fits i16. */
// @ts-ignore: decorator
@inline
export function scaledStep(acc: v128, wEven: v128, wOdd: v128, y: v128, yOdd: v128, k: v128): v128 {
  if (REL16) return i32x4.add(acc, i32x4.dot_i16x8_s(v128.relaxed_dot<i16>(y, wEven), k));
  return dot(false, acc, wEven, wOdd, y, yOdd);
}

/** The total after a sub-block. */
// @ts-ignore: decorator
@inline
export function scaledEnd(total: v128, acc: v128, k: v128): v128 {
  return REL16 ? acc : i32x4.add(total, i32x4.mul(acc, k));
}

/** rel16: the sum of scale * -(sum of 16), 64 times the least total; kLow: the scales' lower halves, the upper zero. */
// @ts-ignore: decorator
@inline
export function scaledLeast(least: v128, kLow: v128, sum: v128): v128 {
  return REL16 ? i32x4.add(least, i32x4.dot_i16x8_s(kLow, sum)) : least;
}

/** The total without the offset. */
// @ts-ignore: decorator
@inline
export function addLeast(total: v128, least: v128): v128 {
  return REL16 ? i32x4.add(total, i32x4.shl(least, 6)) : total;
}

/** Scales (i32x4, -32768..32767) as scaledStep and scaledEnd want them. */
// @ts-ignore: decorator
@inline
export function factorPair(k: v128): v128 {
  return REL16 ? v128.or(v128.and(k, v128.load_splat<u32>(LOW16)), i32x4.shl(k, 16)) : k;
}

// Octets of two rows, 16 bytes, times one octet of a column (quants/grid-products.ts): the partial sums of a row stay in its half of
// the vector. dot32 and rel16: four i16 a row, sums of two products; base: two i32, sums of four.

/** An octet of a packed column for both rows. */
// @ts-ignore: decorator
@inline
export function loadOctet(y: usize): v128 {
  return BASE ? v128.load(y) : v128.load_splat<u64>(y);
}

/** The first octet of 16 bytes of a column for both rows; in base they are an octet. */
// @ts-ignore: decorator
@inline
export function firstOctet(y: v128): v128 {
  return BASE ? y : v128.shuffle<i64>(y, y, 0, 0);
}

/** The second octet. Not for base. */
// @ts-ignore: decorator
@inline
export function secondOctet(y: v128): v128 {
  return v128.shuffle<i64>(y, y, 1, 1);
}

/** -y for signedPairs; zero: all bits 0. Not used in base. */
// @ts-ignore: decorator
@inline
export function negative(y: v128, zero: v128): v128 {
  return BASE ? y : i8x16.sub(zero, y);
}

/** Partial sums of y times w, 0..127; i16: at most 2 * 127 * maxWeight. */
// @ts-ignore: decorator
@inline
export function octetPairs(y: v128, w: v128, evenMask: v128): v128 {
  if (!BASE) return v128.relaxed_dot<i16>(y, w);
  return sumOfPairs(y, even(w, evenMask), odd(w));
}

/** The same with w negative where a byte of `minus` is 255, not 0; less: negative(y). */
// @ts-ignore: decorator
@inline
export function signedPairs(y: v128, less: v128, w: v128, minus: v128): v128 {
  if (!BASE) return v128.relaxed_dot<i16>(select(less, y, minus), w);
  const signed = i8x16.sub(v128.xor(w, minus), minus);
  return sumOfPairs(y, evenSigned(signed), oddSigned(signed));
}

// @ts-ignore: decorator
@inline
function sumOfPairs(y: v128, wEven: v128, wOdd: v128): v128 {
  const yEven = v128.shuffle<i32>(y, y, 0, 2, 0, 2), yOdd = v128.shuffle<i32>(y, y, 1, 3, 1, 3);
  return i32x4.add(i32x4.dot_i16x8_s(wEven, yEven), i32x4.dot_i16x8_s(wOdd, yOdd));
}

/** The sum of two partial sums that together fit. */
// @ts-ignore: decorator
@inline
export function addPairs(a: v128, b: v128): v128 {
  return BASE ? i32x4.add(a, b) : i16x8.add(a, b);
}

/** total + pairs * k, in i32; k: each row's scale in its lanes, base: as i32, else as a pair of i16. */
// @ts-ignore: decorator
@inline
export function addScaledPairs(total: v128, pairs: v128, k: v128): v128 {
  return i32x4.add(total, BASE ? i32x4.mul(pairs, k) : i32x4.dot_i16x8_s(pairs, k));
}

/**
 * Two elements of a trellis type (kt.ts), four rows in lanes: adds the sum of the four bytes of a lane, 0..63 each, times y: x0 by
 * element n of the 8 whose steps (of one column) are at y, x1 by element n + 1. k: as in scaledStep; n even. rel16: 2 * 2 * 63 * 127
 * fits i16.
 */
// @ts-ignore: decorator
@inline
export function scaledBytes(acc: v128, x0: v128, x1: v128, y: usize, n: u32, k: v128): v128 {
  if (BASE) {
    // a step's i16 are those of elements 0, 2, 1, 3
    const at = y + ((n >> 2) << 3) + (n & 2);
    acc = i32x4.add(acc, i32x4.dot_i16x8_s(i16x8.extadd_pairwise_i8x16_u(x0), v128.load_splat<u16>(at)));
    return i32x4.add(acc, i32x4.dot_i16x8_s(i16x8.extadd_pairwise_i8x16_u(x1), v128.load_splat<u16>(at, 4)));
  }
  const y0 = v128.load_splat<u8>(y + n), y1 = v128.load_splat<u8>(y + n, 1);
  if (DOT32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(y1, x1, i32x4.relaxed_dot_i8x16_i7x16_add_s(y0, x0, acc));
  return i32x4.add(acc, i32x4.dot_i16x8_s(i16x8.add(v128.relaxed_dot<i16>(y0, x0), v128.relaxed_dot<i16>(y1, x1)), k));
}

/** Sums of pairs of bytes of v, 0..127 each, as i16; m1: every byte 1. */
// @ts-ignore: decorator
@inline
export function pairSums(v: v128, m1: v128): v128 {
  return BASE ? i16x8.extadd_pairwise_i8x16_u(v) : v128.relaxed_dot<i16>(m1, v);
}

/** a's bytes where the mask's are 255, b's where they are 0: for these the relaxed instruction is defined. */
// @ts-ignore: decorator
@inline
export function select(a: v128, b: v128, mask: v128): v128 {
  return BASE ? v128.bitselect(a, b, mask) : v128.relaxed_laneselect<i8>(a, b, mask);
}

// One column of signed weights (folded.ts): w.y = (w ^ s).|y| + N, s being 255 where y < 0 and N the sum of |y| there, since
// w ^ 255 = -w - 1. Magnitudes fit 7 bits: one dot a step where y+ and y- take two. base: (even, odd) pairs, N is 0.

/** One step; y, s: |y| and s, or the pairs; k: the scales, from spreadScales. 2 * 128 * 127 = 32512 fits i16. */
// @ts-ignore: decorator
@inline
export function scaledFolded(acc: v128, w: v128, y: v128, s: v128, k: v128): v128 {
  return addOdd(foldedStep(acc, evenSigned(w), y, s, k), oddSigned(w), s);
}

/** The same step of several columns, but for base's odd bytes. */
// @ts-ignore: decorator
@inline
export function foldedStep(acc: v128, wEven: v128, y: v128, s: v128, k: v128): v128 {
  if (BASE) return i32x4.add(acc, i32x4.dot_i16x8_s(wEven, y));
  if (DOT32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.xor(wEven, s), y, acc);
  return i32x4.add(acc, i32x4.dot_i16x8_s(v128.relaxed_dot<i16>(v128.xor(wEven, s), y), k));
}

/** The total of scaledFolded begins with N, at p. */
// @ts-ignore: decorator
@inline
export function foldedStart(p: usize): v128 {
  return BASE ? i32x4.splat(0) : v128.load_splat<u32>(p);
}

/** The total and what scaledFolded has added up from zero for a sub-block. */
// @ts-ignore: decorator
@inline
export function addFolded(total: v128, acc: v128, k: v128): v128 {
  return i32x4.add(total, REL16 ? acc : i32x4.mul(acc, k));
}

/** The products of the odd bytes, which in base come apart: fewer vectors live at once. */
// @ts-ignore: decorator
@inline
export function addOdd(acc: v128, wOdd: v128, yOdd: v128): v128 {
  return BASE ? i32x4.add(acc, i32x4.dot_i16x8_s(wOdd, yOdd)) : acc;
}

const SPREADS: usize = memory.data<u8>([
  128, 0, 128, 0, 128, 1, 128, 1, 128, 2, 128, 2, 128, 3, 128, 3,
  128, 128, 128, 0, 128, 128, 128, 1, 128, 128, 128, 2, 128, 128, 128, 3,
  128, 0, 128, 0, 128, 4, 128, 4, 128, 8, 128, 8, 128, 12, 128, 12,
  128, 1, 128, 1, 128, 5, 128, 5, 128, 9, 128, 9, 128, 13, 128, 13,
  128, 2, 128, 2, 128, 6, 128, 6, 128, 10, 128, 10, 128, 14, 128, 14,
  128, 3, 128, 3, 128, 7, 128, 7, 128, 11, 128, 11, 128, 15, 128, 15,
  128, 128, 128, 0, 128, 128, 128, 4, 128, 128, 128, 8, 128, 128, 128, 12,
  128, 128, 128, 1, 128, 128, 128, 5, 128, 128, 128, 9, 128, 128, 128, 13,
  128, 128, 128, 2, 128, 128, 128, 6, 128, 128, 128, 10, 128, 128, 128, 14,
  128, 128, 128, 3, 128, 128, 128, 7, 128, 128, 128, 11, 128, 128, 128, 15,
], 16);
/** Address of the mask of spreadScales; of four masks, for byte k of each lane at 16k. */
// @ts-ignore: decorator
@inline
export const SPREAD: usize = REL16 ? SPREADS : SPREADS + 16;
// @ts-ignore: decorator
@inline
export const SPREAD_BYTE: usize = REL16 ? SPREADS + 32 : SPREADS + 96;

/** Four bytes, as signed numbers, a lane each, as factorPair gives them: the lowest (spread: load(SPREAD)), or a byte of each lane. */
// @ts-ignore: decorator
@inline
export function spreadScales(bytes: v128, spread: v128): v128 {
  // indices of 128 and more give 0 in the relaxed instruction, too
  const top = lookup(bytes, spread);
  return REL16 ? i16x8.shr_s(top, 8) : i32x4.shr_s(top, 24);
}

// Codebook weights (IQ4_XS): 4-bit codes into 16 unsigned values of 8 bits, one more than a relaxed dot takes. A value
// is the sum of two parts of 7 bits (dot32), or 16 times its high nibble plus its low one (rel16); base takes it whole.

/** The table of first parts, from that of the values. */
// @ts-ignore: decorator
@inline
export function firstPart(values: v128): v128 {
  if (DOT32) return i8x16.min_u(values, i8x16.splat(127));
  return REL16 ? v128.and(i16x8.shr_u(values, 4), i8x16.splat(15)) : values;
}

/** The table of second parts; not used in base. */
// @ts-ignore: decorator
@inline
export function secondPart(values: v128): v128 {
  return DOT32 ? i8x16.sub_sat_u(values, i8x16.splat(127)) : v128.and(values, i8x16.splat(15));
}

/** table[index[i]] for every byte; index: 0..15, or 128..255 for 0: for these the relaxed instruction is defined. */
// @ts-ignore: decorator
@inline
export function lookup(table: v128, index: v128): v128 {
  return BASE ? i8x16.swizzle(table, index) : i8x16.relaxed_swizzle(table, index);
}

/** `dot` of the first parts (base: the values), in dot32 of the second parts too. rel16: up to 8 steps. */
// @ts-ignore: decorator
@inline
export function dotParts(fresh: bool, acc: v128, firstEven: v128, firstOdd: v128, second: v128, y: v128, yOdd: v128): v128 {
  const sum = dot(fresh, acc, firstEven, firstOdd, y, yOdd);
  return DOT32 ? dot(fresh, sum, second, second, y, y) : sum;
}

/** rel16: `dot` of the second parts, up to 8 steps; nothing elsewhere. */
// @ts-ignore: decorator
@inline
export function dotSecond(fresh: bool, acc: v128, second: v128, y: v128): v128 {
  return REL16 ? dot(fresh, acc, second, second, y, y) : acc;
}

/** A factor for addScaledParts: the low byte of each lane, as a signed number from -128 to 127. */
// @ts-ignore: decorator
@inline
export function signedFactor(k: v128): v128 {
  const top = i32x4.shl(k, 24);
  return REL16 ? i16x8.shr_s(v128.or(top, i32x4.shr_u(top, 16)), 8) : i32x4.shr_s(top, 24);
}

/** total + sum * k for the accumulators of dotParts and dotSecond, both begun at zero; k from `signedFactor`. */
// @ts-ignore: decorator
@inline
export function addScaledParts(total: v128, first: v128, second: v128, k: v128): v128 {
  if (!REL16) return i32x4.add(total, i32x4.mul(first, k));
  return i32x4.add(i32x4.add(total, i32x4.dot_i16x8_s(first, i16x8.shl(k, 4))), i32x4.dot_i16x8_s(second, k));
}

// One column times rows whose i32 lanes are sub-blocks (quants/quads.ts).

/** An accumulator of `dot` that begins at 2^shift times what the packing holds. */
// @ts-ignore: decorator
@inline
export function startOfQuad(v: v128, shift: i32): v128 {
  return REL16 ? i16x8.shl(v, shift) : i32x4.shl(v, shift);
}

/** i16 lanes 0..3 as factors for addScaled. */
// @ts-ignore: decorator
@inline
export function lowFactors(v: v128): v128 {
  return REL16 ? v128.shuffle<i16>(v, v, 0, 0, 1, 1, 2, 2, 3, 3) : i32x4.extend_low_i16x8_s(v);
}

/** i16 lanes 4..7. */
// @ts-ignore: decorator
@inline
export function highFactors(v: v128): v128 {
  return REL16 ? v128.shuffle<i16>(v, v, 4, 4, 5, 5, 6, 6, 7, 7) : i32x4.extend_high_i16x8_s(v);
}
