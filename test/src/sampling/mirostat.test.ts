import { describe, expect, it } from "vitest";
import { Mirostat } from "../../../src/sampling/mirostat.ts";
import { resolveOptions, type SamplingOptions } from "../../../src/sampling/options.ts";
import { Random } from "../../../src/sampling/random.ts";
import {
  fromLogits,
  loaded,
  noisyLogits,
  sampler,
  sortedByLogit,
  testMath,
  filled,
} from "./reference.ts";

/** Mirostat in probabilities and base-2 logarithms, as the paper writes it. */
class Reference {
  mu: number;
  constructor(
    readonly version: number,
    readonly tau: number,
    readonly eta: number,
  ) {
    this.mu = 2 * tau;
  }

  /** Ids that may be drawn. */
  kept(row: Float32Array): number[] {
    const sorted = sortedByLogit(fromLogits(row));
    const weights = sorted.map(({ logit }) => Math.exp(logit - sorted[0].logit));
    const total = weights.reduce((a, b) => a + b, 0);
    const p = weights.map((weight) => weight / total);
    let count = p.findIndex((x) => -Math.log2(x) > this.mu);
    if (count < 0) count = p.length;
    if (this.version === 1) {
      let top = 0;
      let bottom = 0;
      for (let i = 0; i < Math.min(99, p.length - 1); i++) {
        const t = Math.log((i + 2) / (i + 1));
        top += t * Math.log(p[i] / p[i + 1]);
        bottom += t * t;
      }
      const s = top / bottom;
      const e = s - 1;
      count = Math.floor(((e * 2 ** this.mu) / (1 - row.length ** -e)) ** (1 / s));
    }
    return sorted.slice(0, Math.max(1, count)).map(({ id }) => id);
  }

  learn(row: Float32Array, kept: number[], token: number): void {
    const weights = kept.map((id) => Math.exp(row[id]));
    const p = Math.exp(row[token]) / weights.reduce((a, b) => a + b, 0);
    this.mu -= this.eta * (-Math.log2(p) - this.tau);
  }
}

function mirostat(options: Partial<SamplingOptions>): Mirostat {
  return new Mirostat(resolveOptions(options), testMath, new Random(5));
}

describe.each([1, 2] as const)("mirostat %d", (version) => {
  it("cuts and learns as the paper's formulas say, for 200 tokens", () => {
    const twin = new Reference(version, Math.fround(3), Math.fround(0.1));
    const choice = mirostat({ mirostat: version, mirostatTau: 3, mirostatEta: 0.1 });
    const sizes = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const row = noisyLogits(300, i);
      const candidates = loaded(row);
      const token = candidates.ids[choice.choose(candidates)];
      const kept = twin.kept(row);
      const ids = [...candidates.ids.subarray(0, candidates.size)];
      expect(new Set(ids)).toEqual(new Set(kept));
      twin.learn(row, kept, token);
      sizes.add(kept.length);
    }
    expect(sizes.size).toBeGreaterThan(5); // the cut moved
  });

  it("brings the mean surprise near tau", () => {
    const tau = 2.5;
    const drawer = sampler({ mirostat: version, mirostatTau: tau, temperature: 1 });
    let surprise = 0;
    const n = 400;
    for (let i = 0; i < n; i++) {
      const token = drawer.sample(noisyLogits(400, i));
      const { tokens, probabilities } = drawer.lastProbabilities();
      surprise -= Math.log2(probabilities[tokens.indexOf(token)]);
    }
    // The first tokens, before mu has settled, weigh about 2 tau / (eta n) = 0.1 bits.
    expect(Math.abs(surprise / n - tau)).toBeLessThan(0.3);
  });

  it("draws from one candidate and from equal ones", () => {
    const choice = mirostat({ mirostat: version });
    expect(choice.choose(loaded([3]))).toBe(0);
    const candidates = loaded(filled(50, 1));
    const index = choice.choose(candidates);
    expect(index).toBeGreaterThanOrEqual(0);
    expect(index).toBeLessThan(candidates.size);
  });

  it("replaces all samplers but bias and temperature", () => {
    const plain = sampler({ mirostat: version, samplers: [] });
    const full = sampler({ mirostat: version, topK: 1, repeatPenalty: 3, xtcProbability: 1 });
    for (let i = 0; i < 50; i++) {
      const row = noisyLogits(100, i);
      const token = plain.sample(row);
      expect(full.sample(row)).toBe(token);
      plain.accept(token);
      full.accept(token);
    }
  });

  it("is greedy at temperature 0", () => {
    const cold = sampler({ mirostat: version, temperature: 0 });
    expect(cold.sample(Float32Array.of(1, 5, 5, 2))).toBe(1);
  });
});
