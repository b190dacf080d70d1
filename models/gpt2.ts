// gpt2: learned positions added to the embedding, layer norms and projections with biases, GELU, no
// gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const gpt2: Architecture = {
  names: ["gpt2"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const positions = ops.weight("position_embd.weight", [hp.embeddingLength, hp.contextLength]);
    let x = ops.add(blocks.embedTokens(ops, hp), ops.embedAt(positions, "position"));
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { bias: "required", outputBias: "required" });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.layerNorm(ops, hp, x, `${blk}.ffn_norm`);
      const f = blocks.plainFfn(ops, hp, il, g, "gelu", "required");
      x = blocks.endLayer(ops, il, ops.add(x, f));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.layerNorm(ops, hp, x, "output_norm")));
  },
};
