// grok: Grok 1 and 2. Scores capped, norms before and after each part, experts with GELU, which in Grok 2 stand
// beside a dense network.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import type { Ops, RopeParams, Tensor } from "./ops.ts";

interface GrokHparams extends Hparams {
  readonly embeddingScale: number;
  /** Multiplies the logits. */
  readonly logitScale: number;
  readonly attnLogitSoftcapping: number;
  /** 0: logits are not capped. */
  readonly finalLogitSoftcapping: number;
  readonly yarn: Pick<NonNullable<RopeParams["yarn"]>, "betaFast" | "betaSlow">;
}

// The defaults are those of Grok 1, as llama.cpp has them: its files carry no such keys.
export const grok: Architecture<GrokHparams> = {
  names: ["grok"],
  hparams: (keys) => ({
    ...readHparams(keys, "rms"),
    embeddingScale: keys.float("embedding_scale", 78.38367176906169),
    logitScale: keys.float("logit_scale", 0.5773502691896257),
    attentionScale: keys.float("attention.output_scale", 0.08838834764831845),
    attnLogitSoftcapping: keys.float("attn_logit_softcapping", 30),
    finalLogitSoftcapping: keys.float("final_logit_softcapping", 0),
    yarn: {
      betaFast: keys.float("rope.scaling.yarn_beta_fast", 8),
      betaSlow: keys.float("rope.scaling.yarn_beta_slow", 1),
    },
  }),

  forward(ops, hp) {
    const plain = blocks.ropeParams(ops, hp, "neox");
    const rope = { ...plain, yarn: plain.yarn && { ...plain.yarn, ...hp.yarn } };
    const x = ops.scale(blocks.embedTokens(ops, hp), hp.embeddingScale);
    const logits = blocks.preNormForward(ops, hp, x, {
      attention: () => ({ rope, softcap: hp.attnLogitSoftcapping }),
      ffn: (il, h) => ffn(ops, hp, il, h),
      post: (il, y, of) => blocks.rmsNorm(ops, hp, y, `blk.${il}.${postNorm(ops, il, y, of)}`),
    });
    const scaled = ops.scale(logits, hp.logitScale);
    const cap = hp.finalLogitSoftcapping;
    ops.logits(cap > 0 ? ops.softcap(scaled, cap) : scaled);
  },
};

function postNorm(ops: Ops, il: number, y: Tensor, of: "attention" | "ffn"): string {
  if (of === "attention") return "attn_output_norm";
  const isOld = ops.optionalWeight(`blk.${il}.layer_output_norm.weight`, [y.width]) !== undefined;
  return isOld ? "layer_output_norm" : "post_ffw_norm";
}

function ffn(ops: Ops, hp: GrokHparams, il: number, x: Tensor): Tensor {
  const gate = { gate: "gelu", gating: "softmax", normalise: true } as const;
  const chosen = blocks.experts(ops, hp, il, x, gate);
  const up = [x.width, hp.feedForwardLength[il]];
  if (ops.optionalWeight(`blk.${il}.ffn_up.weight`, up) === undefined) return chosen;
  return ops.scale(ops.add(blocks.gatedFfn(ops, hp, il, x, "gelu"), chosen), Math.SQRT1_2);
}
