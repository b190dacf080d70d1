// Layout of a KV cache page (16 positions of one layer, keys or values) and its readers. A page holds one block per
// kv head, of headBytes(type, dim):
//
//   keys    f32        [dim][16 positions]
//           f16        [16 marks], then [dim][16 positions], every 8 as 0 4 1 5 2 6 3 7
//           q8_0       per 32 dims: [16 positions] f16 d, then [32/4][16 positions][4 dims] int8
//   values  f32        per 32 dims: [16 positions][32 dims]
//           f16        [16 marks], then per 32 dims: [16 positions][32 dims], every 8 as 0 4 1 5 2 6 3 7
//           q8_0       per 32 dims: [16 positions] f16 d, then [16 positions][32 dims] int8, every 16 as 0 4 8 12 1 5 9 13 ..
//
// dim of f32 and f16 is rounded up to 8; what is left of 32 dims is narrower. So lanes are positions where scores are made,
// and dims where values are summed; kernels read a page line after line, whichever part of a line they take (rejected: [2][dim][8]
// and [dim/8][16][8], two and four streams for a single query: x0.4 to x0.8 from memory); and loads do what shuffles would: of
// f16, i32 lanes at an address have halves 4..7 in their upper part, two bytes before it halves 0..3; of q8_0 the four
// numbers of a lane come to its top byte at the address, one, two and three bytes before it.
//
// Mark i is not 0 where position i holds a half that is zero, subnormal, infinite or NaN: a page without marks is
// converted by moving bits.
//
// Pages stand in groups of 16. In a group the blocks of a kv head lie side by side, since attention reads them one after the
// other: [head][page]. (Measured: with the heads of each page together it takes three times as long on a 1B model, because
// no prefetcher follows steps of 16 KiB.) A page has pageBytes in its group, the blocks of its heads and maybe a gap.
//
// The readers yield f32 tiles: one conversion serves all heads of a group and all query rows of a block. Every conversion
// is exact, f32(d) * f32(q) too: 11 and 7 bits.

import { Kv, KvType } from "../abi";
import { loadF16x4, widenF16x4 } from "../half";

/** Dims of one q8_0 block, and its bytes for 16 positions. */
const blockDims: u32 = 32;
export const blockBytes: u32 = 16 * (2 + 32);
/** Bytes of the marks of an f16 block. */
export const markBytes: u32 = 16;

/** Bytes of one kv head in a page. */
export function headBytes(type: u32, dim: u32): u32 {
  if (type == KvType.q8_0) return (dim / blockDims) * blockBytes;
  const n = ((dim + 7) & ~7) * Kv.pagePositions;
  return type == KvType.f16 ? markBytes + n * 2 : n * 4;
}

/** Place of half i among 8, in bytes. */
// @ts-ignore: decorator
@inline
export function halfPlace(i: u32): u32 {
  return ((i & 3) << 2) + ((i >> 1) & 2);
}

/** Dims of the 32, or what is left of them, that begin at dim `first` of values, rounded up to 8. */
// @ts-ignore: decorator
@inline
export function widthAt(dim: u32, first: u32): u32 {
  return min<u32>(((dim + 7) & ~7) - first, 32);
}

/** Whether an f16 block holds normal numbers only. */
// @ts-ignore: decorator
@inline
export function isNormal(block: usize): bool {
  return !v128.any_true(v128.load(block));
}

/** Address of a head's block in `page`; first: that of head 0 in page 0; bytes: headBytes of the cache. */
export function blockAt(first: usize, pageBytes: usize, bytes: u32, head: u32, page: u32): usize {
  const group = page / Kv.groupPages, place = page % Kv.groupPages;
  return first + <usize>(group * Kv.groupPages) * pageBytes + <usize>((head * Kv.groupPages + place) * bytes);
}

/** The f32 tile [dim][16 positions] of a head's keys: `head` itself when it is f32, else written at `tile`. */
export function readKeys(type: u32, head: usize, dim: u32, tile: usize): usize {
  if (type == KvType.f32) return head;
  if (type == KvType.f16) {
    halvesToFloats(tile, head + markBytes, dim * Kv.pagePositions, isNormal(head));
    return tile;
  }
  const scale = v128.load32_splat(constants, 16);
  let to = tile;
  for (let block: u32 = 0; block < dim; block += blockDims, head += blockBytes) {
    const d0 = f32x4.mul(loadF16x4(head), scale), d1 = f32x4.mul(loadF16x4(head + 8), scale);
    const d2 = f32x4.mul(loadF16x4(head + 16), scale), d3 = f32x4.mul(loadF16x4(head + 24), scale);
    // q: of four dims, first the one in the lowest byte
    for (let q = head + 29, end = q + 512; q < end; q += 64, to += 256) {
      fourKeys(to, q, d0);
      fourKeys(to + 16, q + 16, d1);
      fourKeys(to + 32, q + 32, d2);
      fourKeys(to + 48, q + 48, d3);
    }
  }
  return tile;
}

