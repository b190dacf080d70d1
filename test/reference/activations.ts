// Scalar functions of the op vocabulary, exact up to f64 rounding. GELU is the tanh form: ggml
// reads it from an f16 table, which differs by about 1e-3.
import type { Activation } from "../../models/ops.ts";

export const ACTIVATIONS: Record<Activation, (x: number) => number> = {
  silu: (x) => x * sigmoid(x),
  gelu: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * x * (1 + 0.044715 * x * x))),
  geluErf: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  geluQuick: (x) => x * sigmoid(1.702 * x),
  relu: (x) => (x > 0 ? x : 0),
  relu2: (x) => (x > 0 ? x * x : 0),
  sigmoid,
  tanh: Math.tanh,
  softplus,
  exp: Math.exp,
};

/** The gate of gpt-oss's experts. */
export function clampedGate(gate: number, up: number, limit: number): number {
  const g = Math.min(gate, limit);
  return g * sigmoid(1.702 * g) * (Math.min(Math.max(up, -limit), limit) + 1);
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** ln(1 + e^x), without overflow. */
export function softplus(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}

/**
 * Softmax in f64. An extra logit that has no value (an attention sink) joins the sum when given.
 */
export function softmax(scores: readonly number[], sink = -Infinity): number[] {
  const max = scores.reduce((a, b) => Math.max(a, b), sink);
  const exps = scores.map((s) => Math.exp(s - max));
  const total = exps.reduce((a, b) => a + b, Math.exp(sink - max));
  return exps.map((e) => e / total);
}

/** The error function: its Taylor series near zero, a continued fraction for erfc elsewhere. */
export function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (x < 2.5) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-18 * total; n++) {
      term *= (-x * x) / n;
      total += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * total;
  }
  // erfc(x) = exp(-x^2) / sqrt(pi) / (x + (1/2)/(x + (2/2)/(x + (3/2)/(x + ...))))
  let fraction = x;
  for (let k = 60; k >= 1; k--) fraction = x + k / 2 / fraction;
  return 1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}
