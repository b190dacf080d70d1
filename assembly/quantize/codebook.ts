// Codes of unevenly spaced values: what the quantisers of ik_llama.cpp's IQ2_K .. IQ6_K, of their row-scale relatives and of
// IQ4_NL and IQ4_XS share. A codebook has two sets of n values, and each run of weights takes the set that fits it better.
//
// The search tries scales one after the other as the scalar code does; what stands in one vector are the four candidates of
// an attempt: either set, either sign. The nearest value is found in two steps: the integer part of x leads to a pair of
// neighbours (no integer part covers two midpoints), and a comparison chooses between them.
// Source: ik_llama.cpp, iqk_quantize.cpp (quantize_row_iq3_k_impl and those like it, QHelper::row_weights).

import { SEARCH, WEIGHTS, at, extreme, put, square, sumSquares, weigh } from "./scalar";

/** Cells of a set: one for each integer part. */
const CELLS: i32 = 256;
/**
 * Of a prepared codebook: the least value of each set (f32[2]), then for each set its values (f32[64]), the pairs of values by
 * cell (f32[2] each) and the code of the lower value (u8).
 */
enum Table { values = 16, pairs = 272, codes = 2320, setBytes = 2560, bytes = 5136 }

export function codebookBytes(): u32 {
  return Table.bytes;
}

/** Prepares the codebook of two sets of n values, i8 at `values`, each too large by `bias`. t: aligned to 16. */
export function prepareCodebook(values: usize, n: i32, bias: i32, t: usize): void {
  for (let set = 0; set < 2; set++, values += n) {
    const least = <i32>load<i8>(values) - bias;
    put(t, set, <f32>least);
    for (let i = 0; i < n; i++) {
      put(t + set * Table.setBytes + Table.values, i, <f32>(<i32>load<i8>(values + i) - bias));
    }
    for (let c = 0; c < CELLS; c++) {
      // the cell holds x with integer part i: [i, i + 1), below 0 (i - 1, i], around 0 (-1, 1)
      const i = c + least, from = 2 * (i > 0 ? i : i - 1);
      let lower = 0;
      while (lower < n - 2) {
        const twiceMiddle = <i32>load<i8>(values + lower) + <i32>load<i8>(values + lower, 1) - 2 * bias;
        if (twiceMiddle > from || (twiceMiddle == from && i > 0)) break;
        lower++;
      }
      const pair = t + set * Table.setBytes + Table.pairs + (c << 3);
      put(pair, 0, <f32>(<i32>load<i8>(values + lower) - bias));
      put(pair, 1, <f32>(<i32>load<i8>(values + lower, 1) - bias));
      store<u8>(t + set * Table.setBytes + c, lower, Table.codes);
    }
  }
}

/** The least value of a set. */
// @ts-ignore: decorator
@inline
export function leastValue(t: usize, set: u32): f32 {
  return at(t, set);
}

/** Cell of x in a set whose least value is `least`. Beyond the range of i32 it is the first one, as on x86-64. */
// @ts-ignore: decorator
@inline
function cellsOf(x: v128, least: v128): v128 {
  const cell = i32x4.sub(i32x4.trunc_sat_f32x4_s(x), least);
  return i32x4.min_s(i32x4.max_s(cell, i32x4.splat(0)), i32x4.splat(CELLS - 1));
}

/** The value of a set nearest to each of four x; ties go up. low, high: the pairs of lanes 0 and 1, of lanes 2 and 3. */
// @ts-ignore: decorator
@inline
function nearestValues(x: v128, cells: v128, low: usize, high: usize): v128 {
  let a = v128.load64_zero(low + (i32x4.extract_lane(cells, 0) << 3));
  a = v128.load64_lane(low + (i32x4.extract_lane(cells, 1) << 3), a, 1);
  let b = v128.load64_zero(high + (i32x4.extract_lane(cells, 2) << 3));
  b = v128.load64_lane(high + (i32x4.extract_lane(cells, 3) << 3), b, 1);
  const lower = v128.shuffle<i32>(a, b, 0, 2, 4, 6), upper = v128.shuffle<i32>(a, b, 1, 3, 5, 7);
  return v128.bitselect(lower, upper, f32x4.lt(f32x4.sub(x, lower), f32x4.sub(upper, x)));
}

