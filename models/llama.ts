// llama: Llama 1-3, Mistral, SmolLM2, and Mixtral's experts. RMS pre-norm, rotary attention (pairs
// side by side), SiLU-gated feed-forward. Fine-tunes add biases; Llama 3.1 divides the angles by
// rope_freqs.weight.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const llama: Architecture = {
  names: ["llama"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, {
        rope,
        bias: "optional",
        outputBias: "optional",
      });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      const f =
        hp.expertCount > 0
          ? blocks.experts(ops, hp, il, g, { gating: "softmax", normalise: true })
          : blocks.gatedFfn(ops, hp, il, g, "silu", "optional");
      x = blocks.endLayer(ops, il, ops.add(x, f));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
