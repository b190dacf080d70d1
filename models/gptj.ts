// gptj: GPT-J. Attention and feed-forward side by side from one layer norm; rotation of the leading part of
// each head, pairs side by side; biases in the feed-forward part and the output only. llama.cpp knows the
// name and the tensors, but does not run it: the shape is that of the GGUF specification and the model's paper.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const gptj: Architecture = {
  names: ["gptj"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const h = blocks.layerNorm(ops, hp, x, `blk.${il}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { rope });
      const beside = blocks.besideAttention(ops, hp, il, h);
      const f = blocks.plainFfn(ops, hp, il, beside, "gelu", "required");
      x = ops.add(blocks.besideAttention(ops, hp, il, x), ops.add(a, f));
      x = blocks.endLayer(ops, il, x);
    }
    const out = blocks.layerNorm(ops, hp, x, "output_norm");
    ops.logits(blocks.outputLogits(ops, hp, out, "optional"));
  },
};
