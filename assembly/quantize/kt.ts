// IQ1_KT .. IQ4_KT (ik_llama.cpp): weights from a generator, one index for each 8 (IQ4_KT: 4) of them. Scales of runs of 32 are
// tried by coding the run with each; then one scale for the row is fitted, those of the runs are rounded, and all is coded anew.
// Layouts: assembly/quants/kt.ts. Source: ik_llama.cpp, iqk_quantize.cpp (quantize_row_iq*_kt_impl): the same steps, sums in
// another order, as that search exists for AVX2 with fused products only.
//
// Tables: the codebook of the scales, then the net of points (IQ4_KT: two, by offset).

import { IQ4K_VALUES } from "../quants/iq4_k";
import { codebookBytes, nearestCode, prepareCodebook, valueOf } from "./codebook";
import { nearestPoint, netBytes, prepareNet, storePoint } from "./points";
import { GRID, ROW, at, clampInt, extreme, maxMagnitude, nearestInt, put, storeRowScale, sumSquares, weigh } from "./scalar";

/** The types of octets. */
enum Kt { one, two, three }

/** Offsets of the generator: of most types, and of the runs of IQ4_KT that take the other. */
const OFFSET: u32 = 4096;
const OTHER_OFFSET: u32 = 4096 + 32768;

/** How many groups a point is in: with fewer points to an index, more. */
const NEAREST_1: u32 = 32;
const NEAREST_8: u32 = 8;
const NEAREST_4: u32 = 6;

export function ktTableBytes(bits: i32): u32 {
  return netsAt() + (bits == 15 ? 2 * netBytes(4, 15, NEAREST_4) : netBytes(8, bits, bits == 13 ? NEAREST_1 : NEAREST_8));
}

/** Where the nets begin: a multiple of 16. */
function netsAt(): u32 {
  return (codebookBytes() + 15) & ~15;
}

/** bits: of an index, which tells IQ1_KT (13), IQ4_KT (15) and the others (16) apart. magnitudes: IQ3_KT. */
export function prepareKT(bits: i32, magnitudes: bool, t: usize): void {
  prepareCodebook(IQ4K_VALUES, 16, 0, t);
  const net = t + netsAt();
  if (bits == 15) {
    prepareNet(4, 15, NEAREST_4, OFFSET, false, net);
    prepareNet(4, 15, NEAREST_4, OTHER_OFFSET, false, net + netBytes(4, 15, NEAREST_4));
  } else {
    prepareNet(8, bits, bits == 13 ? NEAREST_1 : NEAREST_8, OFFSET, magnitudes, net);
  }
}

// From GRID on, for a run: its magnitudes, itself over a scale, its points' values, f32[32] each; two lists of indices.
const ABSOLUTE: usize = GRID;
const SCALED: usize = GRID + 128;
const POINT: usize = GRID + 256;
const TRIED: usize = GRID + 384;
// From ROW on, for a row of k weights: error weights f32[k]; by run: scale, the two sums of the codes chosen, f32 each; its
// indices u16[8]; whether it takes the other offset u8.

let rowWeights: usize = 0;
let rowScales: usize = 0;
let rowSums: usize = 0;
let rowIndices: usize = 0;
let rowOthers: usize = 0;

function enterRow(k: u32, s: usize): void {
  rowWeights = s + ROW;
  rowScales = rowWeights + (k << 2);
  rowSums = rowScales + (k >> 5 << 2);
  rowIndices = rowSums + (k >> 5 << 3);
  rowOthers = rowIndices + (k >> 5 << 4);
}

/** Runs whose weights, values or products are all but nothing: their error weights are all EVEN. */
const NOTHING: f32 = 1e-14;
const EVEN: f32 = 1e-4;

function fill(w: usize, n: i32, v: f32): void {
  for (let i = 0; i < n; i++) put(w, i, v);
}

/** Error weights of a row: qw * sqrt(twice the block's mean square + x^2), or half that mean plus x^2. */
function weighRow(x: usize, k: u32, qw: usize): void {
  for (let b: usize = 0; b < k >> 8; b++) {
    const xb = x + (b << 10), wb = rowWeights + (b << 10), total = sumSquares(xb, 256);
    if (total < NOTHING * 256) {
      fill(wb, 256, EVEN);
      continue;
    }
    const sigma2 = <f32>2 * total / <f32>256;
    if (!qw) {
      for (let i = 0; i < 256; i++) put(wb, i, <f32>0.25 * sigma2 + at(xb, i) * at(xb, i));
      continue;
    }
    for (let r: usize = 0; r < 8; r++) {
      const xr = xb + (r << 7), wr = wb + (r << 7);
      weigh(xr, qw + (b << 10) + (r << 7), sigma2, 32, wr);
      let products: f32 = 0;
      for (let i = 0; i < 32; i++) products += at(wr, i) * abs<f32>(at(xr, i));
      if (sumSquares(xr, 32) < NOTHING || sumSquares(wr, 32) < NOTHING || products < NOTHING) fill(wr, 32, EVEN);
    }
  }
}

