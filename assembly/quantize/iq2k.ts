// IQ2_K and IQ2_KS (ik_llama.cpp): codes of two bits, one of two sets of four values for each run of 16 (IQ2_KS: 32) weights.
// The sorted weights of a run are cut into four in every way; the cut with the best fit gives the scale. In one vector stand
// the four assignments of values to a cut: either set, rising or falling.
// Layouts: assembly/quants/iq2_k.ts. Source: ik_llama.cpp, iqk_quantize.cpp (quantize_row_iq2_k_impl, quantize_row_iq2_ks_impl).

import { IQ2NL_VALUES } from "../quants/iq2_k";
import { weighBlock } from "./codebook";
import { packTwoBits } from "./pack";
import {
  CODES, GRID, ROW, SCALES, SCALE_CODES, SUMS, WEIGHTS, at, clampInt, maxMagnitude, nearestInt, put, storeScale, sum,
} from "./scalar";
import { makeQx } from "./search";

// From GRID on: sorted order u8[32]; sums of weight * value and of weights of the first i, f32[33] each; for every i the part of
// both sums that the weights from i on contribute, v128[33] each.
const ORDER: usize = GRID;
const SUM_X: usize = GRID + 32;
const SUM_W: usize = GRID + 176;
const LAST_X: usize = GRID + 320;
const LAST_W: usize = GRID + 848;
const FOUND: usize = GRID + 1376;

/** Value j of the four assignments: set 0, set 1, and both from the other end. */
// @ts-ignore: decorator
@inline
function values(j: i32): v128 {
  return f32x4(valueOf(j, 0), valueOf(j, 1), valueOf(3 - j, 0), valueOf(3 - j, 1));
}

// @ts-ignore: decorator
@inline
function valueOf(code: i32, set: i32): f32 {
  return <f32>(<i32>load<u8>(IQ2NL_VALUES + (set << 2) + code) - 64);
}

/** Of the last cutRun: whether the second set fits better. */
let shifted: bool = false;

/**
 * Best scale of n weights x with error weights w; 0 for zeros. The three cuts c1 <= c2 <= c3 are tried with c1 below `mostFirst`
 * and c3 from `leastLast` on.
 */
function cutRun(n: i32, mostFirst: i32, leastLast: i32, x: usize, w: usize, s: usize): f32 {
  shifted = false;
  if (maxMagnitude(x, n) < <f32>1e-16) return 0;
  const order = s + ORDER, sx = s + SUM_X, sw = s + SUM_W, lastX = s + LAST_X, lastW = s + LAST_W, found = s + FOUND;
  for (let i = 0; i < n; i++) {
    let p = order + i;
    for (; p > order && at(x, <i32>load<u8>(p - 1)) > at(x, i); p--) store<u8>(p, load<u8>(p - 1));
    store<u8>(p, i);
  }
  let totalX: f32 = 0, totalW: f32 = 0;
  put(sx, 0, 0);
  put(sw, 0, 0);
  for (let i = 0; i < n; i++) {
    const j = <i32>load<u8>(order + i);
    totalW += at(w, j);
    totalX += at(w, j) * at(x, j);
    put(sw, i + 1, totalW);
    put(sx, i + 1, totalX);
  }
  const v0 = values(0), v1 = values(1), v2 = values(2), v3 = values(3);
  for (let i = 0; i < n; i++) {
    v128.store(lastX + (i << 4), f32x4.mul(f32x4.splat(totalX - at(sx, i)), v3));
    v128.store(lastW + (i << 4), f32x4.mul(f32x4.mul(f32x4.splat(totalW - at(sw, i)), v3), v3));
  }
  let best: f32 = 0, d: f32 = 0;
  const zero = f32x4.splat(0);
  for (let c1 = 0; c1 < mostFirst; c1++) {
    const x1 = at(sx, c1), w1 = at(sw, c1);
    const firstX = f32x4.mul(f32x4.splat(x1 - at(sx, 0)), v0), firstW = f32x4.mul(f32x4.mul(f32x4.splat(w1 - at(sw, 0)), v0), v0);
    for (let c2 = c1; c2 < n; c2++) {
      const x2 = at(sx, c2), w2 = at(sw, c2);
      const secondX = f32x4.add(firstX, f32x4.mul(f32x4.splat(x2 - x1), v1));
      const secondW = f32x4.add(firstW, f32x4.mul(f32x4.mul(f32x4.splat(w2 - w1), v1), v1));
      for (let c3 = max<i32>(c2, leastLast); c3 < n; c3++) {
        const thirdX = f32x4.add(secondX, f32x4.mul(f32x4.splat(at(sx, c3) - x2), v2));
        const thirdW = f32x4.add(secondW, f32x4.mul(f32x4.mul(f32x4.splat(at(sw, c3) - w2), v2), v2));
        const qx = f32x4.add(thirdX, v128.load(lastX + (c3 << 4))), q2 = f32x4.add(thirdW, v128.load(lastW + (c3 << 4)));
        const better = v128.and(f32x4.gt(q2, zero), f32x4.gt(f32x4.mul(qx, qx), f32x4.mul(f32x4.splat(best), q2)));
        if (!v128.any_true(better)) continue;
        v128.store(found, qx);
        v128.store(found, q2, 16);
        for (let c = 0; c < 4; c++) {
          const cx = at(found, c), c2 = at(found + 16, c);
          if (c2 > 0 && cx * cx > best * c2) {
            d = cx / c2;
            best = d * cx;
            shifted = (c & 1) != 0;
          }
        }
      }
    }
  }
  return d;
}

