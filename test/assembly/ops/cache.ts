// A KV cache for tests: pages in scrambled order, filled through Op.kvStore or by hand, read back number by number
// from the drawing in assembly/ops/kv-page.ts.

import { KvStoreWord, KvType, RowsKind, Word } from "../../../assembly/abi.ts";
import type { Machine, SequenceSpec } from "./machine.ts";

export interface CacheShape {
  readonly nHeadKv: number;
  readonly dimK: number;
  readonly dimV: number;
  readonly kType: number;
  readonly vType: number;
  readonly nPages: number;
}

/** Where half i of a row stands, in bytes: every eight as 0 4 1 5 2 6 3 7. */
const halfAt = (i: number): number => (i >> 3) * 16 + [0, 4, 8, 12, 2, 6, 10, 14][i & 7]!;

/** The first of the dims that stand together, and how many they are: 32, or what is left of the dims rounded up to 8. */
function part(dims: number, dim: number): [first: number, width: number] {
  const first = dim & ~31;
  return [first, Math.min(32, Math.ceil(dims / 8) * 8 - first)];
}

/** Bytes of one kv head in a page. */
export function headBytes(type: number, dim: number): number {
  if (type === KvType.q8_0) return (dim / 32) * (32 + 512);
  const n = Math.ceil(dim / 8) * 8 * 16;
  return type === KvType.f16 ? 16 + n * 2 : n * 4;
}

export function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1,
    exponent = (h >> 10) & 31,
    mantissa = h & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Infinity;
  return sign * (exponent ? (1024 + mantissa) * 2 ** (exponent - 25) : mantissa * 2 ** -24);
}

/** Nearest f16, ties to even, as bits; by search, which needs no cleverness. */
export function floatToHalf(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0,
    a = Math.abs(x);
  if (a >= 65520) return sign | 0x7c00;
  let low = 0,
    high = 0x7c00;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (halfToFloat(middle) <= a) low = middle;
    else high = middle;
  }
  const up = high === 0x7c00 ? 65536 : halfToFloat(high),
    down = a - halfToFloat(low);
  const closer = down === up - a ? (low & 1 ? high : low) : down < up - a ? low : high;
  return sign | closer;
}

