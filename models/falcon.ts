// falcon: attention and feed-forward side by side, from one layer norm (7B) or from two (40B, where
// attn_norm_2 feeds the attention and attn_norm the feed-forward network).
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const falcon: Architecture = {
  names: ["falcon"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const norm2 = ops.optionalWeight(`${blk}.attn_norm_2.weight`, [hp.embeddingLength]);
      const g = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm`);
      const h = norm2 ? blocks.layerNorm(ops, hp, x, `${blk}.attn_norm_2`) : g;
      const a = blocks.attention(ops, hp, il, h, { rope });
      const f = blocks.plainFfn(ops, hp, il, blocks.besideAttention(ops, hp, il, g), "gelu");
      x = ops.add(blocks.besideAttention(ops, hp, il, x), ops.add(a, f));
      x = blocks.endLayer(ops, il, x);
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.layerNorm(ops, hp, x, "output_norm")));
  },
};
