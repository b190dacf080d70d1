// Writes the keys and values of a batch into the pages of the cache, rounded to the cache's type. Attention reads
// them back from there, those of this batch included. kv-page.ts draws the pages.

import { Batch, Kv, KvStoreWord, KvType, Word } from "../abi";
import { f32ToF16, f32x4ToF16, normalLanes } from "../half";
import { batch, claim, rowsOf, scratch, word } from "../work";
import { blockAt, blockBytes, halfPlace, headBytes, markBytes, widthAt } from "./kv-page";

/** Op.kvStore: row r of k (Word.a) and v goes to the batch's write (or window) slot r, page * 16 + position % 16. */
export function kvStore(ins: usize): void {
  const rows = rowsOf(ins), nHeadKv = word(ins, KvStoreWord.nHeadKv);
  const dimK = word(ins, KvStoreWord.dimK), dimV = word(ins, KvStoreWord.dimV);
  const typeK = word(ins, KvStoreWord.kType), typeV = word(ins, KvStoreWord.vType);
  const keys = <usize>word(ins, Word.a), keyStride = <usize>word(ins, Word.aStride);
  const values = <usize>word(ins, KvStoreWord.v), valueStride = <usize>word(ins, KvStoreWord.vStride);
  const kBase = <usize>word(ins, KvStoreWord.kBase), kPageBytes = <usize>word(ins, KvStoreWord.kPageBytes);
  const vBase = <usize>word(ins, KvStoreWord.vBase), vPageBytes = <usize>word(ins, KvStoreWord.vPageBytes);
  const kBytes = headBytes(typeK, dimK), vBytes = headBytes(typeV, dimV);
  const isWindow = word(ins, KvStoreWord.window) != 0;
  const slots = <usize>(isWindow ? load<u32>(batch, Batch.windowSlots) : load<u32>(batch, Batch.writeSlots));
  for (let row = <usize>claim(); row < <usize>rows; row = <usize>claim()) {
    const slot = load<u32>(slots + (row << 2));
    const page = slot / Kv.pagePositions, lane = <usize>(slot % Kv.pagePositions);
    for (let h: u32 = 0; h < nHeadKv; h++) {
      const kHead = blockAt(kBase, kPageBytes, kBytes, h, page);
      const vHead = blockAt(vBase, vPageBytes, vBytes, h, page);
      storeKey(typeK, kHead, lane, keys + row * keyStride + <usize>(h * dimK << 2), dimK);
      storeValue(typeV, vHead, lane, values + row * valueStride + <usize>(h * dimV << 2), dimV);
    }
  }
}

function storeKey(type: u32, head: usize, lane: usize, x: usize, dim: u32): void {
  const end = x + (<usize>dim << 2);
  if (type == KvType.f32) {
    for (let to = head + (lane << 2); x < end; x += 4, to += 64) store<f32>(to, load<f32>(x));
  } else if (type == KvType.f16) {
    // a dim's keys are 32 bytes, those of the page's 16 positions
    let to = head + markBytes + ((lane >> 3) << 4) + halfPlace(<u32>lane), marked: u32 = 0;
    for (; x + 16 <= end; x += 16, to += 128) {
      const h = f32x4ToF16(v128.load(x));
      v128.store16_lane(to, h, 0);
      v128.store16_lane(to, h, 2, 32);
      v128.store16_lane(to, h, 4, 64);
      v128.store16_lane(to, h, 6, 96);
      marked |= anyMarked(v128.or(h, i32x4.shl(h, 16)));
    }
    for (; x < end; x += 4, to += 32) marked |= storeHalf(to, load<f32>(x));
    store<u8>(head + lane, <u8>marked);
  } else {
    for (; x < end; x += 128, head += blockBytes) {
      store<u16>(head + (lane << 1), quantiseBlock(x));
      // four dims of a position side by side
      const to = head + 32 + (lane << 2);
      for (let i: usize = 0; i < 32; i += 4) store<u32>(to + (i << 4), load<u32>(scratch + i));
    }
  }
}

function storeValue(type: u32, head: usize, lane: usize, x: usize, dim: u32): void {
  const end = x + (<usize>dim << 2);
  if (type == KvType.f32) {
    for (let first: u32 = 0; first < dim; first += 32, head += 2048) {
      const to = head + lane * <usize>(widthAt(dim, first) << 2);
      for (let i: u32 = 0, n = min<u32>(dim - first, 32); i < n; i++, x += 4) store<f32>(to + (i << 2), load<f32>(x));
    }
  } else if (type == KvType.f16) {
    let marked: u32 = 0;
    for (let first: u32 = 0, block = head + markBytes; first < dim; first += 32, block += 1024) {
      const to = block + lane * <usize>(widthAt(dim, first) << 1), n = min<u32>(dim - first, 32);
      let i: u32 = 0;
      for (; i + 8 <= n; i += 8, x += 32) marked |= store8Halves(to + <usize>(i << 1), x);
      for (; i < n; i++, x += 4) marked |= storeHalf(to + <usize>((i & ~7) << 1) + halfPlace(i), load<f32>(x));
    }
    store<u8>(head + lane, <u8>marked);
  } else {
    for (; x < end; x += 128, head += blockBytes) {
      store<u16>(head + (lane << 1), quantiseBlock(x));
      // 16 dims as four rows of four, transposed
      const to = head + 32 + (lane << 5);
      for (let i: usize = 0; i < 32; i++) {
        store<u8>(to + (i & 16) + ((i & 3) << 2) + ((i >> 2) & 3), load<u8>(scratch + i));
      }
    }
  }
}

/** Stores x as f16; returns 1 where that is zero, subnormal, infinite or NaN: an exponent of 0 or 31. */
// @ts-ignore: decorator
@inline
function storeHalf(to: usize, x: f32): u32 {
  const h = f32ToF16(x);
  store<u16>(to, <u16>h);
  return u32(((h + 0x400) & 0x7800) == 0);
}

/** The same of 8 floats at x, as 0 4 1 5 2 6 3 7. */
// @ts-ignore: decorator
@inline
function store8Halves(to: usize, x: usize): u32 {
  const h = v128.or(f32x4ToF16(v128.load(x)), i32x4.shl(f32x4ToF16(v128.load(x, 16)), 16));
  v128.store(to, h);
  return anyMarked(h);
}

/** Whether one of eight f16 is zero, subnormal, infinite or NaN. */
// @ts-ignore: decorator
@inline
function anyMarked(h: v128): u32 {
  return u32(!i16x8.all_true(normalLanes(h)));
}

/**
 * 32 floats to int8 at the start of scratch memory; returns d as f16. The scratch come from the f32 d = amax / 127, before it is
 * rounded to f16: q = nearest-even(x * (1 / d)), clamped to +-127. amax 0, or so small that 1 / d is infinite: zeros.
 * A NaN or infinity in the block makes d a NaN, so that nothing hides it.
 */
function quantiseBlock(x: usize): u16 {
  let amax: f32 = 0, poison: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) {
    const value = load<f32>(x + i);
    amax = max<f32>(amax, abs<f32>(value));
    poison += value * 0;
  }
  const finite = poison == 0;
  const d = amax / 127, id: f32 = 1 / d;
  const zeros = !finite || !(id < Infinity);
  for (let i: usize = 0; i < 128; i += 4) {
    const q: i32 = zeros ? 0 : <i32>nearest<f32>(load<f32>(x + i) * id);
    store<i8>(scratch + (i >> 2), <i8>min<i32>(127, max<i32>(-127, q)));
  }
  return finite ? <u16>f32ToF16(d) : 0x7e00;
}
