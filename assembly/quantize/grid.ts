// Finding grid points: what the quantisers of IQ1, IQ2 and IQ3 types share. A group of 8 (IQ3: 4) weights becomes digits;
// when these are no point of the grid, one of the points nearest to them is taken, the one with the least error.
//
// Tables of a type (`t`), made once by prepareGrid:
//   points   u8[8] or u8[4] each: 2 * digit + 1
//   map      i32 by digit code: the point's number, or -1 - the list's offset
//   lists    u16 count, then the numbers of the points at the nearest distances, by distance and number
// Source: ggml-quants.c (iq2xs_init_impl, iq3xs_init_impl, iq2_find_best_neighbour, iq3_find_best_neighbour).

import {
  IQ1_CODES, IQ1_NEIGHBOURS, IQ2_S_CODES, IQ2_S_NEIGHBOURS, IQ2_XS_CODES, IQ2_XS_NEIGHBOURS, IQ2_XXS_CODES,
  IQ2_XXS_NEIGHBOURS, IQ3_S_CODES, IQ3_S_NEIGHBOURS, IQ3_XXS_CODES, IQ3_XXS_NEIGHBOURS,
} from "./grids.generated";
import { GRID, at, clampInt, nearestInt } from "./scalar";

export enum Grid {
  IQ2_XXS,
  IQ2_XS,
  IQ2_S,
  IQ1,
  IQ3_XXS,
  IQ3_S,
}

/** Points of a grid. */
function gridSize(grid: Grid): u32 {
  switch (grid) {
    case Grid.IQ2_XS:
    case Grid.IQ3_S: return 512;
    case Grid.IQ2_S: return 1024;
    case Grid.IQ1: return 2048;
    default: return 256;
  }
}

/** Distances whose points are neighbours. */
function wantedDistances(grid: Grid): i32 {
  switch (grid) {
    case Grid.IQ2_S: return 1;
    case Grid.IQ1:
    case Grid.IQ3_S: return 3;
    default: return 2;
  }
}

function gridCodes(grid: Grid): usize {
  switch (grid) {
    case Grid.IQ2_XXS: return IQ2_XXS_CODES;
    case Grid.IQ2_XS: return IQ2_XS_CODES;
    case Grid.IQ2_S: return IQ2_S_CODES;
    case Grid.IQ1: return IQ1_CODES;
    case Grid.IQ3_XXS: return IQ3_XXS_CODES;
    default: return IQ3_S_CODES;
  }
}

function listBytes(grid: Grid): u32 {
  switch (grid) {
    case Grid.IQ2_XXS: return 2 * IQ2_XXS_NEIGHBOURS;
    case Grid.IQ2_XS: return 2 * IQ2_XS_NEIGHBOURS;
    case Grid.IQ2_S: return 2 * IQ2_S_NEIGHBOURS;
    case Grid.IQ1: return 2 * IQ1_NEIGHBOURS;
    case Grid.IQ3_XXS: return 2 * IQ3_XXS_NEIGHBOURS;
    default: return 2 * IQ3_S_NEIGHBOURS;
  }
}

/** Weights of a point. */
// @ts-ignore: decorator
@inline
function gridDims(grid: Grid): u32 {
  return grid >= Grid.IQ3_XXS ? 4 : 8;
}

/** Codes that a map has room for: 16 bits of 2-bit digits, 12 of 3-bit ones. */
// @ts-ignore: decorator
@inline
function mapSize(grid: Grid): u32 {
  return grid >= Grid.IQ3_XXS ? 4096 : 65536;
}

/** Address of the map. */
// @ts-ignore: decorator
@inline
export function gridMap(grid: Grid, t: usize): usize {
  return t + gridSize(grid) * gridDims(grid);
}

/** Address of the lists. */
// @ts-ignore: decorator
@inline
export function gridLists(grid: Grid, t: usize): usize {
  return gridMap(grid, t) + mapSize(grid) * 4;
}

/** Bytes of a grid's tables. */
export function gridTableBytes(grid: Grid): u32 {
  // the distances of one code to all points come after the lists
  return <u32>gridLists(grid, 0) + listBytes(grid) + gridSize(grid);
}