let sumqx: f32 = 0;
let sumq2: f32 = 0;

/** Lanes 0 to 3 added up, in a fixed order. */
// @ts-ignore: decorator
@inline
function total(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3);
}

/** The values of a run's points, at s + POINT. dims: of a point. */
function storePoints(net: usize, dims: usize, indices: usize, s: usize): void {
  for (let i: usize = 0; i < 32; i += dims) storePoint(net, load<u16>(indices + (i / dims << 1)), s + POINT + (i << 2));
}

/** The sums of 32 weights coded as `indices`. */
function sumRun(net: usize, dims: usize, x: usize, w: usize, indices: usize, s: usize): void {
  storePoints(net, dims, indices, s);
  let qx = f32x4.splat(0), q2 = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) {
    const q = v128.load(s + POINT + i), wq = f32x4.mul(v128.load(w + i), q);
    qx = f32x4.add(qx, f32x4.mul(wq, v128.load(x + i)));
    q2 = f32x4.add(q2, f32x4.mul(wq, q));
  }
  sumqx = total(qx);
  sumq2 = total(q2);
}

/** Codes 32 weights with scale d: the nearest point for each group; scale 0: points 0. */
function matchRun(net: usize, dims: usize, x: usize, w: usize, d: f32, indices: usize, s: usize): void {
  if (d == 0) return memory.fill(indices, 0, 16);
  const id = f32x4.splat(<f32>1 / d), scaled = s + SCALED;
  for (let i: usize = 0; i < 128; i += 16) v128.store(scaled + i, f32x4.mul(id, v128.load(x + i)));
  for (let i: usize = 0; i < 32; i += dims) {
    store<u16>(indices + (i / dims << 1), nearestPoint(net, scaled + (i << 2), w + (i << 2)));
  }
}

/** How good the best codes so far are: sumqx^2 / sumq2. */
let bestScore: f32 = 0;

/**
 * Codes run r with scale d as a trial; where that is the best so far, keeps the scale that fits the codes, and the codes and
 * their sums. True when it was.
 */
function tryRun(net: usize, dims: usize, x: usize, r: usize, d: f32, s: usize): bool {
  const w = rowWeights + (r << 7), tried = s + TRIED;
  matchRun(net, dims, x, w, d, tried, s);
  sumRun(net, dims, x, w, tried, s);
  if (!(sumq2 > 0)) return false;
  const score = sumqx * sumqx / sumq2;
  if (!(score > bestScore)) return false;
  bestScore = score;
  put(rowScales, <i32>r, sumqx / sumq2);
  v128.store(rowIndices + (r << 4), v128.load(tried));
  put(rowSums, <i32>r << 1, sumqx);
  put(rowSums, (<i32>r << 1) + 1, sumq2);
  return true;
}

/** A run of zeros: scale 0, points 0. */
function clearRun(r: usize): void {
  put(rowScales, <i32>r, 0);
  memory.fill(rowIndices + (r << 4), 0, 16);
  memory.fill(rowSums + (r << 3), 0, 8);
}

/**
 * Scale of the row for runs with scales codes(f * scale): of the factors (start + i * step) / peak, i from -9 to 9, the one
 * after which a common scale fits best; that scale. Codes are those of the scales' codebook, of IQ3_KT 0..15.
 */
function fitRow(nRuns: i32, peak: f32, start: f32, step: f32, plain: bool, t: usize): f32 {
  let d = peak / start, best: f32 = 0;
  for (let i = -9; i <= 9; i++) {
    const factor = (<f32>i * step + start) / peak;
    let qx: f32 = 0, q2: f32 = 0;
    for (let r = 0; r < nRuns; r++) {
      const scale = runScale(factor * at(rowScales, r), plain, t);
      qx += scale * at(rowSums, 2 * r);
      q2 += scale * scale * at(rowSums, 2 * r + 1);
    }
    if (q2 > 0 && qx * qx > best * q2) {
      d = qx / q2;
      best = d * qx;
    }
  }
  return d;
}

/** Code of a run's scale. */
// @ts-ignore: decorator
@inline
function scaleCode(scale: f32, plain: bool, t: usize): u32 {
  return plain ? clampInt(nearestInt(scale), 0, 15) : nearestCode(scale, 0, t);
}

