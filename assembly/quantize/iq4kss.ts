// IQ4_KSS (ik_llama.cpp): the codes of IQ4_KS, of which each four have an even number of bits set: that frees one bit of sixteen,
// and these bits hold the scale. Codes that are odd get the least harmful change, while scales are tried already.
// Layout: assembly/quants/iq4_k.ts. Source: ik_llama.cpp, iqk_quantize.cpp (quantize_row_iq4_kss_impl).

import { leastValue, nearestCode, valueOf, weighBlock } from "./codebook";
import { CODES, GRID, ROW, WEIGHTS, at, clampInt, extreme, nearestInt, put, storeRowScale } from "./scalar";

/** Scales tried: those that take the extreme weight to the set's least value - 7 .. + 7, and their negatives. */
const TRIES: i32 = 7;
/** How far a code may move to become even. */
const REACH: i32 = 2;

// From GRID on: codes u8[32] for either set, f32 weights and error weights in the order of the codes.
const X: usize = GRID;
const W: usize = GRID + 128;
const OTHER: usize = GRID + 256;

/** Weights and error weights of a run so that the four of a group follow each other: 2g, 2g + 16, 2g + 1, 2g + 17. */
function arrange(x: usize, w: usize, s: usize): void {
  for (let j = 0; j < 32; j++) {
    const from = ((j >> 2) << 1) + ((j >> 1) & 1) + ((j & 1) << 4);
    put(s + X, j, at(x, from));
    put(s + W, j, at(w, from));
  }
}

/** Codes L of four weights with inverse scale id; made even with the least weighted error at scale d. */
function encodeFour(x: usize, w: usize, id: f32, d: f32, set: u32, L: usize, t: usize): void {
  let bits = 0;
  for (let j = 0; j < 4; j++) {
    const code = nearestCode(id * at(x, j), set, t);
    store<u8>(L + j, code);
    bits += popcnt<i32>(code);
  }
  if ((bits & 1) == 0) return;
  let least: f32 = Infinity, moved = 0, becomes = 0;
  for (let j = 0; j < 4; j++) {
    const code = <i32>load<u8>(L + j), odd = popcnt<i32>(code) & 1;
    // the reference compares with the value of the first set, whichever is tried
    const before = d * valueOf(code, 0, t) - at(x, j);
    for (let next = max<i32>(0, code - REACH); next <= min<i32>(15, code + REACH); next++) {
      if ((popcnt<i32>(next) & 1) == odd) continue;
      const after = d * valueOf(next, set, t) - at(x, j), cost = at(w, j) * (after * after - before * before);
      if (cost < least) {
        least = cost;
        moved = j;
        becomes = next;
      }
    }
  }
  store<u8>(L + moved, becomes);
}

let sumqx: f32 = 0;
let sumq2: f32 = 0;

/** The sums of 32 arranged weights coded with inverse scale id; d: what the change to even codes is judged with. */
function tryScale(id: f32, d: f32, set: u32, L: usize, t: usize, s: usize): void {
  sumqx = 0;
  sumq2 = 0;
  for (let j = 0; j < 32; j += 4) encodeFour(s + X + (j << 2), s + W + (j << 2), id, d, set, L + j, t);
  for (let j = 0; j < 32; j++) {
    const q = valueOf(load<u8>(L + j), set, t), wq = at(s + W, j) * q;
    sumqx += wq * at(s + X, j);
    sumq2 += wq * q;
  }
}

/** Best scale of 32 weights; 0 for zeros. */
function fitScale(x: usize, w: usize, t: usize, s: usize): f32 {
  const peak = extreme(x, 32);
  if (abs<f32>(peak) < <f32>1e-16) return 0;
  arrange(x, w, s);
  let d = -peak / leastValue(t, 0), best: f32 = 0;
  for (let attempt = -TRIES; attempt <= TRIES; attempt++) {
    for (let set: u32 = 0; set < 2; set++) {
      const id = (<f32>attempt + leastValue(t, set)) / peak;
      for (let sign = 0; sign < 2; sign++) {
        // the change to even codes is judged with the positive scale in both cases, as the reference does
        tryScale(sign ? -id : id, <f32>1 / id, set, s + CODES, t, s);
        if (sumq2 > 0 && sumqx * sumqx > best * sumq2) {
          d = sumqx / sumq2;
          best = d * sumqx;
        }
      }
    }
  }
  return d;
}

/** Weighted error of 32 arranged weights with codes L and scale d. */
function errorOf(d: f32, set: u32, L: usize, t: usize, s: usize): f32 {
  let error: f32 = 0;
  for (let j = 0; j < 32; j++) {
    const away = at(s + X, j) - d * valueOf(load<u8>(L + j), set, t);
    error += at(s + W, j) * away * away;
  }
  return error;
}

/** Row: d f32. Block: 64 u16, bit 0 of the k-th of a run: bit k of its scale; the others: v with v ^ (v >> 1) four codes. */
export function quantizeIQ4_KSS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const nBlocks = <i32>(k >> 8), scales = s + ROW, w = s + WEIGHTS;
  memory.fill(y, 0, 4 + (nBlocks << 7));
  for (let b = 0; b < nBlocks; b++) {
    weighBlock(x + (b << 10), qw ? qw + (b << 10) : 0, 32, 2, false, s);
    for (let r = 0; r < 8; r++) put(scales, (b << 3) + r, fitScale(x + (b << 10) + (r << 7), w + (r << 7), t, s));
  }
  const d = abs<f32>(extreme(scales, nBlocks << 3)) / <f32>127;
  storeRowScale(y, d);
  if (d == 0) return;
  const id = <f32>1 / d;
  let totalX: f32 = 0, total2: f32 = 0;
  for (let b = 0; b < nBlocks; b++) {
    weighBlock(x + (b << 10), qw ? qw + (b << 10) : 0, 32, 2, false, s);
    for (let r = 0; r < 8; r++) {
      const l = (clampInt(nearestInt(<f32>0.5 * (id * at(scales, (b << 3) + r) + 127)), 0, 127) << 1) - 127;
      const scale = d * <f32>l, q16 = y + 4 + (b << 7) + (r << 4);
      arrange(x + (b << 10) + (r << 7), w + (r << 7), s);
      // l is odd, so never 0
      tryScale(<f32>1 / scale, scale, 0, s + CODES, t, s);
      tryScale(<f32>1 / scale, scale, 1, s + OTHER, t, s);
      const set: u32 = errorOf(scale, 1, s + OTHER, t, s) < errorOf(scale, 0, s + CODES, t, s) ? 1 : 0;
      const L = s + (set ? OTHER : CODES), code = <u32>(l + 127) | set;
      for (let j = 0; j < 32; j++) {
        const q = valueOf(load<u8>(L + j), set, t) * <f32>l, wq = at(s + W, j) * q;
        totalX += wq * at(s + X, j);
        total2 += wq * q;
      }
      for (let g = 0; g < 8; g++) {
        const four = load<u32>(L + (g << 2));
        const codes = (four & 15) | ((four >> 4) & 0xf0) | ((four >> 8) & 0xf00) | ((four >> 12) & 0xf000);
        store<u16>(q16 + (g << 1), spread(codes) | ((code >> g) & 1));
      }
    }
  }
  if (total2 > 0) storeRowScale(y, totalX / total2 * <f32>1.01);
}

/** v with v ^ (v >> 1) = codes; bit 0 of v is 0 because the codes are even. */
// @ts-ignore: decorator
@inline
function spread(codes: u32): u32 {
  let v = codes;
  v ^= v >> 1;
  v ^= v >> 2;
  v ^= v >> 4;
  return v ^ (v >> 8);
}