/** Writes a grid's tables to t. */
export function prepareGrid(grid: Grid, t: usize): void {
  const n = gridSize(grid), dims = gridDims(grid), codes = gridCodes(grid);
  const bits: u32 = dims == 4 ? 3 : 2, mask: u32 = (1 << bits) - 1;
  const map = gridMap(grid, t), lists = gridLists(grid, t), distances = lists + listBytes(grid);
  memory.fill(map, 255, mapSize(grid) * 4);
  for (let g: u32 = 0; g < n; g++) {
    const code = <u32>load<u16>(codes + (g << 1));
    store<i32>(map + (code << 2), g);
    for (let i: u32 = 0; i < dims; i++) store<u8>(t + g * dims + i, 2 * ((code >> (bits * i)) & mask) + 1);
  }
  let next: u32 = 0;
  for (let code: u32 = 0; code < mapSize(grid); code++) {
    // 2-bit digits are 0, 1, 2: no search gives a 3
    if (dims == 8 && code & (code >> 1) & 0x5555) continue;
    if (load<i32>(map + (code << 2)) >= 0) continue;
    store<i32>(map + (code << 2), -1 - next);
    next += 1 + listNeighbours(grid, code, t, distances, lists + (next << 1));
  }
}

/** Writes the list of one code; returns how many points it has. */
function listNeighbours(grid: Grid, code: u32, t: usize, distances: usize, list: usize): u32 {
  const n = gridSize(grid), dims = gridDims(grid), bits: u32 = dims == 4 ? 3 : 2, mask: u32 = (1 << bits) - 1;
  for (let g: u32 = 0; g < n; g++) {
    let distance: u32 = 0;
    for (let i: u32 = 0; i < dims; i++) {
      const diff = <i32>(load<u8>(t + g * dims + i) >> 1) - <i32>((code >> (bits * i)) & mask);
      distance += diff * diff;
    }
    // at most 4 * 49
    store<u8>(distances + g, distance);
  }
  let count: u32 = 0, beyond: i32 = -1;
  for (let want = wantedDistances(grid); want > 0; want--) {
    let nearest: i32 = 255;
    for (let g: u32 = 0; g < n; g++) {
      const d = <i32>load<u8>(distances + g);
      if (d > beyond && d < nearest) nearest = d;
    }
    for (let g: u32 = 0; g < n; g++) {
      if (<i32>load<u8>(distances + g) == nearest) store<u16>(list + (++count << 1), g);
    }
    beyond = nearest;
  }
  store<u16>(list, count);
  return count;
}

/** Four bytes of each of four points, by their numbers. */
// @ts-ignore: decorator
@inline
function fourPoints(points: usize, dims: u32, g0: u32, g1: u32, g2: u32, g3: u32): v128 {
  const two = v128.load32_lane(points + g1 * dims, v128.load32_zero(points + g0 * dims), 1);
  return v128.load32_lane(points + g3 * dims, v128.load32_lane(points + g2 * dims, two, 2), 3);
}

/** error + sum of w * (scale * point - x)^2 over four dimensions, one after the other; lane = point. */
// @ts-ignore: decorator
@inline
function addErrors(error: v128, points: v128, scale: v128, x: usize, w: usize): v128 {
  const byte = i32x4.splat(255);
  for (let i: u32 = 0; i < 4; i++) {
    const q = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(points, i << 3), byte));
    const diff = f32x4.sub(f32x4.mul(scale, q), v128.load_splat<u32>(x + (i << 2)));
    error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load_splat<u32>(w + (i << 2)), diff), diff));
  }
  return error;
}

/**
 * The listed point with the least sum of w * (scale * point - x)^2, the first of equals. Where nothing is comparable
 * (values beyond the range of f32), the first point. Four points at a time; the last one fills up the last four.
 */
export function nearestPoint(list: usize, points: usize, dims: u32, x: usize, w: usize, scale: f32): u32 {
  const n = <u32>load<u16>(list), numbers = list + 2, factor = f32x4.splat(scale), four = i32x4.splat(4);
  let best = f32x4.splat(f32.MAX_VALUE), found = i32x4.splat(0), place = i32x4(0, 1, 2, 3);
  for (let j: u32 = 0; j < n; j += 4) {
    const last = n - 1;
    const g0 = <u32>load<u16>(numbers + (j << 1)), g1 = <u32>load<u16>(numbers + (min(j + 1, last) << 1));
    const g2 = <u32>load<u16>(numbers + (min(j + 2, last) << 1)), g3 = <u32>load<u16>(numbers + (min(j + 3, last) << 1));
    let error = addErrors(f32x4.splat(0), fourPoints(points, dims, g0, g1, g2, g3), factor, x, w);
    if (dims == 8) error = addErrors(error, fourPoints(points + 4, dims, g0, g1, g2, g3), factor, x + 16, w + 16);
    const nearer = f32x4.lt(error, best);
    best = v128.bitselect(error, best, nearer);
    found = v128.bitselect(place, found, nearer);
    place = i32x4.add(place, four);
  }
  // of equal lanes the one that is first in the list
  const swapped = v128.shuffle<i32>(best, best, 2, 3, 0, 1), swappedPlace = v128.shuffle<i32>(found, found, 2, 3, 0, 1);
  let nearer = before(swapped, swappedPlace, best, found);
  best = v128.bitselect(swapped, best, nearer);
  found = v128.bitselect(swappedPlace, found, nearer);
  nearer = before(v128.shuffle<i32>(best, best, 1, 0, 3, 2), v128.shuffle<i32>(found, found, 1, 0, 3, 2), best, found);
  const first = i32x4.extract_lane(v128.bitselect(v128.shuffle<i32>(found, found, 1, 0, 3, 2), found, nearer), 0);
  return load<u16>(numbers + (min<u32>(first, n - 1) << 1));
}

