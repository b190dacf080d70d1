// Layout of a KV cache page (16 positions of one layer, keys or values) and its readers. A page holds one block per
// kv head, of headBytes(type, dim):
//
//   keys    f32, f16   [dim][16 positions]
//           q8_0       per 32 dims: [16 positions] f16 d, then [32 dims][16 positions] int8
//   values  f32, f16   [16 positions][dim]
//           q8_0       [16 positions][dim/32] f16 d, then [16 positions][dim] int8
//
// Pages stand in groups of 16. In a group the blocks of a kv head lie side by side, since attention reads them one after the
// other: [head][page]. (Measured: with the heads of each page together it takes three times as long on a 1B model, because
// no prefetcher follows steps of 16 KiB.) A page has pageBytes in its group, the blocks of its heads and maybe a gap.
//
// So that lanes are positions where scores are made, and dims where values are summed. The readers yield f32 tiles:
// one conversion serves all heads of a group and all query rows of a block. Every conversion is exact but q8_0's,
// f32(d) * f32(q), which rounds once.

import { Kv, KvType } from "../abi";
import { f16ToF32, loadF16x4 } from "../half";

/** Dims of one q8_0 block, and its bytes for 16 positions. */
const blockDims: u32 = 32;
const blockBytes: u32 = 16 * (2 + 32);

/** Bytes of one kv head in a page. */
export function headBytes(type: u32, dim: u32): u32 {
  if (type == KvType.q8_0) return (dim / blockDims) * blockBytes;
  return dim * Kv.pagePositions * (type == KvType.f16 ? 2 : 4);
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
    halvesToFloats(tile, head, dim * Kv.pagePositions);
    return tile;
  }
  let to = tile;
  for (let block: u32 = 0; block < dim; block += blockDims, head += blockBytes) {
    // The 16 d are converted into the block's last 64 bytes, which are overwritten last.
    const scales = to + (blockDims - 1) * 64;
    halvesToFloats(scales, head, 16);
    const d0 = v128.load(scales), d1 = v128.load(scales, 16), d2 = v128.load(scales, 32), d3 = v128.load(scales, 48);
    for (let q = head + 32, end = head + blockBytes; q < end; q += 32, to += 128) {
      store16(to, v128.load(q), d0, d1, d2, d3);
      store16(to + 64, v128.load(q, 16), d0, d1, d2, d3);
    }
  }
  return tile;
}

/**
 * The f32 tile [16 positions][dim rounded up to 8] of a head's values, positions [first, end) of the page; the rest
 * of the tile is garbage. `head` itself when it has that form, else written at `tile`.
 */
export function readValues(type: u32, head: usize, dim: u32, first: u32, end: u32, tile: usize): usize {
  const stride = <usize>((dim + 7) & ~7) << 2;
  let to = tile + <usize>first * stride;
  if (type == KvType.f32) {
    if (stride == <usize>dim << 2) return head;
    for (let i = first; i < end; i++, to += stride) memory.copy(to, head + <usize>(i * dim << 2), <usize>dim << 2);
  } else if (type == KvType.f16) {
    if (stride == <usize>dim << 2) halvesToFloats(to, head + <usize>(first * dim << 1), (end - first) * dim);
    else for (let i = first; i < end; i++, to += stride) halvesToFloats(to, head + <usize>(i * dim << 1), dim);
  } else {
    const nBlocks = dim / blockDims;
    let d = head + <usize>(first * nBlocks << 1);
    let q = head + <usize>(16 * nBlocks << 1) + <usize>(first * dim);
    for (let i = first * nBlocks; i < end * nBlocks; i++, d += 2, q += blockDims, to += 128) {
      const scale = f32x4.splat(f16ToF32(load<u16>(d)));
      store16(to, v128.load(q), scale, scale, scale, scale);
      store16(to + 64, v128.load(q, 16), scale, scale, scale, scale);
    }
  }
  return tile;
}

/** 16 int8 quants times the scales of their lanes. */
// @ts-ignore: decorator
@inline
function store16(to: usize, q: v128, d0: v128, d1: v128, d2: v128, d3: v128): void {
  const l = i16x8.extend_low_i8x16_s(q), h = i16x8.extend_high_i8x16_s(q);
  v128.store(to, f32x4.mul(d0, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(l))));
  v128.store(to, f32x4.mul(d1, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(l))), 16);
  v128.store(to, f32x4.mul(d2, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(h))), 32);
  v128.store(to, f32x4.mul(d3, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(h))), 48);
}

// One number each, broadcast by a load: V8 rebuilds a v128.const at every use.
const constants: usize = memory.data<u32>([0x08000800, 0x10001000, 0x8fffe000, 0x38000000], 16);

/**
 * n halves to floats, exactly. Zeros, denormals, infinities and NaNs are rare, so 32 halves are tested together for
 * an exponent of 0 or 31: 2h + 0x0800 < 0x1000 (mod 2^16). Without one, a float is the half's bits, moved, plus 112
 * in the exponent.
 */
export function halvesToFloats(to: usize, from: usize, n: u32): void {
  const bias2 = v128.load32_splat(constants), limit = v128.load32_splat(constants, 4);
  const mask = v128.load32_splat(constants, 8), exponent = v128.load32_splat(constants, 12);
  let i: u32 = 0;
  for (; i + 32 <= n; i += 32, from += 64, to += 128) {
    const a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48);
    const ab = i16x8.min_u(i16x8.add(i16x8.add(a, a), bias2), i16x8.add(i16x8.add(b, b), bias2));
    const cd = i16x8.min_u(i16x8.add(i16x8.add(c, c), bias2), i16x8.add(i16x8.add(d, d), bias2));
    if (v128.any_true(i16x8.lt_u(i16x8.min_u(ab, cd), limit))) {
      specialHalvesToFloats(to, from);
      continue;
    }
    store8(to, a, mask, exponent);
    store8(to + 32, b, mask, exponent);
    store8(to + 64, c, mask, exponent);
    store8(to + 96, d, mask, exponent);
  }
  for (; i < n; i++, from += 2, to += 4) store<f32>(to, f16ToF32(load<u16>(from)));
}

// @ts-ignore: decorator
@inline
function store8(to: usize, h: v128, mask: v128, exponent: v128): void {
  const l = v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(h), 13), mask);
  const u = v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(h), 13), mask);
  v128.store(to, i32x4.add(l, exponent));
  v128.store(to, i32x4.add(u, exponent), 16);
}

/** 32 halves of any kind. */
function specialHalvesToFloats(to: usize, from: usize): void {
  for (let end = from + 64; from < end; from += 8, to += 16) v128.store(to, loadF16x4(from));
}
