// glm4: GLM-4 of 2025. Norms before and after attention and feed-forward, gate and up in one tensor,
// rotation of the leading half of each head, pairs side by side.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const glm4: Architecture = {
  names: ["glm4"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { rope, bias: "optional" });
      const aNorm = blocks.rmsNorm(ops, hp, a, `${blk}.post_attention_norm`);
      x = ops.add(blocks.besideAttention(ops, hp, il, x), aNorm);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      const f = blocks.fusedGatedFfn(ops, hp, il, g);
      const fNorm = blocks.rmsNorm(ops, hp, f, `${blk}.post_ffw_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, fNorm));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
