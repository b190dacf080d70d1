// The points of a trellis type: what its generator makes of every index, 8 or 4 values each, and the search for the point
// nearest to some weights. Points are grouped around the centres of a coarse partition, each point around several of them;
// a search looks at one group. Source: ik_llama.cpp, iqk_quantize.cpp (class QuantizerIQKT); nearness is summed in another order.
//
// Memory of a net of points:
//   header   u32[8], then f32[8]: what separates the halves of the partition, by dimension (8 dimensions only)
//   starts   u32[nGroups + 1], in fours of points
//   indices  u16 by point of a group: the points that are in it, and as many more as make eights
//   values   f32x4 by four points and dimension

import { POWERS, generate } from "../quants/kt";
import { at, put } from "./scalar";

enum Head { dims = 0, nPoints = 4, nGroups = 8, offset = 12, magnitudes = 16, indices = 20, values = 24, middles = 32, starts = 64 }

/** Groups of points of 8 dimensions: each is in the lower or upper half. Of 4 dimensions: each is in one of five parts. */
function groupsOf(dims: u32): u32 {
  return dims == 8 ? 256 : 625;
}

/** Most points in all groups: each point is in `nearest` of them, and each group has a multiple of EXTRA, at least one. */
function mostPoints(dims: u32, bits: u32, nearest: u32): u32 {
  return (nearest << bits) + EXTRA * groupsOf(dims);
}

/** What the number of points in a group is a multiple of; it decides results, as more points make a better match. */
const EXTRA: u32 = 8;

export function netBytes(dims: u32, bits: u32, nearest: u32): u32 {
  const most = mostPoints(dims, bits, nearest);
  return align(Head.starts + 4 * (groupsOf(dims) + 1)) + align(most * 2) + most * dims * 4;
}

// @ts-ignore: decorator
@inline
function align(n: u32): u32 {
  return (n + 63) & ~63;
}

/** The values of point `index`, f32[dims]. */
// @ts-ignore: decorator
@inline
export function storePoint(net: usize, index: u32, p: usize): void {
  const x = index + load<u32>(net, Head.offset), magnitudes = load<u32>(net, Head.magnitudes) != 0;
  for (let d: u32 = 0; d < load<u32>(net, Head.dims); d += 4) {
    const v = generate(x, v128.load(POWERS + (d << 2)));
    v128.store(p + (d << 2), f32x4.convert_i32x4_s(magnitudes ? i32x4.abs(v) : v));
  }
}

/** Group of the values at p. */
function groupOf(net: usize, p: usize): u32 {
  let group: u32 = 0;
  if (load<u32>(net, Head.dims) == 8) {
    for (let d = 0; d < 8; d++) if (at(p, d) > at(net + Head.middles, d)) group |= 1 << d;
    return group;
  }
  for (let d = 3; d >= 0; d--) {
    const v = at(p, d);
    group = group * 5 + (v < -48 ? 0 : v < -16 ? 1 : v < 16 ? 2 : v < 48 ? 3 : 4);
  }
  return group;
}

/** Makes the points of indices of `bits` bits from `offset` on; magnitudes: without their signs. Each is in `nearest` groups. */
export function prepareNet(dims: u32, bits: u32, nearest: u32, offset: u32, magnitudes: bool, net: usize): void {
  const nPoints: u32 = 1 << bits, nGroups = groupsOf(dims);
  const indices = net + align(Head.starts + 4 * (nGroups + 1)), values = indices + align(mostPoints(dims, bits, nearest) * 2);
  store<u32>(net, dims, Head.dims);
  store<u32>(net, nPoints, Head.nPoints);
  store<u32>(net, nGroups, Head.nGroups);
  store<u32>(net, offset, Head.offset);
  store<u32>(net, magnitudes, Head.magnitudes);
  store<u32>(net, <u32>indices, Head.indices);
  store<u32>(net, <u32>values, Head.values);
  // the values are written last: until then their memory serves
  const point = values, scratch = values + 64;
  if (dims == 8) findMiddles(net, point, scratch);
  findCentres(net, point, scratch);
  gather(net, nearest, point, scratch);
}

/** Between the least and the largest value of each dimension; of magnitudes the median. */
function findMiddles(net: usize, point: usize, counts: usize): void {
  const nPoints = load<u32>(net, Head.nPoints), magnitudes = load<u32>(net, Head.magnitudes) != 0;
  // values are whole numbers from -126 to 126
  memory.fill(counts, 0, 8 * 256 * 4);
  for (let i: u32 = 0; i < nPoints; i++) {
    storePoint(net, i, point);
    for (let d: usize = 0; d < 8; d++) {
      const p = counts + (d << 10) + (<usize>(<i32>at(point, <i32>d) + 128) << 2);
      store<u32>(p, load<u32>(p) + 1);
    }
  }
  for (let d = 0; d < 8; d++) {
    const low = magnitudes ? nPoints / 2 : 1, high = magnitudes ? nPoints / 2 + 1 : nPoints;
    put(net + Head.middles, d, <f32>0.5 * <f32>(ranked(counts + (d << 10), low) + ranked(counts + (d << 10), high)));
  }
}

