// Position and attention in the recorder (record.ts): rope and its table, which all layers share, keys and values into the
// cache, and attention over it. What can be computed once for all runs (rope-constants.ts) is computed here.

import type {
  AttentionParams,
  KvCache,
  KvShape,
  RopeParams,
  TemperatureParams,
  Tensor,
} from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import {
  AttentionWord,
  KeyPages,
  Kv,
  KvStoreWord,
  Op,
  RopeMode,
  RopeTableWord,
  RopeWord,
  TemperatureWord,
  Word,
} from "../memory/abi.generated.ts";
import type { PlacedCache } from "../memory/placed.ts";
import type { Ref } from "./instruction.ts";
import { type Recorded, RecordedCache, ref } from "./recorded.ts";
import { align, f32Bits, type RecordingContext } from "./recording-context.ts";
import { alibiSlopes, relativeBuckets, yarnCorrection, yarnMagnitude } from "./rope-constants.ts";

export function temperature(
  r: RecordingContext,
  { scale, floor, offset }: TemperatureParams,
): Tensor {
  const dst = r.tensor("temperature", "tokens", 1);
  r.emit(
    Op.temperature,
    "temperature",
    "tokens",
    [
      [Word.dst, ref(dst)],
      [Word.dstStride, dst.stride],
      [Word.width, 1],
      [TemperatureWord.scale, f32Bits(scale)],
      [TemperatureWord.floor, f32Bits(floor)],
      [TemperatureWord.offset, f32Bits(offset)],
    ],
    [],
    [ref(dst)],
  );
  return dst;
}

export function rope(r: RecordingContext, x: Tensor, params: RopeParams): Tensor {
  const a = x as Recorded,
    { headDim, nRot } = params;
  if (a.width % headDim !== 0 || nRot > headDim || nRot % 2 !== 0) {
    throw new PlanError(
      `rope: expected heads of ${headDim} with an even number of rotated elements, found width ${a.width}, nRot ${nRot}`,
    );
  }
  const table = ropeTable(r, params),
    dst = r.tensor(`rope ${a.value.name}`, a.rows, a.width);
  r.emit(
    Op.rope,
    `rope ${a.value.name}`,
    a.rows,
    [
      ...r.common(dst, a),
      [RopeWord.headDim, headDim],
      [RopeWord.nRot, nRot],
      [RopeWord.mode, RopeMode[params.mode]],
      [RopeWord.table, ref(table)],
      [RopeWord.tableStride, table.stride],
    ],
    [ref(a), ref(table)],
    [ref(dst)],
  );
  return dst;
}

/** Cosines and sines of every token's position, one table for all ropes with the same parameters. */
function ropeTable(r: RecordingContext, params: RopeParams): Recorded {
  const { nRot, freqBase, freqScale, attnFactor, yarn, factors } = params;
  const key = JSON.stringify([nRot, freqBase, freqScale, attnFactor, yarn, factors?.name]);
  let table = r.ropeTables.get(key);
  if (!table) {
    const { kernels } = r.options;
    table = r.tensor("rope table", "tokens", nRot);
    const [low, high] = yarn ? yarnCorrection(kernels, nRot, freqBase, yarn) : [0, 0];
    let mscale = attnFactor;
    if (yarn && yarn.extFactor !== 0) {
      mscale *=
        yarnMagnitude(kernels, freqScale, yarn.logMultiplier) /
        yarnMagnitude(kernels, freqScale, yarn.logDivisor ?? 0);
    }
    const thetaScale = kernels.pow64(Math.fround(freqBase), Math.fround(-2 / nRot));
    r.emit(
      Op.ropeTable,
      "rope table",
      "tokens",
      [
        [Word.dst, ref(table)],
        [Word.dstStride, table.stride],
        [Word.width, nRot],
        [RopeTableWord.nRot, nRot],
        [RopeTableWord.thetaScale, f32Bits(thetaScale)],
        [RopeTableWord.freqScale, f32Bits(freqScale)],
        [RopeTableWord.extFactor, f32Bits(yarn?.extFactor ?? 0)],
        [RopeTableWord.mscale, f32Bits(mscale)],
        [RopeTableWord.corrLow, f32Bits(low)],
        [RopeTableWord.corrHigh, f32Bits(high)],
        [RopeTableWord.factors, factors ? r.vector(factors) : 0],
        [RopeTableWord.axis, 0],
      ],
      [],
      [ref(table)],
    );
    r.ropeTables.set(key, table);
  }
  return table;
}

