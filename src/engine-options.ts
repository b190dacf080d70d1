// What an engine can be told when it is loaded, with the defaults, and the check of it: everything that can be refused before
// the kernels are chosen and the model is described. load in engine.ts begins with this.

import { OptionError } from "./errors.ts";
import type { KernelBuild, WeightsKind } from "./kernels/module.ts";
import { platform } from "./platform/index.ts";
import type { LoadProgress } from "./weights.ts";

export type CacheType = "f32" | "f16" | "q8_0";

/** Who computes. Never changes a result. */
export interface ThreadOptions {
  /** Compute threads; default: as many as the machine offers. */
  readonly threads?: number;
  /**
   * Compute in the calling thread, alone, in memory that is not shared; `threads` must then be 1 or left out. The thread is busy
   * meanwhile, but its event loop has a turn about every 10 ms; where a step takes longer, as with a large model's prompt, a
   * smaller nBatch helps. Default: only where threads cannot be had, as on a page without cross-origin isolation. false: throw
   * there instead.
   */
  readonly inline?: boolean;
}

export interface EngineOptions extends ThreadOptions {
  /** Positions of a sequence; default: what the model was trained for, at most 4096. */
  readonly nCtx?: number;
  /** Tokens evaluated at once; default 512. Never changes a result. Embeddings take each text at once. */
  readonly nBatch?: number;
  /** Sequences that can be in the cache at the same time; default 1. Embeddings: texts that are run together; default 8. */
  readonly nSequences?: number;
  /** Default `compact`. `fast` never changes a result, `f32` does. */
  readonly weights?: WeightsKind;
  readonly cacheTypeK?: CacheType;
  readonly cacheTypeV?: CacheType;
  /**
   * Layers with a sliding window keep every position. Default: they forget what no window reaches any more, which saves
   * memory; a session can then not be truncated to a length that needs it again (Session.canTruncate).
   */
  readonly swaFull?: boolean;
  /** Forces a kernel build; default: the fastest that is right here. Never changes a result. */
  readonly kernelBuild?: KernelBuild;
  /** Most bytes of weights, cache and state in one memory bank. Never changes a result. */
  readonly bankBytes?: number;
  /** Add up the squares of every product's input: see Model.takeCalibration. */
  readonly calibrate?: boolean;
  readonly onProgress?: LoadProgress;
  readonly signal?: AbortSignal;
}

const CACHE_TYPES: Record<CacheType, number> = { f32: 0, f16: 1, q8_0: 8 };
const DEFAULT_CTX = 4096;

export interface CheckedOptions {
  readonly nCtx: number;
  /** undefined: as the model's use asks for. */
  readonly sequences: number | undefined;
  readonly threads: number;
  readonly inline: boolean;
  readonly bankBytes: number | undefined;
  readonly weights: WeightsKind;
  /** ggml type numbers. */
  readonly kType: number;
  readonly vType: number;
}

/**
 * The options that do not depend on the model, with their defaults; trainedCtx: positions the model was trained for.
 * Throws OptionError.
 */
export function checkOptions(options: EngineOptions, trainedCtx: number): CheckedOptions {
  const nCtx = count("nCtx", options.nCtx ?? Math.min(trainedCtx, DEFAULT_CTX), 1, 1 << 24);
  const { nSequences } = options;
  const sequences = nSequences === undefined ? undefined : count("nSequences", nSequences, 1, 4096);
  const { threads, inline } = checkThreads(options);
  const { bankBytes, weights = "compact" } = options;
  if (bankBytes !== undefined) count("bankBytes", bankBytes, 1, Number.MAX_SAFE_INTEGER);
  if (!(["compact", "fast", "f32"] as unknown[]).includes(weights))
    throw new OptionError(`weights: expected compact, fast or f32, found ${String(weights)}`);
  const kType = cacheType("cacheTypeK", options.cacheTypeK),
    vType = cacheType("cacheTypeV", options.cacheTypeV);
  return { nCtx, sequences, threads, inline, bankBytes, weights, kType, vType };
}

/** Who computes, with the defaults. Throws OptionError for what is impossible here. */
export function checkThreads({ threads, inline }: ThreadOptions): Required<ThreadOptions> {
  const lack = platform.threadsLack();
  if (threads !== undefined) count("threads", threads, 1, 128);
  if (inline ?? lack !== undefined) {
    if ((threads ?? 1) === 1) return { threads: 1, inline: true };
    throw new OptionError(
      inline
        ? `threads: expected 1 with inline, found ${threads}; leave one of them out`
        : `threads: expected 1, found ${threads}; threads need ${lack}`,
    );
  }
  if (lack !== undefined)
    throw new OptionError(`inline: expected true, found false; threads need ${lack}`);
  return { threads: threads ?? Math.min(platform.availableParallelism(), 64), inline: false };
}

/** `value`, an integer from min to max; anything else throws OptionError. */
export function count(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new OptionError(`${name}: expected an integer from ${min} to ${max}, found ${value}`);
}

function cacheType(name: string, type: CacheType = "f16"): number {
  if (Object.hasOwn(CACHE_TYPES, type)) return CACHE_TYPES[type];
  throw new OptionError(`${name}: expected f32, f16 or q8_0, found ${String(type)}`);
}
