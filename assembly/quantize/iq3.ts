// IQ3_XXS, IQ3_S: quads of magnitudes from a grid, signs apart, blocks of 256 with eight 4-bit scales.
//
//   IQ3_XXS | d f16 | 64 grid bytes | 8 u32: 4 x 7 signs, 4-bit scale |
//   IQ3_S   | d f16 | 64 grid bytes | 8 bytes of high bits | 32 sign bytes | 4 scale bytes |
// Source: ggml-quants.c (quantize_row_iq3_xxs_impl, quantize_row_iq3_s_impl).

import {
  DIGITS, Grid, Refine, SIGNS, maxValue, pointOf, scaleCode, searchGrid, splitSigns, turnSigns,
} from "./grid";
import { SCALES, WEIGHTS, at, put, square, storeScale, sumSquares, weigh } from "./scalar";

/** ggml's GROUP_MAX_EPS_IQ3_XXS. */
const EPS_IQ3_XXS: f32 = 1e-8;

export function quantizeIQ3_XXS(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const w = s + WEIGHTS;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 98) {
    const sigma2 = <f32>2 * sumSquares(x, 256) / <f32>256;
    let most: f32 = 0;
    memory.fill(y, 0, 98);
    for (let j: u32 = 0; j < 8; j++) {
      const xj = x + (j << 7);
      if (qw) weigh(xj, qw + (j << 7), sigma2, 32, w);
      else square(xj, 32, w);
      splitSigns(32, xj, w, true, s);
      const peak = maxValue(32, s);
      put(s + SCALES, j, 0);
      if (peak < EPS_IQ3_XXS) continue;
      memory.fill(s + DIGITS, 0, 32);
      let scale = searchGrid(Grid.IQ3_XXS, t, 32, w, 15, 0.2, peak, peak / <f32>15, Refine.strays, s);
      if (scale < 0) {
        scale = -scale;
        turnSigns(32, true, s);
      }
      for (let q: u32 = 0; q < 8; q++) store<u8>(y + (j << 3) + q, pointOf(Grid.IQ3_XXS, t, q, s), 2);
      let signs: u32 = 0;
      for (let o: u32 = 0; o < 4; o++) signs |= <u32>load<u8>(s + SIGNS + o) << (7 * o);
      store<u32>(y + (j << 2), signs, 66);
      put(s + SCALES, j, scale);
      if (!(most > scale)) most = scale;
    }
    if (qw) qw += 1024;
    if (most == 0) {
      memory.fill(y, 0, 98);
      continue;
    }
    const d = most / <f32>31, id = <f32>1 / d;
    // ggml's factor: found by trial there
    storeScale(y, d * <f32>1.0125);
    for (let j: u32 = 0; j < 8; j++) {
      const word = y + 66 + (j << 2);
      store<u32>(word, load<u32>(word) | (scaleCode(id, at(s + SCALES, j), 15) << 28));
    }
  }
}

export function quantizeIQ3_S(x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize): void {
  const w = s + WEIGHTS;
  for (let b: u32 = 0; b < k >> 8; b++, x += 1024, y += 110) {
    const sigma2 = <f32>2 * sumSquares(x, 256) / <f32>256;
    let most: f32 = 0, written: u32 = 0;
    memory.fill(y, 0, 110);
    for (let j: u32 = 0; j < 8; j++) {
      const xj = x + (j << 7);
      if (qw) weigh(xj, qw + (j << 7), sigma2, 32, w);
      else square(xj, 32, w);
      splitSigns(32, xj, w, false, s);
      const peak = maxValue(32, s);
      put(s + SCALES, j, 0);
      if (peak == 0) continue;
      memory.fill(s + DIGITS, 0, 32);
      let scale = searchGrid(Grid.IQ3_S, t, 32, w, 9, 0.2, peak, peak / <f32>15, Refine.allForOne, s);
      if (scale < 0) {
        scale = -scale;
        turnSigns(32, false, s);
      }
      // `written`, not j: after a sub-block of zeros ggml writes codes and signs one place early (see README.md)
      const qs = y + 2 + (written << 3), signs = y + 74 + (written << 2);
      let high: u32 = 0;
      for (let q: u32 = 0; q < 8; q++) {
        const g = pointOf(Grid.IQ3_S, t, q, s);
        store<u8>(qs + q, g);
        high |= (g >> 8) << q;
      }
      store<u8>(y + j, high, 66);
      store<u32>(signs, load<u32>(s + SIGNS));
      written++;
      put(s + SCALES, j, scale);
      if (!(most > scale)) most = scale;
    }
    if (qw) qw += 1024;
    if (most == 0) continue;
    const d = most / <f32>31, id = <f32>1 / d;
    // ggml's factor: found by trial there
    storeScale(y, d * <f32>1.033);
    for (let j = 0; j < 4; j++) {
      const a = scaleCode(id, at(s + SCALES, 2 * j), 15), c = scaleCode(id, at(s + SCALES, 2 * j + 1), 15);
      store<u8>(y + j, a | (c << 4), 106);
    }
  }
}
