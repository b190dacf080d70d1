// Hyperparameters: the numbers of a GGUF file that shape a forward pass, read once under the prefix
// of its architecture (`llama.block_count`) and checked. Names are GGUF keys in camelCase. Defaults
// are llama.cpp's (src/llama-model.cpp, src/llama-context.cpp).
import type { Metadata } from "../formats/metadata.ts";
import { ModelError } from "./errors.ts";

/** What every architecture has. An architecture extends it with its own keys. */
export interface Hparams {
  readonly architecture: string;
  /**
   * Positions the run has room for; a run option. It selects between long and short RoPE factors.
   */
  readonly nCtx: number;
  /** Positions the model was trained for. */
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly embeddingLength: number;
  readonly blockCount: number;
  /** Query heads of each layer. */
  readonly headCount: readonly number[];
  /** Key and value heads of each layer; 0 where a layer has no attention. */
  readonly headCountKv: readonly number[];
  /** Width of each layer's feed-forward network. */
  readonly feedForwardLength: readonly number[];
  /** Elements of one head's query and key. */
  readonly keyLength: number;
  /** Elements of one head's value. */
  readonly valueLength: number;
  /** Epsilon of the norms, RMS or layer norm as the architecture has it. */
  readonly normEpsilon: number;
  /** `attention.scale`, otherwise 1 / sqrt(keyLength). */
  readonly attentionScale: number;
  readonly rope: RopeHparams;
  /** 0: the model has no experts. */
  readonly expertCount: number;
  readonly expertUsedCount: number;
  /** Width of one expert. */
  readonly expertFeedForwardLength: number;
}

/** `rope.*`, with the scaling resolved to numbers. */
export interface RopeHparams {
  /** Leading elements of a head that rotate. */
  readonly dimensionCount: number;
  readonly freqBase: number;
  readonly scalingType: "none" | "linear" | "yarn" | "longrope";
  /** 1 / scaling factor. */
  readonly freqScale: number;
  /** Multiplies cos and sin. */
  readonly attnFactor: number;
  /** Context length before it was stretched; `contextLength` when the file does not say. */
  readonly originalContextLength: number;
}

// No model comes near; a damaged count must not allocate per-layer arrays of gigabytes.
const MAX_BLOCKS = 4096;

/**
 * The keys of one file under its architecture's prefix. Getters throw GgufError: key, expected,
 * found, remedy.
 */
export class ModelKeys {
  readonly metadata: Metadata;
  readonly architecture: string;
  /** The run option, when the caller gave one. */
  readonly nCtx: number | undefined;

  constructor(metadata: Metadata, architecture: string, nCtx?: number) {
    this.metadata = metadata;
    this.architecture = architecture;
    this.nCtx = nCtx;
  }

  u32(key: string): number;
  u32<F>(key: string, fallback: F): number | F;
  u32(key: string, ...fallback: unknown[]): unknown {
    return this.metadata.getU32(`${this.architecture}.${key}`, ...(fallback as [unknown]));
  }

  float(key: string): number;
  float<F>(key: string, fallback: F): number | F;
  float(key: string, ...fallback: unknown[]): unknown {
    return this.metadata.getNumber(`${this.architecture}.${key}`, ...(fallback as [unknown]));
  }

  bool<F>(key: string, fallback: F): boolean | F {
    return this.metadata.getBool(`${this.architecture}.${key}`, fallback);
  }

  string<F>(key: string, fallback: F): string | F {
    return this.metadata.getString(`${this.architecture}.${key}`, fallback);
  }

  /** A key that is one integer for all layers or an array with one per layer. */
  u32PerLayer(key: string, nLayer: number, fallback?: readonly number[]): readonly number[] {
    const full = `${this.architecture}.${key}`;
    const value = this.metadata.get(full);
    if (value === undefined && fallback !== undefined) return fallback;
    if (value?.type !== "array") return Array<number>(nLayer).fill(this.metadata.getU32(full));
    const numbers = this.metadata.getNumbers(full);
    const whole = numbers.every((n) => Number.isInteger(n) && n >= 0 && n <= 0xffffffff);
    if (numbers.length < nLayer || !whole) {
      throw new ModelError({
        subject: `key "${full}"`,
        expected: `${nLayer} integers, one per layer`,
        found: `[${numbers.slice(0, 8).join(", ")}${numbers.length > 8 ? ", ..." : ""}]`,
      });
    }
    return numbers.slice(0, nLayer);
  }
}