/** Nearest integer, ties to even. */
export function nearest(x: number): number {
  const r = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** What a row of `dim` floats becomes in the cache. */
export function rounded(x: ArrayLike<number>, type: number): Float32Array {
  const values = Float32Array.from(x);
  if (type === KvType.f32) return values;
  if (type === KvType.f16) return values.map((v) => halfToFloat(floatToHalf(v)));
  const f = Math.fround;
  for (let b = 0; b < values.length; b += 32) {
    const block = values.subarray(b, b + 32);
    const amax = block.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const d = f(amax / 127),
      id = f(1 / d),
      stored = halfToFloat(floatToHalf(d));
    if (!block.every(Number.isFinite)) block.fill(Number.NaN);
    else if (!Number.isFinite(id)) block.fill(0);
    else
      block.forEach(
        (v, i) => (block[i] = f(stored * (Math.min(127, Math.max(-127, nearest(f(v * id)))) | 0))),
      );
  }
  return values;
}

/** Pages of a group: in it the blocks of a head lie side by side. */
const GROUP = 16;

function blockOffset(pageBytes: number, bytes: number, page: number, head: number): number {
  return (page >> 4) * GROUP * pageBytes + (head * GROUP + (page & 15)) * bytes;
}

export class TestCache {
  readonly machine: Machine;
  readonly shape: CacheShape;
  readonly kBase: number;
  readonly vBase: number;
  readonly kPageBytes: number;
  readonly vPageBytes: number;

  /** All pages begin as NaN. */
  constructor(machine: Machine, shape: CacheShape) {
    this.machine = machine;
    this.shape = shape;
    // A gap between groups of pages.
    this.kPageBytes = shape.nHeadKv * headBytes(shape.kType, shape.dimK) + 64;
    this.vPageBytes = shape.nHeadKv * headBytes(shape.vType, shape.dimV) + 32;
    const nPages = Math.ceil(shape.nPages / GROUP) * GROUP;
    this.kBase = machine.allocate(this.kPageBytes * nPages);
    this.vBase = machine.allocate(this.vPageBytes * nPages);
  }

  /** Stores k [rows, nHeadKv*dimK] and v for the current batch. */
  store(k: Float32Array, v: Float32Array, threads = 1): void {
    const { machine, shape } = this;
    const rows = k.length / (shape.nHeadKv * shape.dimK);
    const tk = machine.tensor(rows, shape.nHeadKv * shape.dimK, k, 4),
      tv = machine.tensor(rows, shape.nHeadKv * shape.dimV, v);
    machine.run(
      "kvStore",
      {
        [Word.rowsKind]: RowsKind.tokens,
        [Word.a]: tk.address,
        [Word.aStride]: tk.stride,
        [KvStoreWord.v]: tv.address,
        [KvStoreWord.vStride]: tv.stride,
        [KvStoreWord.nHeadKv]: shape.nHeadKv,
        [KvStoreWord.dimK]: shape.dimK,
        [KvStoreWord.dimV]: shape.dimV,
        [KvStoreWord.kBase]: this.kBase,
        [KvStoreWord.vBase]: this.vBase,
        [KvStoreWord.kType]: shape.kType,
        [KvStoreWord.vType]: shape.vType,
        [KvStoreWord.kPageBytes]: this.kPageBytes,
        [KvStoreWord.vPageBytes]: this.vPageBytes,
      },
      {},
      threads,
    );
  }

  key(sequence: SequenceSpec, head: number, position: number, dim: number): number {
    const { kType: type } = this.shape,
      lane = position & 15;
    const page = this.#view(this.keysAt(sequence.pages[position >> 4]!, head));
    if (type === KvType.f32) return page.getFloat32(dim * 64 + lane * 4, true);
    if (type === KvType.f16) return half(page, 16 + dim * 32 + halfAt(lane));
    const block = (dim >> 5) * 544;
    return Math.fround(
      half(page, block + lane * 2) *
        page.getInt8(block + 32 + ((dim & 31) >> 2) * 64 + lane * 4 + (dim & 3)),
    );
  }

  value(sequence: SequenceSpec, head: number, position: number, dim: number): number {
    const { vType: type } = this.shape,
      lane = position & 15,
      [first, width] = part(this.shape.dimV, dim);
    const page = this.#view(this.valuesAt(sequence.pages[position >> 4]!, head));
    if (type === KvType.f32)
      return page.getFloat32((first * 16 + lane * width + dim - first) * 4, true);
    if (type === KvType.f16)
      return half(page, 16 + (first * 16 + lane * width) * 2 + halfAt(dim - first));
    const block = (dim >> 5) * 544,
      place = lane * 32 + (dim & 16) + (dim & 3) * 4 + ((dim >> 2) & 3);
    return Math.fround(half(page, block + lane * 2) * page.getInt8(block + 32 + place));
  }

  /** Which positions of a head's f16 block are marked as not normal. */
  marks(block: number): number[] {
    return [...this.machine.u8(block, 16)].flatMap((mark, position) => (mark ? [position] : []));
  }

  /** Puts an f16 where the value of a position in a page is, and marks the position. */
  setHalf(page: number, head: number, position: number, dim: number, bits: number): void {
    const block = this.valuesAt(page, head);
    this.machine.u8(block, 16)[position] = 1;
    const [first, width] = part(this.shape.dimV, dim);
    this.#view(block).setUint16(
      16 + (first * 16 + position * width) * 2 + halfAt(dim - first),
      bits,
      true,
    );
  }

  /** Address of a head's keys in a page. */
  keysAt(page: number, head: number): number {
    const { kType, dimK } = this.shape;
    return this.kBase + blockOffset(this.kPageBytes, headBytes(kType, dimK), page, head);
  }

  /** Address of a head's values in a page. */
  valuesAt(page: number, head: number): number {
    const { vType, dimV } = this.shape;
    return this.vBase + blockOffset(this.vPageBytes, headBytes(vType, dimV), page, head);
  }

  #view(address: number): DataView {
    return new DataView(this.machine.memory.buffer, address);
  }
}

const half = (page: DataView, at: number): number => halfToFloat(page.getUint16(at, true));

/** Page ids 0 .. n-1 in an order that is neither ascending nor contiguous. */
export function scrambled(n: number, seed = 7): number[] {
  const pages = Array.from({ length: n }, (_, i) => i);
  let state = seed;
  for (let i = n - 1; i > 0; i--) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    const j = state % (i + 1);
    [pages[i], pages[j]] = [pages[j]!, pages[i]!];
  }
  return pages;
}
