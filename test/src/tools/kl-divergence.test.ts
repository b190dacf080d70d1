// The sums against a second computation in plain JavaScript, over random rows.

import { expect, it } from "vitest";
import { decodeKldRow, encodeKldRow, kldRowBytes } from "../../../formats/kld-base.ts";
import { DivergenceSums } from "../../../src/tools/kl-divergence.ts";

const N = 50,
  ROWS = 40;
const math = {
  expF64: (values: Float64Array) => values.forEach((x, i) => (values[i] = Math.exp(x))),
  log64: Math.log,
  pow64: Math.pow,
};

let seed = 7;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
const randomLogits = () => Float32Array.from({ length: N }, () => random() * 12 - 6);

function logSoftmax(logits: Float32Array): number[] {
  const sum = logits.reduce((s, x) => s + Math.exp(x), 0);
  return Array.from(logits, (x) => x - Math.log(sum));
}
const best = (values: ArrayLike<number>) =>
  Array.from(values).indexOf(Math.max(...Array.from(values)));
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

it("gives llama.cpp's statistics", () => {
  const sums = new DivergenceSums(ROWS, N, math),
    row = new Uint8Array(kldRowBytes(N)),
    decoded = new Float32Array(N);
  const klds: number[] = [],
    deltas: number[] = [],
    same: number[] = [],
    nlls: number[] = [],
    baseNlls: number[] = [];
  for (let i = 0; i < ROWS; i++) {
    const base = randomLogits(),
      logits = base.map((x) => Math.fround(x + random() * (i % 2))),
      next = i % N;
    const max = Math.max(...base),
      logSum = Math.log(base.reduce((s, x) => s + Math.exp(x - max), 0));
    encodeKldRow(base, { max, min: Math.min(...base), logSum }, row);
    sums.add(logits, next, row);
    decodeKldRow(row, decoded);
    const q = logSoftmax(logits);
    klds.push(decoded.reduce((s, p, j) => s + Math.exp(p) * (p - q[j]), 0));
    deltas.push(Math.exp(q[next]) - Math.exp(decoded[next]));
    same.push(best(logits) === best(decoded) ? 1 : 0);
    nlls.push(-q[next]);
    baseNlls.push(-decoded[next]);
  }
  const result = sums.result(),
    ratio = Math.exp(mean(nlls) - mean(baseNlls));
  expect(result.klDivergence.value).toBeCloseTo(mean(klds), 9);
  expect(result.kld.maximum).toBeCloseTo(Math.max(...klds), 9);
  expect(result.kld.median).toBeCloseTo(
    klds
      .toSorted((a, b) => a - b)
      .slice(19, 21)
      .reduce((a, b) => a + b) / 2,
    9,
  );
  expect(result.sameTop.value).toBe(mean(same));
  expect(result.meanDeltaP.value).toBeCloseTo(mean(deltas), 9);
  expect(result.deltaPRms.value).toBeCloseTo(Math.sqrt(mean(deltas.map((d) => d * d))), 9);
  expect(result.perplexity.value).toBeCloseTo(Math.exp(mean(nlls)), 9);
  expect(result.ratio.value).toBeCloseTo(ratio, 9);
  expect(result.difference.value).toBeCloseTo(Math.exp(mean(nlls)) - Math.exp(mean(baseNlls)), 9);
  const [a, b] = [nlls, baseNlls].map((values) => values.map((x) => x - mean(values)));
  const correlation =
    mean(a.map((x, i) => x * b[i])) /
    Math.sqrt(mean(a.map((x) => x * x)) * mean(b.map((x) => x * x)));
  expect(result.correlation).toBeCloseTo(correlation, 9);
  expect(result.scoredTokens).toBe(ROWS);
});
