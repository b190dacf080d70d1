// arctic: Snowflake Arctic. Beside attention and a small dense network stand experts, which read the layer's
// input through a norm of their own.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const arctic: Architecture = {
  names: ["arctic"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    // feed_forward_length is that of the experts.
    const dense = { ...hp, feedForwardLength: hp.feedForwardLength.map(() => hp.embeddingLength) };
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { rope });
      const input = blocks.besideAttention(ops, hp, il, x);
      x = ops.add(input, a);
      x = ops.add(
        x,
        blocks.gatedFfn(ops, dense, il, blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`)),
      );
      const g = blocks.rmsNorm(ops, hp, input, `${blk}.ffn_norm_exps`);
      const chosen = blocks.experts(ops, hp, il, g, { gating: "softmax", normalise: true });
      x = blocks.endLayer(ops, il, ops.add(x, chosen));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