/**
 * sum w * q * x and sum w * q * q over n weights for four factors: q is the value nearest to factor * x, in set 0 for lanes 0
 * and 1, in set `other` for lanes 2 and 3. Stored at `sums` and after.
 */
export function tryFactors(n: i32, x: usize, w: usize, factors: v128, other: u32, t: usize, sums: usize): void {
  const low = t + Table.pairs, high = low + other * Table.setBytes;
  const first = f32x4.splat(leastValue(t, 0)), second = f32x4.splat(leastValue(t, other));
  const least = i32x4.trunc_sat_f32x4_s(v128.shuffle<i32>(first, second, 0, 0, 4, 4));
  let sumqx = f32x4.splat(0), sumq2 = f32x4.splat(0);
  for (let i = 0; i < n; i++) {
    const xi = v128.load_splat<u32>(x + (i << 2)), wi = v128.load_splat<u32>(w + (i << 2));
    const scaled = f32x4.mul(factors, xi);
    const q = nearestValues(scaled, cellsOf(scaled, least), low, high), wq = f32x4.mul(wi, q);
    sumqx = f32x4.add(sumqx, f32x4.mul(wq, xi));
    sumq2 = f32x4.add(sumq2, f32x4.mul(wq, q));
  }
  v128.store(sums, sumqx);
  v128.store(sums, sumq2, 16);
}

/** Of the last fitCodebook: whether the second set fits better. */
export let shifted: bool = false;
/** Of the last encode calls: sum w * q * x and sum w * q * q, q the decoded weight over the scale. */
export let sumqx: f32 = 0;
export let sumq2: f32 = 0;

/**
 * Best scale of n weights x with error weights w. Tried: the extreme taken to minus its set's least value, then to
 * `least + step * i`, i from -tries to tries; each with the scale's sign turned as well, after the first in both sets.
 * refine: the scale is fitted once more to the codes that it gives. Zeros have scale 0.
 */
export function fitCodebook(n: i32, x: usize, w: usize, tries: i32, step: f32, refine: bool, t: usize, s: usize): f32 {
  const peak = extreme(x, n), least = leastValue(t, 0), other = leastValue(t, 1), sums = s + SEARCH;
  shifted = false;
  if (abs<f32>(peak) < <f32>1e-16) return 0;
  let d = -peak / least, best: f32 = 0;
  for (let attempt = -tries - 1; attempt <= tries; attempt++) {
    const first = attempt < -tries;
    const a = first ? <f32>1 / d : (<f32>attempt * step + least) / peak;
    const b = first ? a : (<f32>attempt * step + other) / peak;
    const signs = v128.load_splat<u64>(SIGNS);
    const factors = v128.xor(v128.shuffle<i32>(f32x4.splat(a), f32x4.splat(b), 0, 0, 4, 4), signs);
    tryFactors(n, x, w, factors, first ? 0 : 1, t, sums);
    for (let c = 0, candidates = first ? 2 : 4; c < candidates; c++) {
      const qx = at(sums, c), q2 = at(sums + 16, c);
      if (q2 > 0 && ((first && c == 0) || qx * qx > best * q2)) {
        d = qx / q2;
        best = d * qx;
        shifted = c > 1;
      }
    }
  }
  if (refine && d != 0) {
    const set: u32 = shifted ? 1 : 0, factor = <f32>1 / d;
    let qx: f32 = 0, q2: f32 = 0;
    for (let i = 0; i < n; i++) {
      const q = valueOf(nearestCode(factor * at(x, i), set, t), set, t), wq = at(w, i) * q;
      qx += wq * at(x, i);
      q2 += wq * q;
    }
    if (q2 > 0) d = qx / q2;
  }
  return d;
}

