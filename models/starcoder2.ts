// starcoder2 and codeshell: layer norms, biases on every projection, rotary attention in groups, GELU without a
// gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const starcoder2: Architecture = {
  names: ["starcoder2", "codeshell"],
  hparams: (keys) => readHparams(keys, "layer"),

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
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.layerNorm(ops, hp, x, `${blk}.ffn_norm`);
      const f = blocks.plainFfn(ops, hp, il, g, "gelu", "required");
      x = blocks.endLayer(ops, il, ops.add(x, f));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.layerNorm(ops, hp, x, "output_norm")));
  },
};
