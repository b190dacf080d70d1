// IQ2_KL (ik_llama.cpp): one code for two weights, a pair from a grid of 32 pairs of values. Weights are rounded to the eight
// values one by one; where their pair is no point of the grid, the best of the eight nearest points is taken.
// Layout: assembly/quants/iq2_kl.ts. Source: ik_llama.cpp, iqk_quantize.cpp (quantize_row_iq2_kl_impl).
//
// Tables: the codebook of codebook.ts, then for each of the 64 pairs of values the number of points (u8: 1 or 8) and the
// points (u8[8]); then the points, f32[2] each.

import { IQ2KL_VALUES } from "../quants/iq2_kl";
import { IQ3NL_VALUES } from "../quants/iq3_k";
import { codebookBytes, leastValue, nearestCode, prepareCodebook, valueOf, weighBlock } from "./codebook";
import { ROW, WEIGHTS, at, clampInt, extreme, inverse, nearestInt, put, storeScale } from "./scalar";

/** Scales tried beside the first: those that take the extreme weight to -63 - 5 .. -63 + 5, and their negatives. */
const TRIES: i32 = 5;

enum Pairs { entry = 9, grid = 576, bytes = 832 }

export function iq2klTableBytes(): u32 {
  return codebookBytes() + Pairs.bytes;
}

export function prepareIQ2_KL(t: usize): void {
  prepareCodebook(IQ3NL_VALUES, 8, 64, t);
  const pairs = t + codebookBytes(), grid = pairs + Pairs.grid;
  for (let g = 0; g < 32; g++) {
    put(grid, 2 * g, <f32>(<i32>load<u8>(IQ2KL_VALUES + g) - 64));
    put(grid, 2 * g + 1, <f32>(<i32>load<u8>(IQ2KL_VALUES + g, 32) - 64));
  }
  for (let p = 0; p < 64; p++) {
    const a = valueOf(p >> 3, 0, t), b = valueOf(p & 7, 0, t), list = pairs + p * Pairs.entry;
    let n = 0, exact = false;
    // the eight nearest points, the lower number first of equals; a point itself is at distance 0
    for (let g = 0; g < 32; g++) {
      const away = distance(grid, g, a, b);
      if (away == 0) exact = true;
      let i = n;
      while (i > 0 && distance(grid, <i32>load<u8>(list + i), a, b) > away) {
        if (i < 8) store<u8>(list + i, load<u8>(list + i), 1);
        i--;
      }
      if (i < 8) store<u8>(list + i, g, 1);
      n = min<i32>(n + 1, 8);
    }
    store<u8>(list, exact ? 1 : 8);
  }
}

function distance(grid: usize, g: i32, a: f32, b: f32): f32 {
  const da = at(grid, 2 * g) - a, db = at(grid, 2 * g + 1) - b;
  return da * da + db * db;
}

/** The point for two weights at x with error weights at w and inverse scale id. */
function pointOf(x: usize, w: usize, id: f32, t: usize): u32 {
  const a = id * at(x, 0), b = id * at(x, 1), pairs = t + codebookBytes(), grid = pairs + Pairs.grid;
  const list = pairs + ((nearestCode(a, 0, t) << 3) + nearestCode(b, 0, t)) * Pairs.entry, n = <i32>load<u8>(list);
  let point = <u32>load<u8>(list, 1);
  if (n == 1) return point;
  let best: f32 = Infinity;
  for (let i = 1; i <= n; i++) {
    const g = <u32>load<u8>(list + i), da = at(grid, 2 * g) - a, db = at(grid, 2 * g + 1) - b;
    const error = at(w, 0) * da * da + at(w, 1) * db * db;
    if (error < best) {
      best = error;
      point = g;
    }
  }
  return point;
}

let sumqx: f32 = 0;
let sumq2: f32 = 0;

/** The sums of 32 weights coded with inverse scale id. */
function tryScale(x: usize, w: usize, id: f32, t: usize): void {
  const grid = t + codebookBytes() + Pairs.grid;
  sumqx = 0;
  sumq2 = 0;
  for (let j = 0; j < 32; j += 2, x += 8, w += 8) {
    const point = grid + (pointOf(x, w, id, t) << 3), qa = at(point, 0), qb = at(point, 1);
    const wa = at(w, 0) * qa, wb = at(w, 1) * qb;
    sumqx += wa * at(x, 0) + wb * at(x, 1);
    sumq2 += wa * qa + wb * qb;
  }
}