/** The value of rank `rank`, from 1. */
function ranked(counts: usize, rank: u32): i32 {
  let v = 0;
  for (let seen = load<u32>(counts); seen < rank; seen += load<u32>(counts + (v << 2))) v++;
  return v - 128;
}

/** Where the dimensions of centre g stand: four centres side by side. */
// @ts-ignore: decorator
@inline
function centreAt(centres: usize, dims: u32, g: u32, d: u32): usize {
  return centres + (((g >> 2) * dims + d) << 4) + ((g & 3) << 2);
}

/** Means of the points that fall into each group. A group without any is far away from all points. */
function findCentres(net: usize, point: usize, centres: usize): void {
  const dims = load<u32>(net, Head.dims), nPoints = load<u32>(net, Head.nPoints), nGroups = load<u32>(net, Head.nGroups);
  const padded = (nGroups + 3) & ~3, counts = centres + padded * dims * 4;
  memory.fill(centres, 0, padded * dims * 4 + padded * 4);
  for (let i: u32 = 0; i < nPoints; i++) {
    storePoint(net, i, point);
    const g = groupOf(net, point);
    store<u32>(counts + (g << 2), load<u32>(counts + (g << 2)) + 1);
    for (let d: u32 = 0; d < dims; d++) {
      const p = centreAt(centres, dims, g, d);
      store<f32>(p, load<f32>(p) + at(point, d));
    }
  }
  for (let g: u32 = 0; g < padded; g++) {
    const n = load<u32>(counts + (g << 2));
    for (let d: u32 = 0; d < dims; d++) {
      const p = centreAt(centres, dims, g, d);
      store<f32>(p, n ? load<f32>(p) / <f32>n : <f32>1e6);
    }
  }
}

/** Writes starts, indices and values: each point is in the groups of the `nearest` centres nearest to it. */
function gather(net: usize, nearest: u32, point: usize, centres: usize): void {
  const dims = load<u32>(net, Head.dims), nPoints = load<u32>(net, Head.nPoints), nGroups = load<u32>(net, Head.nGroups);
  const padded = (nGroups + 3) & ~3, indices = <usize>load<u32>(net, Head.indices), values = <usize>load<u32>(net, Head.values);
  const distances = centres + padded * dims * 4, cursors = distances + padded * 4;
  const extraAway = cursors + padded * 4, extraIndex = extraAway + padded * EXTRA * 4, chosen = extraIndex + padded * EXTRA * 2;
  memory.fill(cursors, 0, padded * 4);
  for (let e: u32 = 0; e < padded * EXTRA; e++) put(extraAway, e, Infinity);
  for (let i: u32 = 0; i < nPoints; i++) {
    storePoint(net, i, point);
    for (let g: u32 = 0; g < padded; g += 4) {
      let sum = f32x4.splat(0);
      for (let d: u32 = 0; d < dims; d++) {
        const away = f32x4.sub(v128.load_splat<u32>(point + (d << 2)), v128.load(centreAt(centres, dims, g, d)));
        sum = f32x4.add(sum, f32x4.mul(away, away));
      }
      v128.store(distances + (g << 2), sum);
    }
    const list = chosen + i * nearest * 2;
    let n: u32 = 0;
    for (let g: u32 = 0; g < nGroups; g++) {
      const away = at(distances, g);
      let j = n;
      for (; j > 0 && at(distances, load<u16>(list + (j << 1) - 2)) > away; j--) {
        if (j < nearest) store<u16>(list + (j << 1), load<u16>(list + (j << 1) - 2));
      }
      if (j < nearest) store<u16>(list + (j << 1), g);
      n = min(n + 1, nearest);
    }
    for (let j: u32 = 0; j < nearest; j++) {
      const g = <usize>load<u16>(list + (j << 1)), p = cursors + (g << 2);
      store<u32>(p, load<u32>(p) + 1);
      put(distances, <i32>g, Infinity);
    }
    for (let g: u32 = 0; g < nGroups; g++) {
      keepExtra(extraAway + (g * EXTRA << 2), extraIndex + (g * EXTRA << 1), at(distances, g), i);
    }
  }
  let fours: u32 = 0;
  for (let g: u32 = 0; g < nGroups; g++) {
    const n = load<u32>(cursors + (g << 2));
    store<u32>(net + (g << 2), fours, Head.starts);
    store<u32>(cursors + (g << 2), fours << 2);
    fours += max<u32>(1, (n + EXTRA - 1) / EXTRA) * (EXTRA >> 2);
  }
  store<u32>(net + (nGroups << 2), fours, Head.starts);
  for (let e: u32 = 0; e < nPoints * nearest; e++) {
    const p = cursors + (<usize>load<u16>(chosen + (e << 1)) << 2), to = load<u32>(p);
    store<u16>(indices + (to << 1), e / nearest);
    store<u32>(p, to + 1);
  }
  for (let g: u32 = 0; g < nGroups; g++) {
    const end = load<u32>(net + (g << 2), Head.starts + 4) << 2;
    for (let to = load<u32>(cursors + (g << 2)), extra = extraIndex + (g * EXTRA << 1); to < end; to++, extra += 2) {
      store<u16>(indices + (to << 1), load<u16>(extra));
    }
  }
  for (let i: u32 = 0; i < fours << 2; i++) {
    const p = values + ((i >> 2) * dims << 4) + ((i & 3) << 2);
    storeTransposed(net, load<u16>(indices + (i << 1)), dims, p);
  }
}