// @ts-ignore: decorator
@inline
function runScale(scale: f32, plain: bool, t: usize): f32 {
  const code = scaleCode(scale, plain, t);
  return plain ? <f32>code : valueOf(code, 0, t);
}

/** Weighted error of 32 weights coded as `indices` with scale d. */
function errorOf(net: usize, x: usize, w: usize, d: f32, indices: usize, s: usize): f32 {
  storePoints(net, 8, indices, s);
  let error = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) {
    const away = f32x4.sub(v128.load(x + i), f32x4.mul(f32x4.splat(d), v128.load(s + POINT + i)));
    error = f32x4.add(error, f32x4.mul(v128.load(w + i), f32x4.mul(away, away)));
  }
  return total(error);
}

/** Writes the index of an octet of run r. */
function storeOctet(type: Kt, block: usize, r: u32, octet: u32, index: u32): void {
  if (type != Kt.one) return store<u16>(block + (r << 3) + (octet << 1), index, 4);
  const p = block + 40 + ((r & 3) << 2) + octet;
  store<u8>(block + (r << 2) + octet, index, 8);
  store<u8>(p, <u32>load<u8>(p) | (((index >> 8) & 15) << (r & 4)));
  store<u8>(block + r, <u32>load<u8>(block + r) | ((index >> 12) << (4 + octet)));
}

// @ts-ignore: decorator
@inline
function ktBytes(type: Kt): i32 {
  return type == Kt.one ? 56 : type == Kt.two ? 68 : 100;
}

/** |x| of 32 weights, at s + ABSOLUTE. */
function magnitudesOf(x: usize, s: usize): usize {
  for (let i: usize = 0; i < 128; i += 16) v128.store(s + ABSOLUTE + i, f32x4.abs(v128.load(x + i)));
  return s + ABSOLUTE;
}

/** Best scale and codes of run r of a row whose largest magnitude is rowMost. */
function fitRun(type: Kt, net: usize, x: usize, r: usize, rowMost: f32, s: usize): void {
  const most = maxMagnitude(x, 32);
  clearRun(r);
  if (most < <f32>1e-16) return;
  bestScore = 0;
  if (type == Kt.three) {
    const start = max<f32>(84, <f32>123 * most / rowMost), xr = magnitudesOf(x, s);
    for (let i = -3; i <= 3; i++) tryRun(net, 8, xr, r, most / (start + <f32>8 * <f32>i), s);
    return;
  }
  const start = max<f32>(90, <f32>124 * most / rowMost);
  tryRun(net, 8, x, r, most / start, s);
  tryRun(net, 8, x, r, -most / start, s);
  if (type == Kt.two) return;
  tryRun(net, 8, x, r, most / (start - 8), s);
  tryRun(net, 8, x, r, -most / (start - 8), s);
}

/** Row: d f32. Codes of octets: scales 4 B, ql 32 x u16, IQ3_KT qh 32 B (signs); of IQ1_KT sh 8 B, ql 32 B, qh 16 B. */
function quantizeOctets(type: Kt, x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const net = t + netsAt(), nRuns = <i32>(k >> 5), bytes = ktBytes(type), plain = type == Kt.three;
  enterRow(k, s);
  memory.fill(y, 0, 4 + (k >> 8) * bytes);
  const rowMost = maxMagnitude(x, k);
  if (rowMost == 0) return;
  weighRow(x, k, qw);
  for (let r = 0; r < nRuns; r++) fitRun(type, net, x + (r << 7), r, rowMost, s);
  const peak = extreme(rowScales, nRuns);
  if (peak == 0) return;
  const d = plain ? fitRow(nRuns, peak, 15, 0.2, true, t) : fitRow(nRuns, peak, valueOf(0, 0, t), 1, false, t);
  const id: f32 = d != 0 ? <f32>1 / d : 0;
  let qx: f32 = 0, q2: f32 = 0;
  for (let r = 0; r < nRuns; r++) {
    const block = y + 4 + (r >> 3) * bytes, b: u32 = r & 7, w = rowWeights + (r << 7);
    const kept = rowIndices + (r << 4), tried = s + TRIED;
    const xr = plain ? magnitudesOf(x + (r << 7), s) : x + (r << 7);
    const code = scaleCode(id * at(rowScales, r), plain, t), scale = plain ? <f32>code : valueOf(code, 0, t);
    const p = block + (type == Kt.one ? b : b & 3);
    store<u8>(p, <u32>load<u8>(p) | (type == Kt.one ? code : code << (b & 4)));
    matchRun(net, 8, xr, w, d * scale, tried, s);
    // IQ3_KT takes the new codes as they are
    const keep = !plain && errorOf(net, xr, w, d * scale, kept, s) < errorOf(net, xr, w, d * scale, tried, s);
    const indices = keep ? kept : tried;
    for (let octet = 0; octet < 4; octet++) storeOctet(type, block, b, octet, load<u16>(indices + (octet << 1)));
    if (plain) storeSigns(x + (r << 7), b, block + 68);
    sumRun(net, 8, xr, w, indices, s);
    qx += scale * sumqx;
    q2 += scale * scale * sumq2;
  }
  const fitted = q2 > 0 ? qx / q2 : d;
  // ik_llama.cpp found the factor of IQ1_KT by trial
  storeRowScale(y, type == Kt.one && q2 > 0 ? fitted * <f32>1.07 : fitted);
}

