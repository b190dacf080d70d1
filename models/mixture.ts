// Hyperparameters of models that mix experts with dense layers and shared experts, and their
// feed-forward part: what deepseek and the many models of its shape have in common.
import * as blocks from "./blocks.ts";
import { ModelError } from "./errors.ts";
import type { Hparams, ModelKeys } from "./hparams.ts";
import type { Ops, RouteParams, Tensor } from "./ops.ts";

export interface MixtureHparams extends Hparams {
  /** Layers at the start with a dense feed-forward network. */
  readonly leadingDenseBlockCount: number;
  /** Of the layers after those, every n-th one has experts. */
  readonly interleaveMoeLayerStep: number;
  /** Width of the expert that every row goes through; 0: there is none. */
  readonly expertSharedFeedForwardLength: number;
  readonly expertRouting: Omit<RouteParams, "nUsed" | "selectionBias">;
}

// `expert_gating_func` of the file.
const GATINGS = [undefined, "softmax", "sigmoid", "softmaxOfSelected", "sqrtSoftplus"] as const;

/** Adds what a mixture has to `hp`; `defaults` where the file does not say. */
export function readMixture(
  keys: ModelKeys,
  hp: Hparams,
  defaults: Pick<RouteParams, "gating" | "normalise">,
): MixtureHparams {
  const gating = keys.u32("expert_gating_func", 0);
  if (gating >= GATINGS.length) {
    throw new ModelError({
      subject: `key "${keys.architecture}.expert_gating_func"`,
      expected: "1 (softmax), 2 (sigmoid), 3 (softmax of the selected) or 4 (sqrt of softplus)",
      found: String(gating),
      remedy: "this model needs a newer version of samebit",
    });
  }
  const sharedCount = keys.u32("expert_shared_count", 0);
  // 0 means "not set", as in llama.cpp.
  const scale = keys.float("expert_weights_scale", 0) || 1;
  return {
    ...hp,
    leadingDenseBlockCount: keys.u32("leading_dense_block_count", 0),
    interleaveMoeLayerStep: keys.u32("interleave_moe_layer_step", 1),
    expertSharedFeedForwardLength: keys.u32(
      "expert_shared_feed_forward_length",
      sharedCount * hp.expertFeedForwardLength,
    ),
    expertRouting: {
      gating: GATINGS[gating] ?? defaults.gating,
      normalise: keys.bool("expert_weights_norm", defaults.normalise),
      scale,
      ...readGroups(keys, hp),
    },
  };
}

/** Groups of experts, of which each row uses some. 0 or 1 group: there are none. */
function readGroups(
  keys: ModelKeys,
  { expertCount, expertUsedCount }: Hparams,
): Pick<RouteParams, "nGroup" | "nGroupUsed"> {
  const nGroup = keys.u32("expert_group_count", 0);
  const nGroupUsed = keys.u32("expert_group_used_count", 0);
  if (expertCount === 0 || nGroup <= 1) return {};
  if (expertCount % nGroup !== 0) {
    throw new ModelError({
      subject: `key "${keys.architecture}.expert_group_count"`,
      expected: `a divisor of the ${expertCount} experts`,
      found: String(nGroup),
    });
  }
  const least = Math.ceil((expertUsedCount * nGroup) / expertCount);
  if (nGroupUsed < least || nGroupUsed > nGroup) {
    throw new ModelError({
      subject: `key "${keys.architecture}.expert_group_used_count"`,
      expected: `${least} to ${nGroup} groups, for the ${expertUsedCount} experts that a token uses`,
      found: String(nGroupUsed),
    });
  }
  return { nGroup, nGroupUsed };
}

/** Whether layer `il` has experts. */
export function hasExperts(hp: MixtureHparams, il: number): boolean {
  const { leadingDenseBlockCount, interleaveMoeLayerStep: step } = hp;
  return hp.expertCount > 0 && il >= leadingDenseBlockCount && step > 0 && (il + 1) % step === 0;
}

/**
 * The feed-forward part of layer `il`: dense, or experts (`exp_probs_b.bias` takes part in the
 * choice) plus the shared expert.
 */
export function mixtureFfn(
  ops: Ops,
  hp: MixtureHparams,
  il: number,
  x: Tensor,
  block: Partial<blocks.ExpertsBlock> = {},
): Tensor {
  if (!hasExperts(hp, il)) return blocks.gatedFfn(ops, hp, il, x);
  const selectionBias = ops.optionalWeight(`blk.${il}.exp_probs_b.bias`, [hp.expertCount]);
  const chosen = blocks.experts(ops, hp, il, x, { ...hp.expertRouting, selectionBias, ...block });
  const width = hp.expertSharedFeedForwardLength;
  return width > 0 ? ops.add(chosen, blocks.sharedExpert(ops, hp, il, x, width)) : chosen;
}
