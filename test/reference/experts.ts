// Routing of one row to its experts.
import type { RouteParams, Routing, Tensor } from "../../models/ops.ts";
import { sigmoid, softmax, softplus } from "./activations.ts";
import { sum, weightOf } from "./value.ts";

/** The smallest sum by which weights are divided: the smallest normal f16, as in llama.cpp. */
const MIN_SUM = 6.103515625e-5;

export interface Choice {
  /** Best first. */
  readonly experts: readonly number[];
  readonly weights: Float32Array;
}

/** A routing with the choice of every row. */
export interface ReferenceRouting extends Routing {
  readonly choices: readonly Choice[];
}

export function routingOf(routing: Routing): ReferenceRouting {
  return routing as ReferenceRouting;
}

/**
 * The slot's part of a row that holds one part per used expert, or the whole row where all slots
 * share it.
 */
export function slotOf(row: Float32Array, slot: number, x: Tensor, width: number): Float32Array {
  return x.width === width ? row : row.subarray(slot * width, (slot + 1) * width);
}

export function chooseExperts(row: Float32Array, params: RouteParams): Choice {
  const logits = [...row];
  const probabilities = gate(logits, params.gating);
  const bias = params.selectionBias ? weightOf(params.selectionBias).data : undefined;
  const scores = probabilities.map((p, e) => p + (bias ? bias[e] : 0));
  const allowed = groupsAllowed(scores, params);
  const experts = best(
    scores.map((s, e) => (allowed(e) ? s : -Infinity)),
    params.nUsed,
  );

  let weights = experts.map((e) => probabilities[e]);
  if (params.gating === "softmaxOfSelected") weights = softmax(weights);
  if (params.normalise) {
    const total = Math.max(sum(weights), MIN_SUM);
    weights = weights.map((w) => w / total);
  }
  return { experts, weights: Float32Array.from(weights, (w) => w * (params.scale ?? 1)) };
}

function gate(logits: number[], gating: RouteParams["gating"]): number[] {
  switch (gating) {
    case "softmax":
      return softmax(logits);
    case "sigmoid":
      return logits.map(sigmoid);
    case "sqrtSoftplus":
      return logits.map((x) => Math.sqrt(softplus(x)));
    case "softmaxOfSelected":
      return logits;
  }
}

/** Indices of the `count` largest, best first, ties to the lower index. */
function best(scores: readonly number[], count: number): number[] {
  return [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);
}

/**
 * Which experts may be chosen: those of the best groups, a group being worth its two best scores.
 */
function groupsAllowed(
  scores: readonly number[],
  params: RouteParams,
): (expert: number) => boolean {
  const nGroup = params.nGroup ?? 1;
  if (nGroup <= 1) return () => true;
  const size = scores.length / nGroup;
  const worth = Array.from({ length: nGroup }, (_, g) => {
    const group = scores.slice(g * size, (g + 1) * size);
    return sum(best(group, 2).map((e) => group[e]));
  });
  const groups = best(worth, params.nGroupUsed ?? nGroup);
  return (expert) => groups.includes(Math.floor(expert / size));
}
