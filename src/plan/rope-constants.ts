// Numbers of rotary, ALiBi and relative positions that depend on logarithms and powers. They are computed once per plan, in
// f64, by the kernels' own functions: JavaScript's Math.log and Math.pow differ between engines.
// Source: YaRN (arXiv 2309.00071), ALiBi (arXiv 2108.12409) and T5 (arXiv 1910.10683), as llama.cpp applies them.

import type { KernelExports } from "../kernels/exports.ts";

type Elementary = Pick<KernelExports, "log64" | "pow64">;
const TWO_PI = 6.283185307179586;

/** First and last pair (as ggml counts dimensions) between which YaRN blends from extrapolation to interpolation. */
export function yarnCorrection(
  math: Elementary,
  nRot: number,
  freqBase: number,
  yarn: { betaFast: number; betaSlow: number; nCtxOrig: number },
): [low: number, high: number] {
  const dimension = (rotations: number) =>
    (nRot * math.log64(yarn.nCtxOrig / (rotations * TWO_PI))) / (2 * math.log64(freqBase));
  return [
    Math.max(0, Math.floor(dimension(yarn.betaFast))),
    Math.min(nRot - 1, Math.ceil(dimension(yarn.betaSlow))),
  ];
}

/** YaRN's factor on cos and sin: 1 + logMultiplier * ln(1 / freqScale); 1 where positions are not stretched. */
export function yarnMagnitude(math: Elementary, freqScale: number, logMultiplier: number): number {
  return freqScale >= 1 ? 1 : 1 + logMultiplier * math.log64(1 / freqScale);
}

/** Slope of every head: powers of 2^(-maxBias/n) for the largest power of two n, then odd powers of its root. */
export function alibiSlopes(math: Elementary, nHead: number, maxBias: number): Float32Array {
  let n = 1;
  while (n * 2 <= nHead) n *= 2;
  const even = math.pow64(2, -maxBias / n),
    odd = math.pow64(2, -maxBias / 2 / n);
  return Float32Array.from({ length: nHead }, (_, h) =>
    h < n ? math.pow64(even, h + 1) : math.pow64(odd, 2 * (h - n) + 1),
  );
}

/** Distance from which on all keys share T5's last bucket. */
const FARTHEST = 128;

/**
 * T5's bucket of every distance (key minus query) from -reach to reach. Near distances have a bucket each, farther ones share
 * buckets of growing width; `bidirectional`: the upper half of the buckets is for keys behind the query.
 */
export function relativeBuckets(
  math: Elementary,
  reach: number,
  nBuckets: number,
  bidirectional: boolean,
): Float32Array {
  const n = bidirectional ? nBuckets >> 1 : nBuckets,
    exact = n >> 1;
  return Float32Array.from({ length: 2 * reach + 1 }, (_, i) => {
    const relative = i - reach,
      distance = bidirectional ? Math.abs(relative) : Math.max(-relative, 0);
    const half = bidirectional && relative > 0 ? n : 0;
    if (distance < exact) return half + distance;
    // The logarithm is rounded to f32, as in llama.cpp: it decides on which side of a border exact powers fall.
    const scaled =
      Math.fround(Math.fround(math.log64(distance / exact)) * (n - exact)) /
      math.log64(FARTHEST / exact);
    return half + Math.min(exact + Math.floor(scaled), n - 1);
  });
}
