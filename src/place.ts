// Where a model goes in memory: its forward pass is recorded as a plan, the plan's weights, caches and states are dealt out
// to as few banks as hold them, and the plan is written there. src/plan has the steps; load in engine.ts
// goes on with the threads and the weights.

import type { Gguf } from "../formats/gguf.ts";
import type { ModelDescription } from "../models/index.ts";
import { MemoryError } from "./errors.ts";
import { plainType } from "./interleaved/index.ts";
import { pagesOfWindow, type PoolSize } from "./kv-cache.ts";
import { Bank, type BankLimits, fixedBytes } from "./memory/bank.ts";
import { type PagePool, wholeGroups } from "./memory/placed.ts";
import { allocateArena } from "./plan/allocate.ts";
import { assignBanks, type Banked } from "./plan/banks.ts";
import { encodePlan, planBytes, type EncodedPlan } from "./plan/encode.ts";
import type { Recording } from "./plan/instruction.ts";
import { Recorder, type RecordOptions } from "./plan/record.ts";
import { inStages } from "./plan/stages.ts";
import { repackBytes } from "./repack.ts";

/** A memory is at most 4 GiB; V8 refuses the last page now and then. */
const MAX_BANK = 65535 * 65536;

export interface CacheSize {
  /** Pages of 16 positions for layers that keep them all, and most pages of one sequence. */
  readonly nPages: number;
  readonly maxPagesPerSequence: number;
  /** Most bytes of weights, cache and state in one bank; default: as many as a memory takes. */
  readonly bankBytes?: number;
}

export interface PlacedModel {
  readonly recording: Recording;
  readonly banks: readonly Bank[];
  /** The bank of each value, by its id. */
  readonly home: Banked["home"];
  readonly plan: EncodedPlan;
  readonly pools: Readonly<Record<PagePool, PoolSize>>;
}

/**
 * Makes the banks and writes the plan into them; the weights are still to be loaded. shared: whether threads will share them.
 * Throws MemoryError.
 */
export function placeModel(
  gguf: Gguf,
  model: ModelDescription,
  options: Omit<RecordOptions, "tensor">,
  { nPages, maxPagesPerSequence, bankBytes }: CacheSize,
  shared: boolean,
): PlacedModel {
  const recording = record(gguf, model, options);
  const pools = pagePools(recording, options, nPages, maxPagesPerSequence);
  const limits: Omit<BankLimits, "planBytes" | "arenaBytes"> = {
    heapBase: options.kernels.heapBase() >>> 0,
    nThreads: options.nThreads,
    nBatch: options.nBatch,
    nSequences: options.nSequences,
    nPages: { whole: pools.whole.nPages, window: pools.window.nPages },
    maxPagesPerSequence,
    maxBytes: MAX_BANK,
    nEmbd: model.hparams.embeddingLength,
    shared,
  };
  const { banks, banked, staged } = makeBanks(recording, limits, bankBytes);
  const plan = encodePlan(staged.recording, banked, banks);
  return { recording: staged.recording, banks, home: banked.home, plan, pools };
}

/**
 * Pages for both kinds of layers. A sequence needs those of the longest window and of one run; where that is no less than
 * all pages, nothing is forgotten.
 */
function pagePools(
  { caches }: Recording,
  { nBatch, nSequences }: { readonly nBatch: number; readonly nSequences: number },
  nPages: number,
  maxPagesPerSequence: number,
): PlacedModel["pools"] {
  const whole = { nPages: wholeGroups(nPages) };
  const window = Math.max(0, ...caches.map((cache) => cache.window ?? 0));
  if (window === 0) return { whole, window: { nPages: 0 } };
  const needed = pagesOfWindow(window, nBatch);
  return {
    whole,
    window: {
      nPages: wholeGroups(Math.min(nPages, needed * nSequences)),
      window: needed < maxPagesPerSequence ? window : undefined,
    },
  };
}

function record(
  gguf: Gguf,
  model: ModelDescription,
  options: Omit<RecordOptions, "tensor">,
): Recording {
  const recorder = new Recorder({
    ...options,
    tensor(name) {
      const t = gguf.tensors.get(name);
      return (
        t && {
          name,
          shape: t.shape,
          type: plainType(t.type).id,
          typeName: t.type.name,
          offset: t.offset,
        }
      );
    },
  });
  model.forward(recorder);
  return recorder.finish();
}

/** One bank when everything fits, otherwise as many as it takes. */
function makeBanks(
  recording: Recording,
  limits: Omit<BankLimits, "planBytes" | "arenaBytes">,
  bankBytes?: number,
) {
  const whole = assignBanks(recording, Infinity, limits.nPages);
  const arena = allocateArena(inStages(recording, whole.segments), whole).arenaBytes[0];
  const fixed = fixedBytes({
    ...limits,
    planBytes: 4 * planBytes(recording, whole),
    arenaBytes: arena,
  });
  // vectors are repeated in every bank that uses them: leave room for one more copy of them all
  const vectors = recording.weights.reduce(
    (n, w) => n + (w.layout === "vector" ? align(w.bytes, 64) : 0),
    0,
  );
  const padding =
    64 * (recording.weights.length + 2 * recording.caches.length + recording.states.length);
  const largest = limits.maxBytes - fixed - vectors - padding;
  if (largest <= 0) {
    throw new MemoryError(
      `memory: expected working memory below 4 GiB, found ${fixed + vectors} bytes; use a smaller batch`,
    );
  }
  const banked = assignBanks(recording, Math.min(bankBytes ?? Infinity, largest), limits.nPages);
  const staged = inStages(recording, banked.segments);
  const { offsets, arenaBytes } = allocateArena(staged, banked);
  const plan = planBytes(recording, banked) + repackBytes(banked.banks.length);
  const banks = banked.banks.map(
    (contents, i) =>
      new Bank(i, contents, offsets[i], { ...limits, planBytes: plan, arenaBytes: arenaBytes[i] }),
  );
  return { banks, banked, staged };
}

const align = (n: number, to: number) => Math.ceil(n / to) * to;
