// Searches for the scale (and minimum) of a group of weights. Each tries a fixed list of scales, rounds the weights
// with it, fits the best scale to the codes found, and keeps the first candidate that is strictly better.
//
// The sums of a candidate run over the weights in order, as in ggml's scalar code. What is parallel here is the
// candidates: lane = candidate, four at a time, so every lane rounds as the scalar code does. The choice between
// candidates is then made one after the other, in ggml's order.
// Source: ggml-quants.c (make_qx_quants, make_q3_quants, make_qkx2_quants, make_qkx3_quants, make_qp_quants).

import { EPS, MAGIC, SEARCH, at, clampInt, extreme, nearestInt, put } from "./scalar";

/** Nearest integers of four values. */
// @ts-ignore: decorator
@inline
function nearest4(v: v128): v128 {
  const bits = v128.and(f32x4.add(v, f32x4.splat(MAGIC)), i32x4.splat(0x7fffff));
  return i32x4.sub(bits, i32x4.splat(0x400000));
}

/** Candidates of makeQx: nmax + 0.1 * step with steps 0, -9..-1, 1..9. */
const QX_CANDIDATES: i32 = 19;

// @ts-ignore: decorator
@inline
function qxStep(candidate: i32): i32 {
  return candidate == 0 ? 0 : candidate < 10 ? candidate - 10 : candidate - 9;
}

/** The factor that takes x to codes: -(nmax + 0.1 * step) / extreme. */
// @ts-ignore: decorator
@inline
function qxInverse(nmax: i32, candidate: i32, peak: f32): f32 {
  return -(<f32>nmax + <f32>0.1 * <f32>qxStep(candidate)) / peak;
}

/** The four factors at `sums` are replaced by sum w * x * l, and 16 bytes on by sum w * l * l: l the code, -nmax..nmax-1. */
export function trySymmetric(n: i32, nmax: i32, x: usize, w: usize, sums: usize): void {
  const low = i32x4.splat(-nmax), high = i32x4.splat(nmax - 1), factor = v128.load(sums);
  let lx = f32x4.splat(0), l2 = f32x4.splat(0);
  for (let i = 0; i < n; i++) {
    const xi = v128.load_splat<u32>(x + (i << 2)), wi = v128.load_splat<u32>(w + (i << 2));
    const l = f32x4.convert_i32x4_s(i32x4.max_s(low, i32x4.min_s(high, nearest4(f32x4.mul(factor, xi)))));
    lx = f32x4.add(lx, f32x4.mul(f32x4.mul(wi, xi), l));
    l2 = f32x4.add(l2, f32x4.mul(f32x4.mul(wi, l), l));
  }
  v128.store(sums, lx);
  v128.store(sums, l2, 16);
}

/** Codes 0..2*nmax-1 of n values with a factor. */
export function roundSymmetric(n: i32, nmax: i32, x: usize, factor: f32, L: usize): void {
  for (let i = 0; i < n; i++) store<u8>(L + i, nmax + clampInt(nearestInt(factor * at(x, i)), -nmax, nmax - 1));
}

/**
 * Symmetric codes: x ~ scale * (L - nmax), L in 0..2*nmax-1, weights w. Returns the scale; zeros, all magnitudes below
 * `least`, give 0 and L = 0.
 */
export function makeQx(n: i32, nmax: i32, x: usize, w: usize, L: usize, s: usize, least: f32 = EPS): f32 {
  const peak = extreme(x, n);
  if (peak == 0 || abs<f32>(peak) < least) {
    memory.fill(L, 0, n);
    return 0;
  }
  const sums = s + SEARCH;
  let scale: f32 = 0, best: f32 = 0, chosen = 0;
  for (let first = 0; first < QX_CANDIDATES; first += 4) {
    // the last vector's spare lane repeats candidates that nobody looks at
    for (let c = 0; c < 4; c++) put(sums, c, qxInverse(nmax, first + c, peak));
    trySymmetric(n, nmax, x, w, sums);
    for (let c = 0; c < 4 && first + c < QX_CANDIDATES; c++) {
      const sumlx = at(sums, c), suml2 = at(sums + 16, c);
      if (first + c == 0) {
        scale = suml2 != 0 ? sumlx / suml2 : <f32>0;
        best = scale * sumlx;
      } else if (suml2 > 0 && sumlx * sumlx > best * suml2) {
        scale = sumlx / suml2;
        best = scale * sumlx;
        chosen = first + c;
      }
    }
  }
  roundSymmetric(n, nmax, x, qxInverse(nmax, chosen, peak), L);
  return scale;
}