/** Lanes where error a at place i goes before error b at place j. */
// @ts-ignore: decorator
@inline
function before(a: v128, i: v128, b: v128, j: v128): v128 {
  return v128.or(f32x4.lt(a, b), v128.and(f32x4.eq(a, b), i32x4.lt_s(i, j)));
}

/** Digit code of `dims` digits. */
export function codeOf(L: usize, dims: u32): u32 {
  const bits: u32 = dims == 4 ? 3 : 2;
  let code: u32 = 0;
  for (let i: u32 = 0; i < dims; i++) code |= <u32>load<u8>(L + i) << (bits * i);
  return code;
}

/** Writes the digits of a point. */
export function putDigits(points: usize, g: u32, dims: u32, L: usize): void {
  for (let i: u32 = 0; i < dims; i++) store<u8>(L + i, load<u8>(points + g * dims + i) >> 1);
}

// Scratch of the grid searches, from GRID on: magnitudes f32[32], square roots of the weights f32[32], digits u8[32] of
// the best candidate and of the present one, whether each group of them is on the grid u8[8], sign bytes u8[4].

export const XVAL: usize = GRID;
export const ROOTS: usize = GRID + 128;
export const DIGITS: usize = GRID + 256;
const TRIED: usize = GRID + 288;
const ON_GRID: usize = GRID + 320;
const TRIED_ON_GRID: usize = GRID + 328;
export const SIGNS: usize = GRID + 336;

/** Rounds one group to digits with inverse scale id, and to a point if they are none. Returns whether they were one. */
function snap(grid: Grid, t: usize, x: usize, w: usize, id: f32, scale: f32, top: i32, L: usize): bool {
  const dims = gridDims(grid), bits: u32 = dims == 4 ? 3 : 2;
  let code: u32 = 0;
  for (let i: u32 = 0; i < dims; i++) {
    const l = clampInt(nearestInt(<f32>0.5 * (id * at(x, i) - 1)), 0, top);
    store<u8>(L + i, l);
    code |= l << (bits * i);
  }
  const g = load<i32>(gridMap(grid, t) + (code << 2));
  if (g >= 0) return true;
  const list = gridLists(grid, t) + (<u32>(-1 - g) << 1);
  putDigits(t, nearestPoint(list, t, dims, x, w, scale), dims, L);
  return false;
}

/** Which groups are rounded again with the scale found. */
export enum Refine {
  /** Those that were not on the grid. */
  strays,
  /** All, if one was not on the grid. */
  allForOne,
  all,
}

/** Where fitDigits leaves sum w * x * q and sum w * q * q, q = 2 * digit + 1. */
const RESULT: usize = GRID + 352;

function fitDigits(n: i32, w: usize, L: usize, s: usize): void {
  let sumqx: f32 = 0, sumq2: f32 = 0;
  for (let i = 0; i < n; i++) {
    const level = 2 * <i32>load<u8>(L + i) + 1, q = <f32>level;
    sumqx += at(w, i) * at(s + XVAL, i) * q;
    sumq2 += at(w, i) * q * q;
  }
  store<f32>(s + RESULT, sumqx);
  store<f32>(s + RESULT, sumq2, 4);
}

/**
 * Digits (at s + DIGITS) and scale of the n magnitudes at s + XVAL with error weights w. Tries the inverse scales
 * (2 * digits - 1 + step * delta) / peak, step -steps..steps, and refines the best. The digits must hold a first choice
 * for the case that no candidate fits; `scale` is its scale.
 */
