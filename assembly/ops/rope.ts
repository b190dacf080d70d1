// Rotary position embedding: a table of cos and sin per batch row (made once per run, not per context position),
// and the rotation of query and key heads by it. Angles as in ggml: theta is iterated in f32, pair by pair, because
// iterated and direct differ by 0.004 rad at position 131071.

import { Batch, RopeMode, RopeTableWord, RopeWord, TemperatureWord, Word } from "../abi";
import { logf, sincosf } from "../math/index";
import { batch, claim, floatWord, rowsOf, scratch, word } from "../work";
import { cutPieces, endRow, firstColumn, firstRow, nColumns, nextPiece } from "./pieces";

/** Op.ropeTable: dst row = cos[nRot/2] then sin[nRot/2] of the row's position on `axis`. */
export function ropeTable(ins: usize): void {
  const rows = rowsOf(ins), pairs = word(ins, RopeTableWord.nRot) >> 1;
  const thetaScale = floatWord(ins, RopeTableWord.thetaScale), freqScale = floatWord(ins, RopeTableWord.freqScale);
  const extFactor = floatWord(ins, RopeTableWord.extFactor), mscale = floatWord(ins, RopeTableWord.mscale);
  const corrLow = floatWord(ins, RopeTableWord.corrLow), corrHigh = floatWord(ins, RopeTableWord.corrHigh);
  const factors = <usize>word(ins, RopeTableWord.factors), axis = <usize>word(ins, RopeTableWord.axis);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const positions = <usize>load<u32>(batch, Batch.positions) + (axis << 2);
  const corrRange = max<f32>(0.001, corrHigh - corrLow);
  const half = <usize>pairs << 2;
  for (let row = claim(); row < rows; row = claim()) {
    let theta = <f32>load<i32>(positions + (<usize>row << 4));
    let cosines = dst + <usize>row * dstStride;
    for (let i: u32 = 0; i < pairs; i++, cosines += 4) {
      const angle = factors != 0 ? theta / load<f32>(factors + (<usize>i << 2)) : theta;
      let rotation = freqScale * angle;
      if (extFactor != 0) {
        const ramp: f32 = 1 - min<f32>(1, max<f32>(0, (<f32>i - corrLow) / corrRange));
        const mix = ramp * extFactor;
        rotation = rotation * (1 - mix) + angle * mix;
      }
      sincosf(rotation, scratch);
      store<f32>(cosines + half, load<f32>(scratch) * mscale);
      store<f32>(cosines, load<f32>(scratch, 4) * mscale);
      theta *= thetaScale;
    }
  }
}

/**
 * Op.temperature: dst[r] = log(floor((position + offset) / floor) + 1) * scale + 1, by which some models multiply the
 * queries of late positions.
 */
export function temperature(ins: usize): void {
  const rows = rowsOf(ins), scale = floatWord(ins, TemperatureWord.scale);
  const divisor = floatWord(ins, TemperatureWord.floor), offset = floatWord(ins, TemperatureWord.offset);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const positions = <usize>load<u32>(batch, Batch.positions);
  for (let row = <usize>claim(); row < <usize>rows; row = <usize>claim()) {
    const stretch = floor<f32>((<f32>load<i32>(positions + (row << 4)) + offset) / divisor);
    store<f32>(dst + row * dstStride, logf(stretch + 1) * scale + 1);
  }
}

/**
 * Op.rope: rotates the first nRot elements of every head of headDim elements by the row's table; the rest is copied.
 * (x0, x1) -> (x0 cos - x1 sin, x1 cos + x0 sin), each product and the sum rounded. dst may be a.
 */
export function rope(ins: usize): void {
  const headDim = word(ins, RopeWord.headDim), nRot = word(ins, RopeWord.nRot), mode = word(ins, RopeWord.mode);
  const table = <usize>word(ins, RopeWord.table), tableStride = <usize>word(ins, RopeWord.tableStride);
  const dst = <usize>word(ins, Word.dst), dstStride = <usize>word(ins, Word.dstStride);
  const a = <usize>word(ins, Word.a), aStride = <usize>word(ins, Word.aStride);
  const passed = <usize>(headDim - nRot) << 2, rotated = <usize>nRot << 2;
  cutPieces(rowsOf(ins), word(ins, Word.width), headDim);
  while (nextPiece()) {
    for (let row = <usize>firstRow; row < <usize>endRow; row++) {
      const cosines = table + row * tableStride;
      for (let c = firstColumn; c < firstColumn + nColumns; c += headDim) {
        const to = dst + row * dstStride + (<usize>c << 2), from = a + row * aStride + (<usize>c << 2);
        if (mode == RopeMode.neox) rotateNeox(to, from, cosines, nRot >> 1);
        else rotateNorm(to, from, cosines, nRot >> 1);
        if (to != from && passed != 0) memory.copy(to + rotated, from + rotated, passed);
      }
    }
  }
}

/** Pairs (i, i + pairs). */
function rotateNeox(dst: usize, a: usize, cosines: usize, pairs: u32): void {
  const half = <usize>pairs << 2, whole = <usize>(pairs & ~3) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const x0 = v128.load(a + i), x1 = v128.load(a + half + i);
    const c = v128.load(cosines + i), s = v128.load(cosines + half + i);
    v128.store(dst + i, f32x4.sub(f32x4.mul(x0, c), f32x4.mul(x1, s)));
    v128.store(dst + half + i, f32x4.add(f32x4.mul(x1, c), f32x4.mul(x0, s)));
  }
  for (; i < half; i += 4) {
    const x0 = load<f32>(a + i), x1 = load<f32>(a + half + i);
    const c = load<f32>(cosines + i), s = load<f32>(cosines + half + i);
    store<f32>(dst + i, x0 * c - x1 * s);
    store<f32>(dst + half + i, x1 * c + x0 * s);
  }
}

/** Pairs (2i, 2i + 1). */
function rotateNorm(dst: usize, a: usize, cosines: usize, pairs: u32): void {
  const half = <usize>pairs << 2, whole = <usize>(pairs & ~1) << 2;
  // -sin in the even lanes: x0 * cos + x1 * -sin has the bits of x0 * cos - x1 * sin.
  const negateEven = i32x4(i32.MIN_VALUE, 0, i32.MIN_VALUE, 0);
  let i: usize = 0;
  for (; i < whole; i += 8) {
    const x = v128.load(a + (i << 1));
    const c2 = v128.load64_splat(cosines + i), s2 = v128.load64_splat(cosines + half + i);
    const c = v128.shuffle<i32>(c2, c2, 0, 0, 1, 1);
    const s = v128.xor(v128.shuffle<i32>(s2, s2, 0, 0, 1, 1), negateEven);
    const swapped = v128.shuffle<i32>(x, x, 1, 0, 3, 2);
    v128.store(dst + (i << 1), f32x4.add(f32x4.mul(x, c), f32x4.mul(swapped, s)));
  }
  for (; i < half; i += 4) {
    const x0 = load<f32>(a + (i << 1)), x1 = load<f32>(a + (i << 1), 4);
    const c = load<f32>(cosines + i), s = load<f32>(cosines + half + i);
    store<f32>(dst + (i << 1), x0 * c - x1 * s);
    store<f32>(dst + (i << 1), x1 * c + x0 * s, 4);
  }
}
