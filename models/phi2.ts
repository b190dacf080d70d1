// phi2: attention and feed-forward side by side from one layer norm, biases everywhere, the output's
// included, rotation of the leading part of each head.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const phi2: Architecture = {
  names: ["phi2"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const h = blocks.layerNorm(ops, hp, x, `blk.${il}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, {
        rope,
        bias: "required",
        outputBias: "required",
      });
      const beside = blocks.besideAttention(ops, hp, il, h);
      const f = blocks.plainFfn(ops, hp, il, beside, "gelu", "required");
      x = ops.add(blocks.besideAttention(ops, hp, il, x), ops.add(a, f));
      x = blocks.endLayer(ops, il, x);
    }
    const out = blocks.layerNorm(ops, hp, x, "output_norm");
    ops.logits(blocks.outputLogits(ops, hp, out, "required"));
  },
};
