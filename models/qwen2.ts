// qwen2: Qwen 2 and 2.5. Llama's shape with biases on q, k and v, and rotary pairs half a head
// apart.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const qwen2: Architecture = {
  names: ["qwen2"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { rope, bias: "required" });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, blocks.gatedFfn(ops, hp, il, g)));
    }
    const out = blocks.rmsNorm(ops, hp, x, "output_norm");
    ops.logits(blocks.outputLogits(ops, hp, out, "optional"));
  },
};
