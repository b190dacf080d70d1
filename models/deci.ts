// deci: DeciLM and the Nemotrons that NVIDIA pruned from Llama (51B, 49B, 253B). Llama's shape, where layers
// may lack attention, have a single matrix in its place (no kv heads), or lack the feed-forward part.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const deci: Architecture = {
  names: ["deci"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      if (hp.headCount[il] === 0) x = blocks.besideAttention(ops, hp, il, x);
      else {
        const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
        const bias = { bias: "optional", outputBias: "optional" } as const;
        const a =
          hp.headCountKv[il] > 0
            ? blocks.attention(ops, hp, il, h, { rope, ...bias })
            : blocks.linear(
                ops,
                blocks.besideAttention(ops, hp, il, h),
                `${blk}.attn_output`,
                hp.embeddingLength,
              );
        x = ops.add(blocks.besideAttention(ops, hp, il, x), a);
      }
      if (hp.feedForwardLength[il] > 0) {
        const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
        x = ops.add(x, blocks.gatedFfn(ops, hp, il, g, "silu", "optional"));
      }
      x = blocks.endLayer(ops, il, x);
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
