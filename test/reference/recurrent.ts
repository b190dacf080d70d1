// The recurrent ops for one token of one sequence, as models/ops.ts defines them: each takes the
// row, changes the state in place and returns the result. Sums run in f64, what is stored is f32.
import { dot } from "./value.ts";

/** Row t of the convolution; the state holds the rows before it, oldest first. */
export function shortConvRow(x: Float32Array, taps: Float32Array, state: Float32Array): number[] {
  const nTaps = taps.length / x.length;
  const y = Array.from(x, (last, c) => {
    let sum = taps[c * nTaps + nTaps - 1] * last;
    for (let k = 0; k < nTaps - 1; k++) sum += taps[c * nTaps + k] * state[k * x.length + c];
    return sum;
  });
  state.copyWithin(0, x.length);
  state.set(x, state.length - x.length);
  return y;
}

export interface SsmStep {
  readonly x: Float32Array;
  readonly dt: Float32Array;
  readonly b: Float32Array;
  readonly c: Float32Array;
  /** [nHead][nState], or one number per head. */
  readonly a: Float32Array;
  readonly d: Float32Array;
  readonly nState: number;
  readonly nGroup: number;
}

/** state: [channel][nState]. */
export function ssmRow(step: SsmStep, state: Float32Array): number[] {
  const { x, dt, b, c, a, d, nState, nGroup } = step;
  const nHead = dt.length;
  return Array.from(x, (value, channel) => {
    const head = Math.floor(channel / (x.length / nHead));
    const group = Math.floor(head / (nHead / nGroup));
    let y = d[head] * value;
    for (let n = 0; n < nState; n++) {
      const decay = Math.exp(dt[head] * (a.length === nHead ? a[head] : a[head * nState + n]));
      const i = channel * nState + n;
      state[i] = state[i] * decay + b[group * nState + n] * value * dt[head];
      y += state[i] * c[group * nState + n];
    }
    return y;
  });
}

/** Row operands of wkv7 (without a and b nothing is removed), and the state per head [key][value]. */
export function wkv7Row(
  [r, w, k, v, a = new Float32Array(k.length), b = a]: readonly Float32Array[],
  headSize: number,
  state: Float32Array,
): number[] {
  return Array.from(v, (value, column) => {
    const key = Math.floor(column / headSize) * headSize;
    const at = (j: number): number => (key + j) * headSize + (column % headSize);
    const keys = Array.from({ length: headSize }, (_, j) => j);
    const removed = keys.reduce((sum, j) => sum + a[key + j] * state[at(j)], 0);
    let y = 0;
    for (const j of keys) {
      state[at(j)] = state[at(j)] * w[key + j] + k[key + j] * value + removed * b[key + j];
      y += state[at(j)] * r[key + j];
    }
    return y;
  });
}

export interface DeltaStep {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly decay: Float32Array;
  readonly beta: Float32Array;
  readonly nHeadK: number;
  readonly nHeadV: number;
  readonly heads: "tiled" | "grouped";
}

/** state: per head of v [key][value]. */
export function gatedDeltaRow(step: DeltaStep, state: Float32Array): number[] {
  const { q, k, v, decay, beta, nHeadK, nHeadV, heads } = step;
  const dimK = q.length / nHeadK;
  const dimV = v.length / nHeadV;
  return Array.from(v, (value, column) => {
    const head = Math.floor(column / dimV);
    const headK = heads === "tiled" ? head % nHeadK : Math.floor(head / (nHeadV / nHeadK));
    const keys = k.subarray(headK * dimK, (headK + 1) * dimK);
    const at = (j: number): number => (head * dimK + j) * dimV + (column % dimV);
    const kept = Array.from(keys, (_, j) => state[at(j)] * decay[head]);
    const delta = (value - dot(kept, keys)) * beta[head];
    kept.forEach((s, j) => (state[at(j)] = s + keys[j] * delta));
    const read = Array.from(keys, (_, j) => state[at(j)]);
    return dot(read, q.subarray(headK * dimK, (headK + 1) * dimK));
  });
}
