// granitehybrid: Granite with Mamba-2 in most layers (those without kv heads). Granite's four scales,
// rotary positions only where the file asks for them, experts with one that every row shares, or a
// plain gated network.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readSsm, type SsmHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";
import { mamba2Mixer } from "./recurrent-blocks.ts";

interface GraniteHybridHparams extends Hparams {
  readonly ssm: SsmHparams;
  readonly embeddingScale: number;
  readonly residualScale: number;
  /** Divides the logits. */
  readonly logitScale: number;
  readonly hasRope: boolean;
  /** 0: no shared expert. */
  readonly expertSharedFeedForwardLength: number;
}

export const graniteHybrid: Architecture<GraniteHybridHparams> = {
  names: ["granitehybrid"],
  hparams: (keys) => ({
    ...readHparams(keys, "rms"),
    ssm: readSsm(keys),
    embeddingScale: keys.float("embedding_scale", 1),
    residualScale: keys.float("residual_scale", 1),
    logitScale: keys.float("logit_scale", 1),
    hasRope: keys.bool("rope.scaling.finetuned", true),
    expertSharedFeedForwardLength: keys.u32("expert_shared_feed_forward_length", 0),
  }),

  forward(ops, hp) {
    const rope = hp.hasRope ? blocks.ropeParams(ops, hp, "norm") : undefined;
    let x = ops.scale(blocks.embedTokens(ops, hp), hp.embeddingScale);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const bias = { bias: "optional", outputBias: "optional" } as const;
      const mixed =
        hp.headCountKv[il] > 0
          ? blocks.attention(ops, hp, il, h, { rope, ...bias })
          : mamba2Mixer(ops, hp, il, h);
      x = ops.add(ops.scale(mixed, hp.residualScale), blocks.besideAttention(ops, hp, il, x));

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      const f =
        hp.expertCount > 0
          ? experts(ops, hp, il, g)
          : blocks.gatedFfn(ops, hp, il, g, "silu", "optional");
      x = blocks.endLayer(ops, il, ops.add(ops.scale(f, hp.residualScale), x));
    }
    const logits = blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm"));
    ops.logits(ops.scale(logits, 1 / hp.logitScale));
  },
};

function experts(ops: Ops, hp: GraniteHybridHparams, il: number, x: Tensor): Tensor {
  const chosen = blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: true });
  const width = hp.expertSharedFeedForwardLength;
  if (width === 0) return chosen;
  const blk = `blk.${il}`;
  const gate = blocks.linear(ops, x, `${blk}.ffn_gate_shexp`, width);
  const up = blocks.linear(ops, x, `${blk}.ffn_up_shexp`, width);
  const shared = ops.gated("silu", gate, up);
  return ops.add(chosen, blocks.linear(ops, shared, `${blk}.ffn_down_shexp`, hp.embeddingLength));
}
