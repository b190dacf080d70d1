// What an importance matrix says about each weight's input: llama.cpp's --show-statistics.

import { type Imatrix, importance } from "../../formats/imatrix.ts";
import type { SamplerMath } from "../sampling/math.ts";

/** Over the mean squares of a weight's input columns. */
export interface TensorStatistics {
  readonly name: string;
  /** Of `blk.N.`; undefined for others. */
  readonly layer: number | undefined;
  /** Columns, over all experts that saw something. */
  readonly n: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
  /** Share of columns above 1e-5. */
  readonly active: number;
  /** Bits; and as a share of what n equal columns would have. */
  readonly entropy: number;
  readonly normalisedEntropy: number;
  /** Share of columns more than one deviation from the mean. */
  readonly zScore: number;
  /** Cosine with the same weight of the layer before; undefined in the first. */
  readonly cosine: number | undefined;
}

const INACTIVE = 1e-5;

/** By descending sum, as llama.cpp lists them; equal sums by name. */
export function imatrixStatistics(
  imatrix: Imatrix,
  math: Pick<SamplerMath, "log64">,
): TensorStatistics[] {
  const means = new Map(
    [...imatrix.entries].map(([name, entry]) => {
      const width = entry.sums.length / entry.counts.length;
      return [name, importance(entry).filter((_, i) => entry.counts[Math.floor(i / width)] > 0)];
    }),
  );
  const statistics = [...means]
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => {
      const layer = /^blk\.(\d+)\./.exec(name)?.[1];
      const before =
        layer === undefined
          ? undefined
          : means.get(name.replace(/^blk\.\d+/, `blk.${Number(layer) - 1}`));
      return {
        name,
        layer: layer === undefined ? undefined : Number(layer),
        ...columnStatistics(values, math),
        cosine: before && before.length === values.length ? cosine(before, values) : undefined,
      };
    });
  return statistics.sort((a, b) => b.sum - a.sum || (a.name < b.name ? -1 : 1));
}

function columnStatistics(values: Float32Array, { log64 }: Pick<SamplerMath, "log64">) {
  const n = values.length,
    log2 = (x: number) => log64(x) / log64(2);
  let sum = 0,
    squares = 0,
    min = Infinity,
    max = -Infinity,
    inactive = 0,
    entropy = 0,
    far = 0;
  for (const x of values) {
    sum += x;
    squares += x * x;
    min = Math.min(min, x);
    max = Math.max(max, x);
    if (x <= INACTIVE) inactive++;
  }
  const mean = sum / n,
    deviation = Math.sqrt(Math.max(squares / n - mean * mean, 0));
  for (const x of values) {
    if (x > 0) entropy -= (x / sum) * log2(x / sum);
    if (deviation > 0 && Math.abs(x - mean) > deviation) far++;
  }
  return {
    n,
    sum,
    min,
    max,
    mean,
    deviation,
    active: 1 - inactive / n,
    entropy,
    normalisedEntropy: n > 1 ? entropy / log2(n) : 0,
    zScore: far / n,
  };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let ab = 0,
    aa = 0,
    bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