/** Keeps the EXTRA points nearest to a centre, the lower index first of equals. */
// @ts-ignore: decorator
@inline
function keepExtra(away: usize, index: usize, distance: f32, point: u32): void {
  let j = <i32>EXTRA;
  for (; j > 0 && at(away, j - 1) > distance; j--) {
    if (j == <i32>EXTRA) continue;
    put(away, j, at(away, j - 1));
    store<u16>(index + (j << 1), load<u16>(index + (j << 1) - 2));
  }
  if (j == <i32>EXTRA) return;
  put(away, j, distance);
  store<u16>(index + (j << 1), point);
}

/** The values of a point, 16 bytes apart. */
// @ts-ignore: decorator
@inline
function storeTransposed(net: usize, index: u32, dims: u32, p: usize): void {
  const x = index + load<u32>(net, Head.offset), magnitudes = load<u32>(net, Head.magnitudes) != 0;
  for (let d: u32 = 0; d < dims; d += 4, p += 64) {
    const v = generate(x, v128.load(POWERS + (d << 2))), f = f32x4.convert_i32x4_s(magnitudes ? i32x4.abs(v) : v);
    v128.store32_lane(p, f, 0);
    v128.store32_lane(p, f, 1, 16);
    v128.store32_lane(p, f, 2, 32);
    v128.store32_lane(p, f, 3, 48);
  }
}

/** sum + w * (q - x)^2, for four points. */
// @ts-ignore: decorator
@inline
function plus(sum: v128, q: usize, d: usize, x: v128, w: v128): v128 {
  const away = f32x4.sub(v128.load(q + (d << 4)), x);
  return f32x4.add(sum, f32x4.mul(w, f32x4.mul(away, away)));
}

/** Index of the point nearest to x, f32[dims], with error weights w: the first of equals. */
export function nearestPoint(net: usize, x: usize, w: usize): u32 {
  const start = net + (groupOf(net, x) << 2), begin = load<u32>(start, Head.starts), end = load<u32>(start, Head.starts + 4);
  const eight = load<u32>(net, Head.dims) == 8, step: usize = eight ? 128 : 64;
  let q = <usize>load<u32>(net, Head.values) + <usize>begin * step;
  const x0 = v128.load_splat<u32>(x), x1 = v128.load_splat<u32>(x, 4), x2 = v128.load_splat<u32>(x, 8), x3 = v128.load_splat<u32>(x, 12);
  const w0 = v128.load_splat<u32>(w), w1 = v128.load_splat<u32>(w, 4), w2 = v128.load_splat<u32>(w, 8), w3 = v128.load_splat<u32>(w, 12);
  let least = f32x4.splat(Infinity), found = i32x4.splat(begin), four = found;
  const one = i32x4.splat(1);
  for (let i = begin; i < end; i++, q += step) {
    let sum = plus(plus(plus(plus(f32x4.splat(0), q, 0, x0, w0), q, 1, x1, w1), q, 2, x2, w2), q, 3, x3, w3);
    if (eight) {
      sum = plus(sum, q, 4, v128.load_splat<u32>(x, 16), v128.load_splat<u32>(w, 16));
      sum = plus(sum, q, 5, v128.load_splat<u32>(x, 20), v128.load_splat<u32>(w, 20));
      sum = plus(sum, q, 6, v128.load_splat<u32>(x, 24), v128.load_splat<u32>(w, 24));
      sum = plus(sum, q, 7, v128.load_splat<u32>(x, 28), v128.load_splat<u32>(w, 28));
    }
    found = v128.bitselect(four, found, f32x4.lt(sum, least));
    least = f32x4.pmin(least, sum);
    four = i32x4.add(four, one);
  }
  let best = f32x4.extract_lane(least, 0), place = i32x4.extract_lane(found, 0) << 2;
  if (f32x4.extract_lane(least, 1) < best) {
    best = f32x4.extract_lane(least, 1);
    place = (i32x4.extract_lane(found, 1) << 2) + 1;
  }
  if (f32x4.extract_lane(least, 2) < best) {
    best = f32x4.extract_lane(least, 2);
    place = (i32x4.extract_lane(found, 2) << 2) + 2;
  }
  if (f32x4.extract_lane(least, 3) < best) place = (i32x4.extract_lane(found, 3) << 2) + 3;
  return load<u16>(load<u32>(net, Head.indices) + (place << 1));
}
