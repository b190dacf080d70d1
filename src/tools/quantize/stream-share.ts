// How much the error of a tensor matters to the whole. Blocks add to the residual stream, and the next norm divides by what the
// stream has become: noise counts by its share of the stream at the point where it enters, whatever the layer. So the price of
// an error is (energy that its block writes) / (energy of the stream after it). Found with the KL divergence of one tensor at
// a time, which it follows over three orders of magnitude: bench/RESULTS.md.

import { isTokenEmbedding, roleOf } from "./roles.ts";
import type { Sensitivity } from "./sensitivity.ts";

/** Tensors whose products are added to the stream. */
const WRITERS =
  /\.(attn_output|attn_out|ssm_out|time_mix_output|shortconv\.out_proj|ffn_down|channel_mix_value)(_exps|_shexp)?\./;
const FEED_FORWARD = /\.(ffn_|channel_mix_)/;

/**
 * What remains of an error on its way through the rest of its block, where the noise points elsewhere than the signal: measured
 * on tldr-6m (0.3 to 0.8 for gate and up, 0.3 to 0.7 for q and k). Values only pass through the matrix that writes.
 */
const WITHIN_BLOCK = 0.5;
/** The output is what all the stream goes through. Measured on tldr-6m, where it is the embeddings, too: 4.8 for both. */
const OUTPUT = 4,
  EMBEDDING = 1;

/** By tensor: what a relative squared error of 1 costs. */
export function streamShares(measured: readonly Sensitivity[]): Map<string, number> {
  let stream = 0;
  const written = new Map<string, number>();
  for (const { tensor, energy } of measured) {
    const { name, shape } = tensor.source;
    if (name === "token_embd.weight") stream += energy / shape[1];
    if (!WRITERS.test(name) || tensor.importance === undefined) continue;
    // of experts one: the router's weights add up to 1
    const part = partOf(name);
    written.set(part, (written.get(part) ?? 0) + energy / (shape[2] ?? 1));
  }
  const shares = new Map<string, number>();
  for (const part of [...written.keys()].sort(inStreamOrder)) {
    const energy = written.get(part)!;
    stream += energy;
    shares.set(part, stream > 0 ? energy / stream : 0);
  }
  const tied = !measured.some(({ tensor }) => tensor.source.name === "output.weight");
  const typical = mean([...shares.values()]);
  return new Map(
    measured.map(({ tensor: { source } }) => {
      const { name } = source,
        share = shares.get(partOf(name)) ?? typical;
      if (name === "output.weight") return [name, OUTPUT];
      if (isTokenEmbedding(name)) return [name, tied ? EMBEDDING + OUTPUT : EMBEDDING];
      const passes = WRITERS.test(name) || roleOf(name) === "attnV";
      return [name, passes ? share : share * WITHIN_BLOCK];
    }),
  );
}

/** The half of a block that a tensor belongs to: attention or what stands for it, or the feed-forward network. */
function partOf(name: string): string {
  const block = /^.*?blk\.\d+/.exec(name)?.[0] ?? "";
  return `${block} ${FEED_FORWARD.test(name) ? 1 : 0}`;
}

function inStreamOrder(a: string, b: string): number {
  const place = (part: string) => part.split(/blk\.| /);
  const [stackA, layerA, halfA] = place(a),
    [stackB, layerB, halfB] = place(b);
  // an encoder comes before its decoder
  if (stackA !== stackB) return stackA > stackB ? -1 : 1;
  return Number(layerA) - Number(layerB) || Number(halfA) - Number(halfB);
}

const mean = (numbers: readonly number[]) =>
  numbers.reduce((a, b) => a + b, 0) / Math.max(numbers.length, 1);
