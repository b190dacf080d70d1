// qwen2 and qwen2moe: Qwen 1.5 to 2.5. Llama's shape with biases on q, k and v, and rotary pairs half a
// head apart. qwen2moe has experts, whose weights are not renormalised, and one that every row shares.
// qwen2vl's text part is qwen2: its rotation by several axes is a plain one where all have one position.
// qwen is the first Qwen.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

export const qwen2: Architecture = {
  names: ["qwen2", "qwen2vl"],
  hparams: (keys) => readHparams(keys, "rms"),
  forward: dense,
};

export const qwen: Architecture = {
  names: ["qwen"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    // The file's number counts gate and up together.
    return { ...hp, feedForwardLength: hp.feedForwardLength.map((width) => width / 2) };
  },
  forward: dense,
};

function dense(ops: Ops, hp: Hparams): void {
  forward(ops, hp, (il, x) => blocks.gatedFfn(ops, hp, il, x));
}

export interface SharedExpertHparams extends Hparams {
  readonly expertSharedFeedForwardLength: number;
}

/** The common hyperparameters and the widths of the experts. */
export function readSharedExpert(keys: ModelKeys): SharedExpertHparams {
  const hp = readHparams(keys, "rms");
  const [width] = hp.feedForwardLength;
  return {
    ...hp,
    // Early files lack both keys (llama.cpp derives them in the same way).
    expertFeedForwardLength: keys.u32("expert_feed_forward_length", width / hp.expertUsedCount),
    expertSharedFeedForwardLength: keys.u32("expert_shared_feed_forward_length", width),
  };
}

export const qwen2moe: Architecture<SharedExpertHparams> = {
  names: ["qwen2moe"],
  hparams: readSharedExpert,

  forward: (ops, hp) =>
    forward(ops, hp, (il, x) => {
      const chosen = blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: false });
      return ops.add(chosen, sharedExpert(ops, hp, il, x));
    }),
};

/** One expert for all rows, weighed by the sigmoid of a score: a routing with a single expert. */
export function sharedExpert(ops: Ops, hp: SharedExpertHparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const width = hp.expertSharedFeedForwardLength;
  const score = blocks.linear(ops, x, `${blk}.ffn_gate_inp_shexp`, 1);
  const routing = ops.route(score, { nUsed: 1, gating: "sigmoid", normalise: false });
  const gate = blocks.linear(ops, x, `${blk}.ffn_gate_shexp`, width);
  const up = blocks.linear(ops, x, `${blk}.ffn_up_shexp`, width);
  const gated = ops.gated("silu", gate, up);
  const down = blocks.linear(ops, gated, `${blk}.ffn_down_shexp`, hp.embeddingLength);
  return ops.expertSum(down, routing);
}

function forward(ops: Ops, hp: Hparams, ffn: (il: number, x: Tensor) => Tensor): void {
  const rope = blocks.ropeParams(ops, hp, "neox");
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const a = blocks.attention(ops, hp, il, h, { rope, bias: "required" });
    x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

    const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
    x = blocks.endLayer(ops, il, ops.add(x, ffn(il, g)));
  }
  const out = blocks.rmsNorm(ops, hp, x, "output_norm");
  ops.logits(blocks.outputLogits(ops, hp, out, "optional"));
}