/** Best scale of 32 weights; 0 for zeros. */
function fitScale(x: usize, w: usize, t: usize): f32 {
  const peak = extreme(x, 32), least = leastValue(t, 0);
  if (abs<f32>(peak) < <f32>1e-16) return 0;
  let d = -peak / least, best: f32 = 0;
  for (let attempt = -TRIES - 1; attempt <= TRIES; attempt++) {
    const first = attempt < -TRIES, id = first ? <f32>1 / d : (<f32>attempt + least) / peak;
    for (let sign = 0; sign < 2; sign++) {
      tryScale(x, w, sign ? -id : id, t);
      if (sumq2 > 0 && ((first && !sign) || sumqx * sumqx > best * sumq2)) {
        d = sumqx / sumq2;
        best = d * sumqx;
      }
    }
  }
  return d;
}

/** Weighted error of 32 weights coded with scale d. */
function errorOf(x: usize, w: usize, d: f32, t: usize): f32 {
  const grid = t + codebookBytes() + Pairs.grid, id = inverse(d);
  let error: f32 = 0;
  for (let j = 0; j < 32; j += 2, x += 8, w += 8) {
    const point = grid + (pointOf(x, w, id, t) << 3);
    const da = d * at(point, 0) - at(x, 0), db = d * at(point, 1) - at(x, 1);
    error += at(w, 0) * da * da + at(w, 1) * db * db;
  }
  return error;
}

/** Error weights of a block of 256, at s + WEIGHTS: as in weighBlock; without importance weights |x|. */
function weigh(x: usize, qw: usize, s: usize): void {
  if (qw) return weighBlock(x, qw, 32, 2.25, false, s);
  for (let i = 0; i < 256; i++) put(s + WEIGHTS, i, abs<f32>(at(x, i)));
}

/** Row: d f16. Block: scales_h u16, scales_l 4 B, qs 64 B, qh 16 B. */
export function quantizeIQ2_KL(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const nBlocks = <i32>(k >> 8), scales = s + ROW, w = s + WEIGHTS, points = t + codebookBytes() + Pairs.grid;
  memory.fill(y, 0, 2 + nBlocks * 86);
  for (let b = 0; b < nBlocks; b++) {
    weigh(x + (b << 10), qw ? qw + (b << 10) : 0, s);
    for (let r = 0; r < 8; r++) put(scales, (b << 3) + r, fitScale(x + (b << 10) + (r << 7), w + (r << 7), t));
  }
  const peak = extreme(scales, nBlocks << 3);
  if (peak == 0) return;
  const d = -peak / <f32>32, id = <f32>1 / d;
  let totalX: f32 = 0, total2: f32 = 0;
  for (let b = 0; b < nBlocks; b++) {
    const block = y + 2 + b * 86;
    weigh(x + (b << 10), qw ? qw + (b << 10) : 0, s);
    let high: u32 = 0;
    for (let r = 0; r < 8; r++) {
      const xr = x + (b << 10) + (r << 7), wr = w + (r << 7);
      const middle = clampInt(nearestInt(id * at(scales, (b << 3) + r)), -32, 31);
      let l = middle, least: f32 = Infinity;
      for (let tried = max<i32>(-32, middle - 1); tried <= min<i32>(31, middle + 1); tried++) {
        const error = errorOf(xr, wr, d * <f32>tried, t);
        if (error < least) {
          least = error;
          l = tried;
        }
      }
      const code = <u32>(l + 32), p = block + 2 + (r & 3);
      store<u8>(p, <u32>load<u8>(p) | ((code & 15) << (r & 4)));
      high |= (code >> 4) << (2 * r);
      if (l == 0) continue;
      const scale = <f32>1 / (d * <f32>l), qs = block + 6 + (r >> 1 << 4), qh = block + 70;
      for (let j = 0; j < 16; j++) {
        const xj = xr + (j << 3), wj = wr + (j << 3), point = pointOf(xj, wj, scale, t);
        store<u8>(qs + j, <u32>load<u8>(qs + j) | ((point & 15) << ((r & 1) << 2)));
        store<u8>(qh + j, <u32>load<u8>(qh + j) | ((point >> 4) << r));
        const qa = <f32>l * at(points + (point << 3), 0), qb = <f32>l * at(points + (point << 3), 1);
        const wa = at(wj, 0) * qa, wb = at(wj, 1) * qb;
        totalX += wa * at(xj, 0) + wb * at(xj, 1);
        total2 += wa * qa + wb * qb;
      }
    }
    store<u16>(block, <u16>high);
  }
  storeScale(y, <f32>1.025 * (total2 > 0 ? totalX / total2 : d));
}
