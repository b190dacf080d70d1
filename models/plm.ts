// plm: PLM 1.8B. Latent attention in its unabsorbed form, a squared ReLU without a gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { latentAttention, type LatentHparams, readLatent } from "./latent-attention.ts";

export const plm: Architecture<LatentHparams> = {
  names: ["plm"],
  hparams: (keys) => readLatent(keys, readHparams(keys, "rms")),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      mixer: (il, x) => latentAttention(ops, hp, il, x, rope),
      ffn: (il, x) => blocks.plainFfn(ops, hp, il, x, "relu2"),
    });
    ops.logits(logits);
  },
};
