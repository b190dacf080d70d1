// stablelm: StableLM 3B and 2. Layer norms, rotation of the leading part of each head. The 12B model
// normalises every head of q and k, has no ffn_norm, and puts attention and feed-forward side by side.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import type { Tensor } from "./ops.ts";

export const stablelm: Architecture = {
  names: ["stablelm"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const qkNorm = (x: Tensor, name: string): Tensor => {
      const shape = [hp.keyLength, x.width / hp.keyLength];
      const weight = ops.optionalWeight(`${name}_norm.weight`, shape);
      if (weight === undefined) return x;
      return ops.layerNorm(x, { eps: hp.normEpsilon, weight, group: hp.keyLength });
    };
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const isSequential = ops.optionalWeight(`${blk}.ffn_norm.weight`, [hp.embeddingLength]);
      const h = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { rope, bias: "optional", qkNorm });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);
      const g = isSequential
        ? blocks.layerNorm(ops, hp, x, `${blk}.ffn_norm`)
        : blocks.besideAttention(ops, hp, il, h);
      x = blocks.endLayer(ops, il, ops.add(x, blocks.gatedFfn(ops, hp, il, g)));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.layerNorm(ops, hp, x, "output_norm")));
  },
};