/**
 * Symmetric codes with weights x^2: starts from the plain rounding and moves one code at a time while the fit gets
 * better, at most five rounds. L in 0..2*nmax-1 (zeros: L = 0). Returns the scale.
 */
export function makeQ3(n: i32, nmax: i32, x: usize, L: usize): f32 {
  const peak = extreme(x, n);
  if (abs<f32>(peak) < EPS) {
    memory.fill(L, 0, n);
    return 0;
  }
  const factor = <f32>-nmax / peak;
  let sumlx: f32 = 0, suml2: f32 = 0;
  for (let i = 0; i < n; i++) {
    const xi = at(x, i), w = xi * xi;
    const l = clampInt(nearestInt(factor * xi), -nmax, nmax - 1);
    store<i8>(L + i, l);
    sumlx += w * xi * <f32>l;
    suml2 += w * <f32>l * <f32>l;
  }
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i = 0; i < n; i++) {
      const xi = at(x, i), w = xi * xi;
      const old = <i32>load<i8>(L + i), l = <f32>old;
      let slx = sumlx - w * xi * l;
      if (slx > 0) {
        let sl2 = suml2 - w * l * l;
        const next = clampInt(nearestInt(xi * sl2 / slx), -nmax, nmax - 1);
        if (next != old) {
          slx += w * xi * <f32>next;
          sl2 += w * <f32>next * <f32>next;
          if (sl2 > 0 && slx * slx * suml2 > sumlx * sumlx * sl2) {
            store<i8>(L + i, next);
            sumlx = slx;
            suml2 = sl2;
            changed = true;
          }
        }
      }
    }
    if (!changed) break;
  }
  for (let i = 0; i < n; i++) store<u8>(L + i, <i32>load<i8>(L + i) + nmax);
  return suml2 > 0 ? sumlx / suml2 : <f32>0;
}

/**
 * Codes with a minimum: x ~ scale * L - minimum, L in 0..nmax, minimum >= 0, weights w. Tries the factors
 * (rmin + rdelta * step + nmax) / (max - min), step 0..nsteps; `byMagnitude`: errors count by |.|, not squared.
 * n <= 32. Returns the scale; the minimum is stored at `minimum`.
 */
export function makeQkx(
  n: i32, nmax: i32, x: usize, w: usize, L: usize, minimum: usize, rmin: f32, rdelta: f32, nsteps: i32,
  byMagnitude: bool, s: usize,
): f32 {
  let low = at(x, 0), high = at(x, 0), sumW = at(w, 0), sumX = sumW * at(x, 0);
  for (let i = 1; i < n; i++) {
    const v = at(x, i);
    if (v < low) low = v;
    if (v > high) high = v;
    sumW += at(w, i);
    sumX += at(w, i) * v;
  }
  if (low > 0) low = 0;
  if (high <= low) {
    memory.fill(L, 0, n);
    store<f32>(minimum, -low);
    return 0;
  }
  const plain = <f32>nmax / (high - low);
  let scale: f32 = <f32>1 / plain, best: f32 = 0;
  for (let i = 0; i < n; i++) {
    const l = clampInt(nearestInt(plain * (at(x, i) - low)), 0, nmax);
    const diff = scale * <f32>l + low - at(x, i);
    best += at(w, i) * (byMagnitude ? abs<f32>(diff) : diff * diff);
  }
  // what the chosen codes were rounded with
  let chosen = plain, base = low;
  const codes = s + SEARCH, lanes = codes + 512;
  const sumW4 = f32x4.splat(sumW), sumX4 = f32x4.splat(sumX);
  const zero = i32x4.splat(0), top = i32x4.splat(nmax);
  for (let first = 0; first <= nsteps;) {
    // a better candidate replaces the minimum that later ones start from: they are then computed again
    const range = high - low, low4 = f32x4.splat(low);
    for (let c = 0; c < 4; c++) put(lanes, c, (rmin + rdelta * <f32>(first + c) + <f32>nmax) / range);
    const factor = v128.load(lanes);
    let sumL = f32x4.splat(0), sumL2 = f32x4.splat(0), sumXL = f32x4.splat(0);
    for (let i = 0; i < n; i++) {
      const xi = v128.load_splat<u32>(x + (i << 2)), wi = v128.load_splat<u32>(w + (i << 2));
      const l = f32x4.convert_i32x4_s(
        i32x4.max_s(zero, i32x4.min_s(top, nearest4(f32x4.mul(factor, f32x4.sub(xi, low4))))),
      );
      v128.store(codes + (i << 4), l);
      const wl = f32x4.mul(wi, l);
      sumL = f32x4.add(sumL, wl);
      sumL2 = f32x4.add(sumL2, f32x4.mul(wl, l));
      sumXL = f32x4.add(sumXL, f32x4.mul(wl, xi));
    }
    const D = f32x4.sub(f32x4.mul(sumW4, sumL2), f32x4.mul(sumL, sumL));
    let fit = f32x4.div(f32x4.sub(f32x4.mul(sumW4, sumXL), f32x4.mul(sumX4, sumL)), D);
    let least = f32x4.div(f32x4.sub(f32x4.mul(sumL2, sumX4), f32x4.mul(sumL, sumXL)), D);
    const above = f32x4.gt(least, zero);
    least = v128.andnot(least, above);
    fit = v128.bitselect(f32x4.div(sumXL, sumL2), fit, above);
    let error = f32x4.splat(0);
    for (let i = 0; i < n; i++) {
      const xi = v128.load_splat<u32>(x + (i << 2)), wi = v128.load_splat<u32>(w + (i << 2));
      const diff = f32x4.sub(f32x4.add(f32x4.mul(fit, v128.load(codes + (i << 4))), least), xi);
      error = f32x4.add(error, f32x4.mul(wi, byMagnitude ? f32x4.abs(diff) : f32x4.mul(diff, diff)));
    }
    v128.store(lanes, D, 16);
    v128.store(lanes, fit, 32);
    v128.store(lanes, least, 48);
    v128.store(lanes, error, 64);
    const end = min<i32>(first + 4, nsteps + 1);
    for (let c = 0; first < end; c++) {
      first++;
      if (at(lanes + 16, c) > 0 && at(lanes + 64, c) < best) {
        best = at(lanes + 64, c);
        scale = at(lanes + 32, c);
        chosen = at(lanes, c);
        base = low;
        low = at(lanes + 48, c);
        break;
      }
    }
  }
  for (let i = 0; i < n; i++) store<u8>(L + i, clampInt(nearestInt(chosen * (at(x, i) - base)), 0, nmax));
  store<f32>(minimum, -low);
  return scale;
}

