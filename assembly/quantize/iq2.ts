// IQ2_XXS, IQ2_XS, IQ2_S: octets of magnitudes from a grid, signs apart.
//
//   IQ2_XXS | d f16 | 8 x (4 grid bytes, u32: 4 x 7 signs, 4-bit scale) |
//   IQ2_XS  | d f16 | 32 u16: 9-bit point, 7 signs | 8 scale bytes |
//   IQ2_S   | d f16 | 32 grid bytes | 32 sign bytes | 8 bytes of high bits | 8 scale bytes |
// Source: ggml-quants.c (quantize_row_iq2_xxs_impl, quantize_row_iq2_xs_impl, quantize_row_iq2_s_impl).

import {
  DIGITS, Grid, Refine, SIGNS, XVAL, maxValue, pointOf, scaleCode, searchGrid, splitSigns, turnSigns,
} from "./grid";
import { makeQp } from "./search";
import { EPS, SCALES, WEIGHTS, at, noteOverflow, put, storeScale, sumSquares, weigh } from "./scalar";

/** Needs importance weights. */
export function quantizeIQ2_XXS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const w = s + WEIGHTS;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, qw += 1024, y += 66) {
    const sigma2 = sumSquares(x, 256) / <f32>256;
    let most: f32 = 0;
    memory.fill(y, 0, 66);
    for (let j: u32 = 0; j < 8; j++) {
      const xj = x + (j << 7), to = y + 2 + (j << 3);
      weigh(xj, qw + (j << 7), sigma2, 32, w);
      splitSigns(32, xj, w, true, s);
      put(s + SCALES, j, 0);
      if (maxValue(32, s) < EPS) continue;
      // three digits, but the first scale is found for five levels
      let scale = makeQp(32, 4, s + XVAL, w, s + DIGITS);
      // no number: the error weights are beyond the range of f32, and the digits may be no digits
      if (scale != scale) noteOverflow();
      if (!(scale * 3 > 0)) continue;
      scale = searchGrid(Grid.IQ2_XXS, t, 32, w, 6, 0.1, scale * 3, scale, Refine.all, s);
      if (scale < 0) {
        scale = -scale;
        turnSigns(32, true, s);
      }
      let signs: u32 = 0;
      for (let o: u32 = 0; o < 4; o++) {
        store<u8>(to + o, pointOf(Grid.IQ2_XXS, t, o, s));
        signs |= <u32>load<u8>(s + SIGNS + o) << (7 * o);
      }
      store<u32>(to, signs, 4);
      put(s + SCALES, j, scale);
      if (!(most > scale)) most = scale;
    }
    if (most == 0) {
      memory.fill(y, 0, 66);
      continue;
    }
    const d = most / <f32>31, id = <f32>1 / d;
    storeScale(y, d);
    for (let j: u32 = 0; j < 8; j++) {
      const word = y + 6 + (j << 3);
      store<u32>(word, load<u32>(word) | (scaleCode(id, at(s + SCALES, j), 15) << 28));
    }
  }
}

/** ggml's GROUP_MAX_EPS_IQ2_S. */
const EPS_IQ2_S: f32 = 1e-8;

/** Search over 16 weights for IQ2_XS (even signs) and IQ2_S. Returns a scale >= 0, or -1 for zeros. */
function search16(grid: Grid, t: usize, x: usize, eps: f32, s: usize): f32 {
  const even = grid == Grid.IQ2_XS, w = s + WEIGHTS;
  splitSigns(16, x, w, even, s);
  const peak = maxValue(16, s);
  memory.fill(s + DIGITS, 0, 16);
  if (peak < eps) return -1;
  const scale = searchGrid(grid, t, 16, w, 9, 0.1, peak, peak / <f32>5, Refine.strays, s);
  if (!(scale < 0)) return scale;
  turnSigns(16, even, s);
  return -scale;
}

/** Scale codes of 16 sub-blocks, two a byte. */
function putScales(id: f32, scales: usize, to: usize): void {
  for (let j = 0; j < 8; j++) {
    store<u8>(to + j, scaleCode(id, at(scales, 2 * j), 15) | (scaleCode(id, at(scales, 2 * j + 1), 15) << 4));
  }
}

/** Needs importance weights. */
export function quantizeIQ2_XS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, qw += 1024, y += 74) {
    const sigma2 = sumSquares(x, 256) / <f32>256;
    let most: f32 = 0;
    memory.fill(y, 0, 74);
    for (let j: u32 = 0; j < 16; j++) {
      const xj = x + (j << 6);
      weigh(xj, qw + (j << 6), sigma2, 16, s + WEIGHTS);
      const scale = search16(Grid.IQ2_XS, t, xj, EPS, s);
      put(s + SCALES, j, max<f32>(scale, 0));
      if (scale < 0) continue;
      for (let o: u32 = 0; o < 2; o++) {
        store<u16>(y + (j << 2) + (o << 1), pointOf(Grid.IQ2_XS, t, o, s) | (<u32>load<u8>(s + SIGNS + o) << 9), 2);
      }
      if (!(most > scale)) most = scale;
    }
    if (most == 0) {
      memory.fill(y, 0, 74);
      continue;
    }
    const d = most / <f32>31;
    storeScale(y, d);
    putScales(<f32>1 / d, s + SCALES, y + 66);
  }
}

export function quantizeIQ2_S(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const w = s + WEIGHTS;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 82) {
    const sigma2 = <f32>2 * sumSquares(x, 256) / <f32>256;
    let most: f32 = 0;
    memory.fill(y, 0, 82);
    for (let j: u32 = 0; j < 16; j++) {
      const xj = x + (j << 6);
      if (qw) weigh(xj, qw + (j << 6), sigma2, 16, w);
      else for (let i = 0; i < 16; i++) put(w, i, <f32>0.25 * sigma2 + at(xj, i) * at(xj, i));
      const scale = search16(Grid.IQ2_S, t, xj, EPS_IQ2_S, s);
      put(s + SCALES, j, max<f32>(scale, 0));
      if (scale < 0) continue;
      for (let o: u32 = 0; o < 2; o++) {
        const octet = 2 * j + o, g = pointOf(Grid.IQ2_S, t, o, s), high = y + 66 + (octet >> 2);
        store<u8>(y + octet, g, 2);
        store<u8>(high, <u32>load<u8>(high) | ((g >> 8) << (2 * (octet & 3))));
        store<u8>(y + octet, load<u8>(s + SIGNS + o), 34);
      }
      if (!(most > scale)) most = scale;
    }
    if (qw) qw += 1024;
    if (most == 0) continue;
    const d = most / <f32>31;
    // ggml's factor: found by trial there
    storeScale(y, d * <f32>0.9875);
    putScales(<f32>1 / d, s + SCALES, y + 74);
  }
}