/**
 * The f32 tile of a head's values, per 32 dims [16 positions][32 dims]: `head` itself when it is f32, else written at `tile`.
 * Positions that were never written hold anything.
 */
export function readValues(type: u32, head: usize, dim: u32, tile: usize): usize {
  if (type == KvType.f32) return head;
  if (type == KvType.f16) {
    halvesToFloats(tile, head + markBytes, ((dim + 7) & ~7) * Kv.pagePositions, isNormal(head));
    return tile;
  }
  const scale = v128.load32_splat(constants, 16);
  for (let block: u32 = 0, to = tile; block < dim; block += blockDims, head += blockBytes) {
    for (let i: usize = 0, q = head + 29; i < 16; i += 4, q += 128, to += 512) {
      const d = f32x4.mul(loadF16x4(head + (i << 1)), scale);
      valuesOf(to, q, v128.shuffle<i32>(d, d, 0, 0, 0, 0));
      valuesOf(to + 128, q + 32, v128.shuffle<i32>(d, d, 1, 1, 1, 1));
      valuesOf(to + 256, q + 64, v128.shuffle<i32>(d, d, 2, 2, 2, 2));
      valuesOf(to + 384, q + 96, v128.shuffle<i32>(d, d, 3, 3, 3, 3));
    }
  }
  return tile;
}

// One number each, broadcast by a load: V8 rebuilds a v128.const at every use.
// prettier-ignore
const constants: usize = memory.data<u32>([
  0x08000800, 0x10001000, // 0, 4: what halvesToFloats tests with
  0x8fffe000, // 8: an f16 in the upper part of a lane, shifted by 3, without the copies of the sign
  0x38000000, // 12: 112 << 23, the difference of the exponent biases
  0x33800000, // 16: 2^-24, the weight of a lane's top byte
  0xff000000, // 20
], 16);

/** Four positions of four dims, 64 bytes apart. d: the scales of the positions * 2^-24. q: three bytes before them. */
// @ts-ignore: decorator
@inline
function fourKeys(to: usize, q: usize, d: v128): void {
  const top = v128.load32_splat(constants, 20);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q), top))));
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 1), top))), 64);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 2), top))), 128);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 3), top))), 192);
}

/** 32 dims of one position. d, q: as above. */
// @ts-ignore: decorator
@inline
function valuesOf(to: usize, q: usize, d: v128): void {
  const top = v128.load32_splat(constants, 20);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q), top))));
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 1), top))), 16);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 2), top))), 32);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 3), top))), 48);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 16), top))), 64);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 17), top))), 80);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 18), top))), 96);
  v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(v128.load(q, 19), top))), 112);
}

/**
 * n halves of a block to floats, exactly; n is a multiple of 8. A normal one is its bits, moved, plus 112 in the exponent.
 * Others are rare, so 32 halves are tested together for an exponent of 0 or 31: 2h + 0x0800 < 0x1000 (mod 2^16).
 */
function halvesToFloats(to: usize, from: usize, n: u32, normal: bool): void {
  const mask = v128.load32_splat(constants, 8), exponent = v128.load32_splat(constants, 12);
  const whole = from + (<usize>(n & ~31) << 1), end = from + (<usize>n << 1);
  if (normal) {
    for (; from < whole; from += 64, to += 128) normal32(to, from, mask, exponent);
  } else {
    const bias2 = v128.load32_splat(constants), limit = v128.load32_splat(constants, 4);
    for (; from < whole; from += 64, to += 128) {
      const a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48);
      const ab = i16x8.min_u(i16x8.add(i16x8.add(a, a), bias2), i16x8.add(i16x8.add(b, b), bias2));
      const cd = i16x8.min_u(i16x8.add(i16x8.add(c, c), bias2), i16x8.add(i16x8.add(d, d), bias2));
      if (v128.any_true(i16x8.lt_u(i16x8.min_u(ab, cd), limit))) any8(to, from, from + 64);
      else normal32(to, from, mask, exponent);
    }
  }
  any8(to, from, end);
}

/** 32 normal halves. */
// @ts-ignore: decorator
@inline
function normal32(to: usize, from: usize, mask: v128, exponent: v128): void {
  const before = from - 2;
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before), 3), mask), exponent));
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before, 2), 3), mask), exponent), 16);
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before, 16), 3), mask), exponent), 32);
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before, 18), 3), mask), exponent), 48);
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before, 32), 3), mask), exponent), 64);
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before, 34), 3), mask), exponent), 80);
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before, 48), 3), mask), exponent), 96);
  v128.store(to, i32x4.add(v128.and(i32x4.shr_s(v128.load(before, 50), 3), mask), exponent), 112);
}

/** Halves of any kind, by eights. */
function any8(to: usize, from: usize, end: usize): void {
  for (; from < end; from += 16, to += 32) {
    const h = v128.load(from);
    v128.store(to, widenF16x4(i32x4.shr_s(i32x4.shl(h, 16), 16)));
    v128.store(to, widenF16x4(i32x4.shr_s(h, 16)), 16);
  }
}