/**
 * Codes of values that are not negative (scales, minimums): x ~ scale * L, L in 0..nmax, weights w. Chooses among nine
 * factors, then moves one code at a time, at most five rounds. Returns the scale.
 */
export function makeQp(n: i32, nmax: i32, x: usize, w: usize, L: usize): f32 {
  let peak: f32 = 0;
  for (let i = 0; i < n; i++) if (!(peak > at(x, i))) peak = at(x, i);
  if (peak < EPS) {
    memory.fill(L, 0, n);
    return 0;
  }
  let factor = <f32>nmax / peak, best: f32 = 0;
  {
    const scale = <f32>1 / factor;
    for (let i = 0; i < n; i++) {
      // a byte: negative values (IQ2_XXS has some) wrap
      const diff = at(x, i) - scale * <f32>(nearestInt(factor * at(x, i)) & 255);
      best += at(w, i) * diff * diff;
    }
  }
  for (let step = -4; step <= 4; step++) {
    if (step == 0) continue;
    const tried = (<f32>0.1 * <f32>step + <f32>nmax) / peak, scale = <f32>1 / tried;
    let error: f32 = 0;
    for (let i = 0; i < n; i++) {
      const diff = at(x, i) - scale * <f32>min<i32>(nmax, nearestInt(tried * at(x, i)));
      error += at(w, i) * diff * diff;
    }
    if (error < best) {
      best = error;
      factor = tried;
    }
  }
  let sumlx: f32 = 0, suml2: f32 = 0;
  for (let i = 0; i < n; i++) {
    const l = min<i32>(nmax, nearestInt(factor * at(x, i)));
    store<u8>(L + i, l);
    sumlx += at(w, i) * at(x, i) * <f32>l;
    suml2 += at(w, i) * <f32>l * <f32>l;
  }
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i = 0; i < n; i++) {
      const xi = at(x, i), wi = at(w, i), old = <i32>load<u8>(L + i), l = <f32>old;
      let slx = sumlx - wi * xi * l;
      let sl2 = suml2 - wi * l * l;
      if (slx > 0 && sl2 > 0) {
        const next = min<i32>(nmax, nearestInt(xi * sl2 / slx));
        if (next != old) {
          slx += wi * xi * <f32>next;
          sl2 += wi * <f32>next * <f32>next;
          if (slx * slx * suml2 > sumlx * sumlx * sl2) {
            store<u8>(L + i, next);
            sumlx = slx;
            suml2 = sl2;
            changed = true;
          }
        }
      }
    }
    if (!changed) break;
  }
  return suml2 > 0 ? sumlx / suml2 : <f32>0;
}