/**
 * The common hyperparameters. `norm` says which epsilon the file must have:
 * `attention.layer_norm_rms_epsilon` or `attention.layer_norm_epsilon`. `mixer`: a recurrent model may
 * have no heads at all. Throws GgufError for missing keys and wrong kinds, ModelError for values that cannot be.
 */
export function readHparams(
  keys: ModelKeys,
  norm: "rms" | "layer",
  mixer: "attention" | "recurrent" = "attention",
): Hparams {
  const blockCount = keys.u32("block_count");
  check(
    keys,
    "block_count",
    blockCount,
    `1 to ${MAX_BLOCKS}`,
    blockCount >= 1 && blockCount <= MAX_BLOCKS,
  );
  const embeddingLength = positive(keys, "embedding_length", keys.u32("embedding_length"));
  const contextLength = positive(keys, "context_length", keys.u32("context_length"));
  const none = mixer === "recurrent" ? Array<number>(blockCount).fill(0) : undefined;
  const headCount = keys.u32PerLayer("attention.head_count", blockCount, none);
  const headCountKv = keys.u32PerLayer("attention.head_count_kv", blockCount, headCount);
  for (let il = 0; il < blockCount; il++) checkHeads(keys, il, headCount[il], headCountKv[il]);
  // Layers without attention may have 0 heads; the others give the length of a head.
  const most = Math.max(...headCount);
  const mostHeads = none && most === 0 ? 1 : positive(keys, "attention.head_count", most);
  const headDim = Math.floor(embeddingLength / mostHeads);
  const keyLength = positive(
    keys,
    "attention.key_length",
    keys.u32("attention.key_length", headDim),
  );
  const valueLength = positive(
    keys,
    "attention.value_length",
    keys.u32("attention.value_length", headDim),
  );
  const expertCount = keys.u32("expert_count", 0);
  const expertUsedCount = keys.u32("expert_used_count", 0);
  check(
    keys,
    "expert_used_count",
    expertUsedCount,
    `1 to ${expertCount}, the number of experts`,
    expertCount === 0 || (expertUsedCount >= 1 && expertUsedCount <= expertCount),
  );
  const feedForwardLength = keys.u32PerLayer("feed_forward_length", blockCount, none);
  const scale = keys.float("attention.scale", 0);
  return {
    architecture: keys.architecture,
    nCtx: keys.nCtx ?? contextLength,
    contextLength,
    vocabSize: readVocabSize(keys),
    embeddingLength,
    blockCount,
    headCount,
    headCountKv,
    feedForwardLength,
    keyLength,
    valueLength,
    normEpsilon: keys.float(
      norm === "rms" ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
    ),
    // 0 means "not set": llama.cpp reads it so, and a scale of 0 would make attention blind.
    attentionScale: scale === 0 ? 1 / Math.sqrt(keyLength) : scale,
    rope: readRope(keys, contextLength, keyLength),
    expertCount,
    expertUsedCount,
    expertFeedForwardLength: keys.u32("expert_feed_forward_length", feedForwardLength[0]),
  };
}

/** `ssm.*`: sizes of the short convolution and of the recurrent state (mamba, qwen35, granitehybrid ...). */
export interface SsmHparams {
  /** Taps of the convolution. */
  readonly convKernel: number;
  readonly innerSize: number;
  readonly stateSize: number;
  /** Mamba: rank of the step size; Mamba-2: heads; delta net: heads of v. */
  readonly timeStepRank: number;
  /** Groups of heads that share B and C; delta net: heads of q and k. */
  readonly groupCount: number;
}

export function readSsm(keys: ModelKeys): SsmHparams {
  const size = (key: string, ...fallback: number[]): number =>
    positive(keys, `ssm.${key}`, keys.u32(`ssm.${key}`, ...(fallback as [number])));
  return {
    convKernel: size("conv_kernel"),
    innerSize: size("inner_size"),
    stateSize: size("state_size"),
    timeStepRank: size("time_step_rank"),
    groupCount: size("group_count", 1),
  };
}

/**
 * The sliding window of each layer, undefined where a layer sees everything. `period`: the last (or `global`) of every
 * `period` layers sees everything, unless the file says otherwise (`attention.sliding_window_pattern`, a
 * period or one bool per layer). Without the key `attention.sliding_window` no layer has a window, unless
 * `fallback` gives one.
 */
