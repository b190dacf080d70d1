// Rotary embedding, as ggml does it (ggml_rope_cache_init, rope_yarn): the angle is iterated in
// f32, pair by pair.
import type { RopeParams } from "../../models/ops.ts";
import { weightOf } from "./value.ts";

const f = Math.fround;

/** One row with every head rotated by its position. */
export function ropeRow(row: Float32Array, position: number, params: RopeParams): Float32Array {
  const { headDim, nRot, mode } = params;
  const rotated = Float32Array.from(row);
  const angles = cosSin(position, params);
  for (let head = 0; head < row.length; head += headDim) {
    for (let i = 0; i < nRot / 2; i++) {
      const a = head + (mode === "norm" ? 2 * i : i);
      const b = head + (mode === "norm" ? 2 * i + 1 : i + nRot / 2);
      const { cos, sin } = angles[i];
      rotated[a] = row[a] * cos - row[b] * sin;
      rotated[b] = row[a] * sin + row[b] * cos;
    }
  }
  return rotated;
}

/** cos and sin of each pair, times the magnitude. */
function cosSin(position: number, params: RopeParams): { cos: number; sin: number }[] {
  const { nRot, freqBase, freqScale, attnFactor, factors, yarn } = params;
  const thetaScale = f(freqBase ** (-2 / nRot));
  let magnitude = attnFactor;
  if (yarn && freqScale < 1) {
    const stretch = Math.log(1 / freqScale);
    magnitude *= (1 + yarn.logMultiplier * stretch) / (1 + (yarn.logDivisor ?? 0) * stretch);
  }

  const pairs = [];
  let theta = position;
  for (let i = 0; i < nRot / 2; i++) {
    const extrapolated = f(theta / (factors ? weightOf(factors).data[i] : 1));
    let angle = f(freqScale * extrapolated);
    if (yarn) {
      const mix = extrapolationShare(i, params) * yarn.extFactor;
      angle = angle * (1 - mix) + extrapolated * mix;
    }
    pairs.push({ cos: Math.cos(angle) * magnitude, sin: Math.sin(angle) * magnitude });
    theta = f(theta * thetaScale);
  }
  return pairs;
}

/** YaRN: 1 for pairs that turn often within the original context, 0 for those that turn seldom. */
function extrapolationShare(pair: number, { nRot, freqBase, yarn }: RopeParams): number {
  const { betaFast, betaSlow, nCtxOrig } = yarn!;
  const pairOfTurns = (turns: number): number =>
    (nRot * Math.log(nCtxOrig / (turns * 2 * Math.PI))) / (2 * Math.log(freqBase));
  const low = Math.max(0, Math.floor(pairOfTurns(betaFast)));
  const high = Math.min(nRot - 1, Math.ceil(pairOfTurns(betaSlow)));
  const ramp = (pair - low) / Math.max(0.001, high - low);
  return 1 - Math.min(1, Math.max(0, ramp));
}
