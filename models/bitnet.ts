// bitnet: BitNet b1.58. A norm more before each output projection; each ternary matrix has a factor of
// one element (`.scale`, blocks.ts); the embedding serves as output.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import type { Activation } from "./ops.ts";

interface BitnetHparams extends Hparams {
  readonly hiddenAct: Activation;
}

export const bitnet: Architecture<BitnetHparams> = {
  names: ["bitnet"],
  hparams: (keys) => ({
    ...readHparams(keys, "rms"),
    // The 2B-4T model says relu2; files without the key are older and mean SiLU.
    hiddenAct: keys.string("hidden_act", "silu") === "relu2" ? "relu2" : "silu",
  }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, {
        rope,
        outputBias: "optional",
        subNorm: (y) => blocks.rmsNorm(ops, hp, y, `${blk}.attn_sub_norm`),
      });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      const width = hp.feedForwardLength[il];
      const gate = blocks.linear(ops, g, `${blk}.ffn_gate`, width);
      const up = blocks.linear(ops, g, `${blk}.ffn_up`, width);
      const gated = ops.gated(hp.hiddenAct, gate, up);
      const sub = blocks.rmsNorm(ops, hp, gated, `${blk}.ffn_sub_norm`);
      const f = blocks.linear(ops, sub, `${blk}.ffn_down`, hp.embeddingLength);
      x = blocks.endLayer(ops, il, ops.add(x, f));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