/** Turns the second of each two lanes. */
const SIGNS: usize = memory.data<u32>([0, 0x80000000], 8);

/** Code of the value of a set that is nearest to x; ties go up. */
export function nearestCode(x: f32, set: u32, t: usize): u32 {
  const cell = i32x4.extract_lane(cellsOf(f32x4.splat(x), i32x4.splat(<i32>leastValue(t, set))), 0);
  const p = t + set * Table.setBytes, pair = p + Table.pairs + (cell << 3);
  return <u32>load<u8>(p + cell, Table.codes) + (x - at(pair, 0) < at(pair, 1) - x ? 0 : 1);
}

/** The value of a code. */
export function valueOf(code: u32, set: u32, t: usize): f32 {
  return at(t + set * Table.setBytes + Table.values, code);
}

/** Makes the sums of `encode` begin again. */
export function clearSums(): void {
  sumqx = 0;
  sumq2 = 0;
}

/** Codes L of n weights with inverse scale id; q: the value times `scale`, which goes into the sums. */
export function encode(n: i32, x: usize, w: usize, id: f32, scale: f32, set: u32, L: usize, t: usize): void {
  for (let i = 0; i < n; i++) {
    const code = nearestCode(id * at(x, i), set, t);
    store<u8>(L + i, code);
    const q = valueOf(code, set, t) * scale, wq = at(w, i) * q;
    sumqx += wq * at(x, i);
    sumq2 += wq * q;
  }
}

/** encode for 32 weights, whose sums grow by those of weights i and i + 16 at once. */
export function encodeHalves(x: usize, w: usize, id: f32, scale: f32, set: u32, L: usize, t: usize): void {
  for (let i = 0; i < 16; i++) {
    const a = nearestCode(id * at(x, i), set, t), b = nearestCode(id * at(x, i + 16), set, t);
    store<u8>(L + i, a);
    store<u8>(L + i, b, 16);
    const qa = valueOf(a, set, t) * scale, qb = valueOf(b, set, t) * scale;
    const wa = at(w, i) * qa, wb = at(w, i + 16) * qb;
    sumqx += wa * at(x, i) + wb * at(x, i + 16);
    sumq2 += wa * qa + wb * qb;
  }
}

/** Below this the weights, values or products of a run of `size` say nothing: all its importance weights become EVEN. */
const NOTHING: f32 = <f32>1e-9 * <f32>1e-9;
const EVEN: f32 = 1e-9;

/**
 * Error weights of a block of 256, at s + WEIGHTS. With importance weights: qw * sqrt(factor * mean square + x^2); without:
 * x^2, `mixed`: plus a quarter of that mean.
 */
export function weighBlock(x: usize, qw: usize, size: i32, factor: f32, mixed: bool, s: usize): void {
  const w = s + WEIGHTS, sigma2 = factor * sumSquares(x, 256) / <f32>256;
  if (!qw) {
    if (!mixed) return square(x, 256, w);
    for (let i = 0; i < 256; i++) put(w, i, <f32>0.25 * sigma2 + at(x, i) * at(x, i));
    return;
  }
  const least = <f32>size * NOTHING;
  for (let first = 0; first < 256; first += size) {
    const xb = x + (first << 2), qb = qw + (first << 2), wb = w + (first << 2);
    let sumw2: f32 = 0, sumwx: f32 = 0;
    for (let i = 0; i < size; i++) {
      sumw2 += at(qb, i) * at(qb, i);
      sumwx += at(qb, i) * abs<f32>(at(xb, i));
    }
    if (sumw2 > least && sumSquares(xb, size) > least && sumwx > least) {
      weigh(xb, qb, sigma2, size, wb);
    } else {
      for (let i = 0; i < size; i++) put(wb, i, EVEN * sqrt<f32>(sigma2 + at(xb, i) * at(xb, i)));
    }
  }
}