export function searchGrid(
  grid: Grid, t: usize, n: u32, w: usize, steps: i32, delta: f32, peak: f32, scale: f32, refine: Refine, s: usize,
): f32 {
  const dims = gridDims(grid), groups = n / dims, top: i32 = dims == 4 ? 7 : 2, levels = 2 * top + 1;
  const xval = s + XVAL, roots = s + ROOTS, L = s + DIGITS, tried = s + TRIED, result = s + RESULT;
  memory.fill(s + ON_GRID, refine == Refine.allForOne ? 0 : 1, groups);
  let best: f32 = 0;
  for (let step = -steps; step <= steps; step++) {
    const id = (<f32>levels + <f32>step * delta) / peak, trial = <f32>1 / id;
    for (let k: u32 = 0; k < groups; k++) {
      const o = k * dims;
      store<bool>(s + TRIED_ON_GRID + k, snap(grid, t, xval + (o << 2), roots + (o << 2), id, trial, top, tried + o));
    }
    fitDigits(n, w, tried, s);
    const sumqx = at(result, 0), sumq2 = at(result, 1);
    if (sumq2 > 0 && sumqx * sumqx > best * sumq2) {
      scale = sumqx / sumq2;
      best = scale * sumqx;
      memory.copy(L, tried, n);
      memory.copy(s + ON_GRID, s + TRIED_ON_GRID, groups);
    }
  }
  let strays = refine == Refine.all;
  for (let k: u32 = 0; k < groups; k++) if (!load<bool>(s + ON_GRID + k)) strays = true;
  if (strays && scale > 0) {
    const id = <f32>1 / scale;
    for (let k: u32 = 0; k < groups; k++) {
      if (refine == Refine.strays && load<bool>(s + ON_GRID + k)) continue;
      const o = k * dims;
      snap(grid, t, xval + (o << 2), roots + (o << 2), id, scale, top, L + o);
    }
    fitDigits(n, w, L, s);
    if (at(result, 1) > 0) scale = at(result, 0) / at(result, 1);
  }
  return scale;
}

/** Magnitudes of n weights at s + XVAL, a sign byte per octet at s + SIGNS, square roots of their weights. */
export function splitSigns(n: u32, x: usize, w: usize, even: bool, s: usize): void {
  const xval = s + XVAL;
  for (let i: u32 = 0; i < n; i++) store<f32>(s + ROOTS + (i << 2), sqrt<f32>(at(w, i)));
  for (let k: u32 = 0; k < n >> 3; k++) {
    let signs: u32 = 0;
    const first = k << 3;
    for (let i: u32 = 0; i < 8; i++) {
      const v = at(x, first + i);
      store<f32>(xval + ((first + i) << 2), v >= 0 ? v : -v);
      signs |= <u32>!(v >= 0) << i;
    }
    if (even) {
      // the format keeps seven signs, the eighth makes their number even: flip the one that costs least
      if (popcnt(signs) & 1) {
        let least: u32 = 0, cost = at(w, first) * at(x, first) * at(x, first);
        for (let i: u32 = 1; i < 8; i++) {
          const c = at(w, first + i) * at(x, first + i) * at(x, first + i);
          if (c < cost) {
            cost = c;
            least = i;
          }
        }
        store<f32>(xval + ((first + least) << 2), -at(xval, first + least));
        signs ^= 1 << least;
      }
      signs &= 127;
    }
    store<u8>(s + SIGNS + k, signs);
  }
}

/** A negative scale becomes positive, and its signs turn. */
export function turnSigns(n: u32, even: bool, s: usize): void {
  for (let k: u32 = 0; k < n >> 3; k++) store<u8>(s + SIGNS + k, ~load<u8>(s + SIGNS + k) & (even ? 127 : 255));
}

/** Largest of the n magnitudes, signs that were flipped included. */
export function maxValue(n: u32, s: usize): f32 {
  let m = at(s + XVAL, 0);
  for (let i: u32 = 1; i < n; i++) if (!(m > at(s + XVAL, i))) m = at(s + XVAL, i);
  return m;
}

/** The number of the point with the digits of group k. */
export function pointOf(grid: Grid, t: usize, k: u32, s: usize): u32 {
  const dims = gridDims(grid);
  return load<i32>(gridMap(grid, t) + (codeOf(s + DIGITS + k * dims, dims) << 2));
}

/** 4-bit code of a sub-block's scale. */
// @ts-ignore: decorator
@inline
export function scaleCode(id: f32, scale: f32, top: i32): u32 {
  return clampInt(nearestInt(<f32>0.5 * (id * scale - 1)), 0, top);
}
