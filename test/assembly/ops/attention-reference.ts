// Attention written from NUMERICS.md, one number at a time, in f32 by Math.fround, and once more in plain f64. It
// knows pages only as a function from (position, dim) to a number.

export interface AttentionCase {
  readonly nHead: number;
  readonly nHeadKv: number;
  readonly dimK: number;
  readonly dimV: number;
  readonly scale: number;
  readonly softcap?: number;
  readonly window?: number;
  readonly chunk?: number;
  readonly slopes?: readonly number[];
  readonly sinks?: readonly number[];
  readonly causal?: boolean;
}

/** Keys or values of one sequence: kv head, position, dim. */
export type Cached = (head: number, position: number, dim: number) => number;

const f = Math.fround;

/** Visible positions [first, end) of a row. */
export function visible(c: AttentionCase, position: number, length: number): [number, number] {
  const windowed = c.window ? Math.max(0, position - c.window + 1) : 0;
  const first = c.chunk ? Math.max(windowed, position - (position % c.chunk)) : windowed;
  if (c.causal ?? true) return [first, position + 1];
  return [first, c.window ? Math.min(position + c.window, length) : length];
}

/** One head of one row in f32, bit for bit; `exp` and `tanh` are the module's own. */
export function attendExactly(
  c: AttentionCase,
  head: number,
  q: Float32Array,
  position: number,
  length: number,
  key: Cached,
  value: Cached,
  exp: (x: number) => number,
  tanh: (x: number) => number,
): Float32Array {
  const kv = Math.floor(head / (c.nHead / c.nHeadKv));
  const [first, end] = visible(c, position, length);
  let m = 0,
    sum = 0,
    acc: Float32Array | undefined;
  for (let chunk = first >> 8; chunk * 256 < end; chunk++) {
    const from = Math.max(first, chunk * 256),
      to = Math.min(end, chunk * 256 + 256);
    const scores: number[] = [];
    for (let p = from; p < to; p++) {
      let s = 0;
      for (let d = 0; d < c.dimK; d++) s = f(s + f(q[d]! * key(kv, p, d)));
      s = f(s * f(c.scale));
      if (c.softcap) s = f(f(c.softcap) * tanh(f(s / f(c.softcap))));
      if (c.slopes) s = f(s + f(f(c.slopes[head]!) * -Math.abs(p - position)));
      scores.push(s);
    }
    const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = scores.map((s) => exp(f(s - top)));
    const lanes = [0, 0, 0, 0];
    weights.forEach((w, i) => (lanes[(from + i) & 3] = f(lanes[(from + i) & 3]! + w)));
    const chunkSum = f(f(lanes[0]! + lanes[1]!) + f(lanes[2]! + lanes[3]!));
    const part = new Float32Array(c.dimV);
    weights.forEach((w, i) => {
      for (let d = 0; d < c.dimV; d++) part[d] = f(part[d]! + f(w * value(kv, from + i, d)));
    });
    if (!acc) {
      [m, sum, acc] = [top, chunkSum, part];
      continue;
    }
    const largest = Math.max(m, top),
      old = exp(f(m - largest)),
      fresh = exp(f(top - largest));
    m = largest;
    sum = f(f(sum * old) + f(chunkSum * fresh));
    acc = acc.map((x, d) => f(f(x * old) + f(part[d]! * fresh)));
  }
  if (!acc) return new Float32Array(c.dimV);
  let factor = 1;
  if (c.sinks) {
    const sink = f(c.sinks[head]!),
      largest = Math.max(m, sink);
    factor = exp(f(m - largest));
    sum = f(f(sum * factor) + exp(f(sink - largest)));
  }
  return acc.map((x) => f(f(x * factor) / sum));
}

/** The same in f64, without chunks. */
export function attendPlainly(
  c: AttentionCase,
  head: number,
  q: Float32Array,
  position: number,
  length: number,
  key: Cached,
  value: Cached,
): Float64Array {
  const kv = Math.floor(head / (c.nHead / c.nHeadKv));
  const [first, end] = visible(c, position, length);
  const scores: number[] = [];
  for (let p = first; p < end; p++) {
    let s = 0;
    for (let d = 0; d < c.dimK; d++) s += q[d]! * key(kv, p, d);
    s *= c.scale;
    if (c.softcap) s = c.softcap * Math.tanh(s / c.softcap);
    if (c.slopes) s -= c.slopes[head]! * Math.abs(p - position);
    scores.push(s);
  }
  const top = Math.max(...scores, c.sinks?.[head] ?? -Infinity);
  const weights = scores.map((s) => Math.exp(s - top));
  const sum = weights.reduce((a, b) => a + b, c.sinks ? Math.exp(c.sinks[head]! - top) : 0);
  const out = new Float64Array(c.dimV);
  weights.forEach((w, i) => {
    for (let d = 0; d < c.dimV; d++) out[d]! += (w * value(kv, first + i, d)) / sum;
  });
  return out;
}
