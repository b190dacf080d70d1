// phi3: Phi-3, 3.5 and 4-mini. q, k and v in one tensor, gate and up in another, long-rope factors.
// The file's `attention.sliding_window` is not applied: llama.cpp does not either, and the models
// do not need it.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const phi3: Architecture = {
  names: ["phi3"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { rope, bias: "optional" });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, blocks.fusedGatedFfn(ops, hp, il, g)));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