export function kvStore(
  r: RecordingContext,
  layer: number,
  k: Tensor,
  v: Tensor,
  shape: KvShape,
): KvCache {
  const key = k as Recorded,
    value = v as Recorded,
    { nHeadKv, headDimK, headDimV } = shape;
  const window = r.options.swaFull ? undefined : shape.window;
  const { kType, vType } = r.options;
  if (r.head)
    throw new PlanError(
      `kvStore: expected it before ops.outputRows, found it after, in layer ${layer}; runs without outputs would leave it out`,
    );
  if (r.caches.has(layer))
    throw new PlanError(`kvStore: expected one cache per layer, found a second for layer ${layer}`);
  if (key.width !== nHeadKv * headDimK || value.width !== nHeadKv * headDimV) {
    throw new PlanError(
      `kvStore: expected widths ${nHeadKv * headDimK} and ${nHeadKv * headDimV}, found ${key.width} and ${value.width}`,
    );
  }
  const placed: PlacedCache = {
    layer,
    pool: window === undefined ? "whole" : "window",
    window,
    nHeadKv,
    headDimK,
    headDimV,
    kPageBytes: nHeadKv * pageBytes(kType, headDimK, layer),
    vPageBytes: nHeadKv * pageBytes(vType, headDimV, layer),
  };
  const kRef: Ref = { kind: "cache", cache: placed, part: "k" },
    vRef: Ref = { kind: "cache", cache: placed, part: "v" };
  r.emit(
    Op.kvStore,
    `kv store ${layer}`,
    "tokens",
    [
      [Word.a, ref(key)],
      [Word.aStride, key.stride],
      [KvStoreWord.v, ref(value)],
      [KvStoreWord.vStride, value.stride],
      [KvStoreWord.nHeadKv, nHeadKv],
      [KvStoreWord.dimK, headDimK],
      [KvStoreWord.dimV, headDimV],
      [KvStoreWord.kBase, kRef],
      [KvStoreWord.vBase, vRef],
      [KvStoreWord.kType, kType],
      [KvStoreWord.vType, vType],
      [KvStoreWord.kPageBytes, placed.kPageBytes],
      [KvStoreWord.vPageBytes, placed.vPageBytes],
      [KvStoreWord.window, placed.pool === "window" ? 1 : 0],
    ],
    [ref(key), ref(value)],
    [kRef, vRef],
  );
  const cache = new RecordedCache(placed);
  r.caches.set(layer, cache);
  return cache;
}