export function readWindows(
  keys: ModelKeys,
  blockCount: number,
  period: number,
  fallback = 0,
  global: "first" | "last" = "last",
): readonly (number | undefined)[] {
  const window = keys.u32("attention.sliding_window", fallback);
  const key = `${keys.architecture}.attention.sliding_window_pattern`;
  const isArray = keys.metadata.get(key)?.type === "array";
  const slides = isArray ? keys.metadata.getBools(key) : undefined;
  if (slides !== undefined && slides.length < blockCount) {
    throw new ModelError({
      subject: `key "${key}"`,
      expected: `${blockCount} bools, one per layer`,
      found: `${slides.length} bools`,
    });
  }
  const every = isArray ? period : keys.u32("attention.sliding_window_pattern", period);
  return Array.from({ length: blockCount }, (_, il) => {
    const isGlobal = every > 0 && il % every === (global === "first" ? 0 : every - 1);
    const hasWindow = slides ? slides[il] : !isGlobal;
    return window > 0 && hasWindow ? window : undefined;
  });
}

/** Windows of an encoder, which reach half of the file's number to either side, as AttentionParams has them. */
export function symmetricWindows(
  windows: readonly (number | undefined)[],
): readonly (number | undefined)[] {
  return windows.map((window) => window && Math.floor(window / 2) + 1);
}

/** The tokenizer's tokens decide; `vocab_size` is for files without one. */
function readVocabSize(keys: ModelKeys): number {
  const tokens = keys.metadata.getArray("tokenizer.ggml.tokens", undefined);
  if (tokens !== undefined && tokens.values.length > 0) return tokens.values.length;
  return positive(keys, "vocab_size", keys.u32("vocab_size"));
}

function readRope(keys: ModelKeys, contextLength: number, keyLength: number): RopeHparams {
  const dimensionCount = keys.u32("rope.dimension_count", keyLength);
  check(
    keys,
    "rope.dimension_count",
    dimensionCount,
    `an even number up to ${keyLength}, the length of a head`,
    dimensionCount % 2 === 0 && dimensionCount <= keyLength,
  );
  const freqBase = keys.float("rope.freq_base", 10000);
  check(
    keys,
    "rope.freq_base",
    freqBase,
    "a positive number",
    freqBase > 0 && Number.isFinite(freqBase),
  );
  const scalingType = keys.string("rope.scaling.type", "linear");
  if (!["none", "linear", "yarn", "longrope"].includes(scalingType)) {
    throw new ModelError({
      subject: `key "${keys.architecture}.rope.scaling.type"`,
      expected: "none, linear, yarn or longrope",
      found: JSON.stringify(scalingType),
      remedy: "this model needs a newer version of samebit",
    });
  }
  // `rope.scale_linear` is the key of files from 2023.
  const factor = keys.float("rope.scaling.factor", keys.float("rope.scale_linear", 0));
  check(keys, "rope.scaling.factor", factor, "a number that is not negative", factor >= 0);
  return {
    dimensionCount,
    freqBase,
    scalingType: scalingType as RopeHparams["scalingType"],
    // 0 means "not set", as in llama.cpp.
    freqScale: scalingType === "none" || factor === 0 ? 1 : 1 / factor,
    attnFactor: keys.float("rope.scaling.attn_factor", 1),
    originalContextLength: keys.u32("rope.scaling.original_context_length", 0) || contextLength,
  };
}

function checkHeads(keys: ModelKeys, il: number, headCount: number, headCountKv: number): void {
  // A layer without attention (short convolution, recurrence) has no kv heads, sometimes no heads
  // at all.
  if (headCountKv === 0 || headCount % headCountKv === 0) return;
  throw new ModelError({
    subject: `key "${keys.architecture}.attention.head_count_kv"`,
    expected: `a divisor of the ${headCount} heads of layer ${il}`,
    found: String(headCountKv),
  });
}

function positive(keys: ModelKeys, key: string, value: number): number {
  check(keys, key, value, "a positive integer", value > 0);
  return value;
}

function check(keys: ModelKeys, key: string, value: number, expected: string, ok: boolean): void {
  if (ok) return;
  throw new ModelError({
    subject: `key "${keys.architecture}.${key}"`,
    expected,
    found: String(value),
    remedy:
      "the file's metadata is damaged or was converted wrongly; --override-kv can set single values",
  });
}