let sumqx: f32 = 0;
let sumq2: f32 = 0;

/** Codes L of n weights with scale d * l, and their part of the sums; where that is 0 they are 0. */
function encode(n: i32, x: usize, w: usize, d: f32, l: i32, set: i32, L: usize): void {
  const scale = d * <f32>l;
  if (scale == 0) return memory.fill(L, 0, n);
  const id = <f32>1 / scale;
  for (let i = 0; i < n; i++) {
    const scaled = id * at(x, i);
    let code = scaled < valueOf(1, set) ? 0 : scaled > valueOf(2, set) ? 2 : 1;
    if (!(scaled - valueOf(code, set) < valueOf(code + 1, set) - scaled)) code++;
    store<u8>(L + i, code);
    const q = valueOf(code, set) * <f32>l, wq = at(w, i) * q;
    sumqx += wq * at(x, i);
    sumq2 += wq * q;
  }
}

/** d, extra, scales 8 B, qs 64 B. */
export function quantizeIQ2_K(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const scales = s + SCALES, sums = s + SUMS, w = s + WEIGHTS, L = s + CODES;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 76) {
    memory.fill(y, 0, 76);
    weighBlock(x, qw, 16, 1.5, true, s);
    if (qw) qw += 1024;
    let sets: u32 = 0;
    for (let r = 0; r < 16; r++) {
      put(sums, r, sum(w + (r << 6), 16));
      put(scales, r, cutRun(16, 16, 0, x + (r << 6), w + (r << 6), s));
      if (shifted) sets |= 1 << r;
    }
    const d = makeQx(16, 8, scales, sums, s + SCALE_CODES, s, 0);
    if (d == 0) continue;
    const id = <f32>1 / d;
    sumqx = 0;
    sumq2 = 0;
    for (let r = 0; r < 16; r++) {
      const l = clampInt(nearestInt(id * at(scales, r)), -8, 7), p = y + 4 + (r >> 1);
      store<u8>(p, <u32>load<u8>(p) | ((l + 8) << ((r & 1) << 2)));
      encode(16, x + (r << 6), w + (r << 6), d, l, (sets >> r) & 1, L + (r << 4));
    }
    storeScale(y, <f32>1.03 * (sumq2 > 0 ? sumqx / sumq2 : d));
    store<u16>(y, <u16>sets, 2);
    packTwoBits(L, 0, y + 12);
  }
}

/** Row: d f16. Block: extra (set bit b, scale bit 8 + b), scales 4 B, qs 64 B. */
export function quantizeIQ2_KS(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const nBlocks = <i32>(k >> 8), nRuns = nBlocks << 3, w = s + WEIGHTS, L = s + CODES, blocks = y + 2;
  const scales = s + ROW, sums = scales + (nRuns << 2), codes = sums + (nRuns << 2);
  memory.fill(y, 0, 2 + nBlocks * 70);
  for (let b = 0; b < nBlocks; b++) {
    const xb = x + (b << 10);
    weighBlock(xb, qw ? qw + (b << 10) : 0, 32, 1.5, true, s);
    let sets: u32 = 0;
    for (let r = 0; r < 8; r++) {
      put(sums, (b << 3) + r, sum(w + (r << 7), 32));
      put(scales, (b << 3) + r, cutRun(32, 24, 8, xb + (r << 7), w + (r << 7), s));
      if (shifted) sets |= 1 << r;
    }
    store<u8>(blocks + b * 70, sets);
  }
  const d = makeQx(nRuns, 16, scales, sums, codes, s, 0);
  if (d == 0) return;
  sumqx = 0;
  sumq2 = 0;
  for (let b = 0; b < nBlocks; b++) {
    const xb = x + (b << 10), block = blocks + b * 70, sets = <i32>load<u8>(block);
    weighBlock(xb, qw ? qw + (b << 10) : 0, 32, 1.5, true, s);
    for (let r = 0; r < 8; r++) {
      const code = <u32>load<u8>(codes + (b << 3) + r), p = block + 2 + (r >> 1);
      store<u8>(p, <u32>load<u8>(p) | ((code & 15) << ((r & 1) << 2)));
      store<u8>(block, <u32>load<u8>(block, 1) | ((code >> 4) << r), 1);
      encode(32, xb + (r << 7), w + (r << 7), d, <i32>code - 16, (sets >> r) & 1, L + (r << 5));
    }
    packTwoBits(L, 0, block + 6);
  }
  storeScale(y, <f32>1.03 * (sumq2 > 0 ? sumqx / sumq2 : d));
}
