// gptneox: GPT-NeoX, Pythia. Fused q, k, v and biases everywhere, rotation of the leading part of each
// head; attention and feed-forward side by side (each with its own norm) or one after the other.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";

interface GptNeoxHparams extends Hparams {
  readonly useParallelResidual: boolean;
}

export const gptneox: Architecture<GptNeoxHparams> = {
  names: ["gptneox"],
  hparams: (keys) => ({
    ...readHparams(keys, "layer"),
    useParallelResidual: keys.bool("use_parallel_residual", true),
  }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, {
        rope,
        bias: "required",
        outputBias: "required",
      });
      x = blocks.besideAttention(ops, hp, il, x);
      const sum = ops.add(x, a);
      const g = blocks.layerNorm(ops, hp, hp.useParallelResidual ? x : sum, `${blk}.ffn_norm`);
      const f = blocks.plainFfn(ops, hp, il, g, "gelu", "required");
      x = blocks.endLayer(ops, il, ops.add(sum, f));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.layerNorm(ops, hp, x, "output_norm")));
  },
};