/** Bit b of qh[i]: weight i of a run is negative. */
function storeSigns(x: usize, b: u32, qh: usize): void {
  for (let i = 0; i < 32; i++) if (at(x, i) < 0) store<u8>(qh + i, <u32>load<u8>(qh + i) | (1 << b));
}

export function quantizeIQ1_KT(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  quantizeOctets(Kt.one, x, k, qw, y, s, t);
}

export function quantizeIQ2_KT(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  quantizeOctets(Kt.two, x, k, qw, y, s, t);
}

export function quantizeIQ3_KT(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  quantizeOctets(Kt.three, x, k, qw, y, s, t);
}

/** Best scale of run r, tried with both offsets; the other one's mark is set where that is better. */
function fitQuads(nets: usize, x: usize, r: usize, rowMost: f32, s: usize): void {
  const most = maxMagnitude(x, 32), other = nets + netBytes(4, 15, NEAREST_4);
  clearRun(r);
  store<u8>(rowOthers + r, 0);
  if (most < <f32>1e-16) return;
  bestScore = 0;
  const start = max<f32>(90, <f32>124 * most / rowMost);
  for (let i = -2; i <= 2; i++) {
    const d = most / (<f32>8 * <f32>i + start);
    tryRun(nets, 4, x, r, d, s);
    tryRun(nets, 4, x, r, -d, s);
  }
  // as in the reference, what follows need not be better than this first one, only better than all with the first offset
  const bestOfFirst = bestScore;
  let better = tryRun(other, 4, x, r, at(rowScales, <i32>r), s);
  bestScore = bestOfFirst;
  for (let i = -2; i <= 2; i++) {
    const d = most / (<f32>8 * <f32>i + start);
    better = tryRun(other, 4, x, r, d, s) || better;
    better = tryRun(other, 4, x, r, -d, s) || better;
  }
  store<u8>(rowOthers + r, better);
}

/** Row: d f32. Codes of quads: sh 8 x u32 (offset, scale + 64, bits 12-14 of eight indices), ql 64 B, qh 32 B. */
export function quantizeIQ4_KT(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const nets = t + netsAt(), nRuns = <i32>(k >> 5);
  enterRow(k, s);
  memory.fill(y, 0, 4 + (k >> 1));
  const rowMost = maxMagnitude(x, k);
  if (rowMost == 0) return;
  weighRow(x, k, qw);
  for (let r = 0; r < nRuns; r++) fitQuads(nets, x + (r << 7), r, rowMost, s);
  const d = -extreme(rowScales, nRuns) / <f32>64;
  if (d == 0) return;
  const id = <f32>1 / d;
  let qx: f32 = 0, q2: f32 = 0;
  for (let r = 0; r < nRuns; r++) {
    const block = y + 4 + (r >> 3 << 7), b: u32 = r & 7, xr = x + (r << 7), w = rowWeights + (r << 7), indices = s + TRIED;
    const other = <u32>load<u8>(rowOthers + r), net = other ? nets + netBytes(4, 15, NEAREST_4) : nets;
    const l = min<i32>(63, nearestInt(id * at(rowScales, r))), scale = <f32>l;
    matchRun(net, 4, xr, w, d * scale, indices, s);
    let sh = (<u32>(l + 64) << 1) | other;
    for (let j: u32 = 0; j < 8; j++) {
      const index = <u32>load<u16>(indices + (j << 1)), quad = (b << 3) + j, p = block + 96 + (quad & 31);
      sh |= (index >> 12) << (8 + 3 * j);
      store<u8>(block + quad, index, 32);
      store<u8>(p, <u32>load<u8>(p) | (((index >> 8) & 15) << (quad >> 5 << 2)));
    }
    store<u32>(block + (b << 2), sh);
    sumRun(net, 4, xr, w, indices, s);
    qx += scale * sumqx;
    q2 += scale * scale * sumq2;
  }
  storeRowScale(y, q2 > 0 ? qx / q2 : d);
}
