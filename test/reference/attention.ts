// Attention over a KV cache that is a plain map: layer -> sequence -> position -> key and value
// row.
import type { AttentionParams, KvCache } from "../../models/ops.ts";
import { softmax } from "./activations.ts";
import { f16ToF32, f32ToF16 } from "./dequantize.ts";
import { dot, weightOf } from "./value.ts";

export type CacheType = "f32" | "f16";

interface Entry {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Keys and values of every layer and sequence, by position. */
export class ReferenceKvCache {
  readonly #type: CacheType;
  readonly #entries = new Map<string, Map<number, Entry>>();

  constructor(type: CacheType) {
    this.#type = type;
  }

  /** Keeps a row of keys and values, rounded to the cache's type. */
  store(
    layer: number,
    sequence: number,
    position: number,
    key: Float32Array,
    value: Float32Array,
  ): void {
    this.positions(layer, sequence).set(position, {
      key: this.#round(key),
      value: this.#round(value),
    });
  }

  /** What a sequence holds in a layer. */
  positions(layer: number, sequence: number): Map<number, Entry> {
    const name = `${layer}/${sequence}`;
    if (!this.#entries.has(name)) this.#entries.set(name, new Map());
    return this.#entries.get(name)!;
  }

  #round(row: Float32Array): Float32Array {
    return this.#type === "f32" ? row.slice() : row.map((x) => f16ToF32(f32ToF16(x)));
  }
}

/** [nHead * headDimV]: attention of one query row at `position` over `entries`. */
export function attendRow(
  query: Float32Array,
  position: number,
  entries: ReadonlyMap<number, Entry>,
  params: AttentionParams,
): Float32Array {
  const { cache, nHead, sinks } = params;
  const visible = [...entries.keys()]
    .filter((p) => isVisible(position, p, params))
    .sort((a, b) => a - b);
  const out = new Float32Array(nHead * cache.headDimV);
  for (let h = 0; h < nHead; h++) {
    const q = query.subarray(h * cache.headDimK, (h + 1) * cache.headDimK);
    const scores = visible.map((p) => {
      const key = headOf(entries.get(p)!.key, h, nHead, cache, cache.headDimK);
      return score(dot(q, key), position - p, h, params);
    });
    const weights = softmax(scores, sinks ? weightOf(sinks).data[h] : undefined);
    for (let i = 0; i < cache.headDimV; i++) {
      const values = visible.map(
        (p) => headOf(entries.get(p)!.value, h, nHead, cache, cache.headDimV)[i],
      );
      out[h * cache.headDimV + i] = dot(weights, values);
    }
  }
  return out;
}

function isVisible(position: number, keyPosition: number, params: AttentionParams): boolean {
  if (params.cross) return true;
  if (params.causal !== false && keyPosition > position) return false;
  const { chunk } = params;
  if (chunk && Math.floor(position / chunk) !== Math.floor(keyPosition / chunk)) return false;
  // A causal query has no keys ahead: what is said of both sides holds for it too.
  return params.window === undefined || Math.abs(position - keyPosition) < params.window;
}

/** The part of a key or value row that query head `h` looks at: heads share in groups. */
function headOf(
  row: Float32Array,
  h: number,
  nHead: number,
  cache: KvCache,
  headDim: number,
): Float32Array {
  const hKv = Math.floor(h / (nHead / cache.nHeadKv));
  return row.subarray(hKv * headDim, (hKv + 1) * headDim);
}

function score(product: number, distance: number, h: number, params: AttentionParams): number {
  const { scale, softcap, alibiMaxBias, relativeBias, nHead, yarnScale } = params;
  let s = product * scale;
  if (yarnScale && yarnScale.freqScale < 1) {
    s *= (1 + yarnScale.logMultiplier * Math.log(1 / yarnScale.freqScale)) ** 2;
  }
  if (softcap !== undefined) s = softcap * Math.tanh(s / softcap);
  if (relativeBias !== undefined) {
    const { weight, bidirectional } = relativeBias;
    const bucket = relativeBucket(-distance, weight.shape[1], bidirectional);
    s += weightOf(weight).data[bucket * nHead + h];
  }
  if (alibiMaxBias !== undefined) s -= alibiSlope(h, nHead, alibiMaxBias) * Math.abs(distance);
  return s;
}

/**
 * ALiBi: a geometric sequence; heads beyond a power of two take every other one of a finer
 * sequence.
 */
function alibiSlope(h: number, nHead: number, maxBias: number): number {
  const powerOfTwo = 2 ** Math.floor(Math.log2(nHead));
  if (h < powerOfTwo) return 2 ** ((-maxBias / powerOfTwo) * (h + 1));
  return 2 ** ((-maxBias / 2 / powerOfTwo) * (2 * (h - powerOfTwo) + 1));
}

/**
 * T5's bucket of a key `relative` positions behind the query (ahead of it: negative). The borders of
 * the wide buckets are at exact * (128 / exact)^(i / (n - exact)).
 */
function relativeBucket(relative: number, nBuckets: number, bidirectional: boolean): number {
  const n = bidirectional ? nBuckets / 2 : nBuckets;
  const exact = n / 2;
  const distance = bidirectional ? Math.abs(relative) : Math.max(-relative, 0);
  let bucket = Math.min(distance, exact);
  // 1e-9: a distance that is a border belongs to the bucket it begins.
  const border = (i: number): number => exact * (128 / exact) ** (i / (n - exact)) - 1e-9;
  while (bucket >= exact && bucket < n - 1 && distance >= border(bucket - exact + 1)) bucket++;
  return bucket + (bidirectional && relative > 0 ? n : 0);
}
