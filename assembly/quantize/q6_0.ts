// Q6_0 (ik_llama.cpp): 32 weights with one scale, codes of 6 bits. Factors from either end of the range are tried, then single
// codes are moved, the one with the steepest gain first. Layout: assembly/quants/q6_0.ts.
// Source: ik_llama.cpp, ggml-quants.c (quantize_row_q6_0_impl, make_qx_quants).

import { packCodes } from "./legacy";
import { CODES, EPS, SEARCH, WEIGHTS, at, extreme, put, square, storeScale, sumSquares, weigh } from "./scalar";
import { roundSymmetric, trySymmetric } from "./search";

/** Codes are -32..31. */
const NMAX: i32 = 32;
/** The extreme taken to -32; then, for steps -9..9, to -32 - step / 10 and to 31 + step / 10. */
const CANDIDATES: i32 = 39;

function factorOf(candidate: i32, peak: f32): f32 {
  if (candidate == 0) return <f32>-NMAX / peak;
  const step = <f32>0.1 * <f32>(((candidate - 1) >> 1) - 9);
  return candidate & 1 ? -(<f32>NMAX + step) / peak : (<f32>(NMAX - 1) + step) / peak;
}

/** Codes L, 0..63, of 32 weights x with error weights w; returns the scale. */
function fit(x: usize, w: usize, L: usize, s: usize): f32 {
  const peak = extreme(x, 32), sums = s + SEARCH;
  if (abs<f32>(peak) < EPS) {
    memory.fill(L, 0, 32);
    return 0;
  }
  let scale: f32 = 0, best: f32 = 0, chosen = 0, sumlx: f32 = 0, suml2: f32 = 0;
  for (let first = 0; first < CANDIDATES; first += 4) {
    // the spare lane of the last vector is not looked at
    for (let c = 0; c < 4; c++) put(sums, c, factorOf(first + c, peak));
    trySymmetric(32, NMAX, x, w, sums);
    for (let c = 0; c < 4 && first + c < CANDIDATES; c++) {
      const lx = at(sums, c), l2 = at(sums + 16, c);
      const start = first + c == 0;
      if (!start && !(l2 > 0 && lx * lx > best * l2)) continue;
      scale = l2 != 0 ? lx / l2 : <f32>0;
      best = scale * lx;
      chosen = first + c;
      sumlx = lx;
      suml2 = l2;
    }
  }
  roundSymmetric(32, NMAX, x, factorOf(chosen, peak), L);
  // every step gains; the bound is the sum of all codes
  for (let step = 0; step < 32 * (2 * NMAX - 1); step++) {
    let steepest: f32 = 0, moved = -1, up = false;
    for (let i = 0; i < 32; i++) {
      const l = <i32>load<u8>(L + i) - NMAX;
      const gain = scale * at(w, i) * (at(x, i) - scale * <f32>l);
      if ((gain > 0 && l < NMAX - 1) || (gain < 0 && l > -NMAX)) {
        if (abs<f32>(gain) > steepest) {
          steepest = abs<f32>(gain);
          moved = i;
          up = gain > 0;
        }
      }
    }
    if (moved < 0) break;
    const wi = at(w, moved), change = wi * at(x, moved), l = <i32>load<u8>(L + moved) - NMAX;
    const lx = up ? sumlx + change : sumlx - change;
    const twice = 2 * l, grown = up ? wi * <f32>(twice + 1) : -(wi * <f32>(twice - 1)), l2 = suml2 + grown;
    if (!(l2 > 0 && lx * lx > best * l2)) break;
    sumlx = lx;
    suml2 = l2;
    scale = lx / l2;
    best = scale * lx;
    store<u8>(L + moved, l + NMAX + (up ? 1 : -1));
  }
  return scale;
}

export function quantizeQ6_0(x: usize, k: u32, qw: usize, y: usize, s: usize): void {
  const sigma2 = qw ? sumSquares(x, k) / <f32>k : <f32>0, w = s + WEIGHTS, L = s + CODES;
  for (let b: u32 = 0; b < k >> 5; b++, x += 128, y += 26) {
    if (qw) {
      weigh(x, qw, sigma2, 32, w);
      qw += 128;
    } else {
      square(x, 32, w);
    }
    storeScale(y, fit(x, w, L, s));
    for (let j: usize = 0; j < 8; j++) {
      const p = L + j, low = <u32>(load<u8>(p) >> 4) | (<u32>(load<u8>(p, 16) >> 4) << 2);
      store<u8>(y + j, low | (<u32>(load<u8>(p, 8) >> 4) << 4) | (<u32>(load<u8>(p, 24) >> 4) << 6), 2);
    }
    packCodes(L, 0, y + 10);
  }
}