export function attention(r: RecordingContext, q: Tensor, params: AttentionParams): Tensor {
  const a = q as Recorded;
  const {
    nHead,
    softcap = 0,
    window = 0,
    chunk = 0,
    alibiMaxBias,
    sinks,
    causal = true,
    yarnScale,
  } = params;
  const { cross = false, relativeBias } = params;
  const cache = (params.cache as RecordedCache).placed,
    { kernels, kType, vType } = r.options;
  if (a.width !== nHead * cache.headDimK || nHead % cache.nHeadKv !== 0) {
    throw new PlanError(
      `attention: expected ${nHead} heads of ${cache.headDimK} over ${cache.nHeadKv} kv heads, found width ${a.width}`,
    );
  }
  if (cache.window !== undefined) {
    const reach = causal && !cross ? Math.min(window || Infinity, chunk || Infinity) : Infinity;
    if (reach > cache.window)
      throw new PlanError(
        `attention: expected a window of at most ${cache.window}, as kvStore of layer ${cache.layer} has it, found ${reach}`,
      );
  }
  const stretch = yarnScale
    ? yarnMagnitude(kernels, yarnScale.freqScale, yarnScale.logMultiplier)
    : 1;
  const scale = params.scale * stretch * stretch;
  const dst = r.tensor(`attention ${cache.layer}`, a.rows, nHead * cache.headDimV);
  const kRef: Ref = { kind: "cache", cache, part: "k" },
    vRef: Ref = { kind: "cache", cache, part: "v" };
  const slopes = alibiMaxBias
    ? r.constant(`alibi ${nHead} ${alibiMaxBias}`, alibiSlopes(kernels, nHead, alibiMaxBias))
    : 0;
  const partials = partialWords(r, nHead, cache);
  r.emit(
    Op.attention,
    `attention ${cache.layer}`,
    a.rows,
    [
      ...r.common(dst, a),
      [AttentionWord.nHead, nHead],
      [AttentionWord.nHeadKv, cache.nHeadKv],
      [AttentionWord.dimK, cache.headDimK],
      [AttentionWord.dimV, cache.headDimV],
      [AttentionWord.kBase, kRef],
      [AttentionWord.vBase, vRef],
      [AttentionWord.kType, kType],
      [AttentionWord.vType, vType],
      [AttentionWord.kPageBytes, cache.kPageBytes],
      [AttentionWord.vPageBytes, cache.vPageBytes],
      [AttentionWord.scale, f32Bits(scale)],
      [AttentionWord.softcap, f32Bits(softcap)],
      [AttentionWord.window, window],
      [AttentionWord.slopes, slopes],
      [AttentionWord.sinks, sinks ? r.vector(sinks) : 0],
      [AttentionWord.causal, causal ? 1 : 0],
      [AttentionWord.chunk, chunk],
      [
        AttentionWord.pages,
        cross ? KeyPages.encoder : KeyPages[cache.pool === "window" ? "window" : "own"],
      ],
      ...relativeBiasWords(r, relativeBias),
      ...partials,
    ],
    [ref(a), kRef, vRef],
    [ref(dst), ...partials.flatMap(([, word]) => (typeof word === "number" ? [] : [word]))],
  );
  return dst;
}

function relativeBiasWords(
  r: RecordingContext,
  bias: AttentionParams["relativeBias"],
): [number, number | Ref][] {
  if (!bias)
    return [
      [AttentionWord.relativeBias, 0],
      [AttentionWord.buckets, 0],
    ];
  const { weight, bidirectional } = bias,
    { kernels, nCtx } = r.options,
    [, nBuckets] = weight.shape;
  // keys are looked at four at a time: a few distances beyond the context
  const reach = nCtx + 16;
  const table = relativeBuckets(kernels, reach, nBuckets, bidirectional);
  const at = r.constant(`buckets ${nBuckets} ${bidirectional}`, table) as Ref & {
    kind: "weight";
  };
  return [
    [AttentionWord.relativeBias, r.vector(weight)],
    [AttentionWord.buckets, { ...at, offset: reach * 4 }],
  ];
}

/** Memory in which threads leave the chunks of a row that they share; needed while rows are fewer than threads can use. */
function partialWords(
  r: RecordingContext,
  nHead: number,
  cache: PlacedCache,
): [number, number | Ref][] {
  const { nCtx, nThreads } = r.options,
    maxChunks = Math.ceil(nCtx / Kv.chunkPositions);
  const rows = Math.floor((4 * nThreads - 1) / cache.nHeadKv);
  if (rows === 0 || nThreads === 1 || maxChunks === 1) return [[AttentionWord.partials, 0]];
  const bytes = rows * nHead * maxChunks * (cache.headDimV + 4) * 4;
  const name = `attention partials ${rows} ${nHead} ${cache.headDimV}`;
  const state = r.placedState(name, align(bytes, 64), 0, true);
  return [
    [AttentionWord.partials, { kind: "state", state, offset: 0 }],
    [AttentionWord.maxChunks, maxChunks],
    [AttentionWord.partialRows, rows],
  ];
}

/** Bytes of one kv head's part of a page: 16 positions of headDim elements (assembly/ops/kv-page.ts). */
function pageBytes(type: number, headDim: number, layer: number): number {
  if (type === 0) return 64 * align(headDim, 8);
  if (type === 1) return 16 + 32 * align(headDim, 8);
  if (headDim % 32 !== 0) {
    throw new PlanError(
      `layer ${layer}: a Q8_0 KV cache needs a head size that is a multiple of 32, found ${headDim}; use f16`,
    );
  }
  return (headDim / 32) * 544;
}
