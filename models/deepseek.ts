// deepseek (DeepSeek MoE and V1) and bailingmoe (Ling 1). Llama's attention; dense layers first, then experts, whose weights are
// not renormalised, beside shared ones.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

export const deepseek: Architecture<MixtureHparams> = {
  names: ["deepseek", "bailingmoe"],
  hparams: (keys) =>
    readMixture(keys, readHparams(keys, "rms"), { gating: "softmax", normalise: false }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, bias: "optional", outputBias: "optional" }),
      ffn: (il, x) => mixtureFfn(ops, hp, il, x),
    });
    ops.logits(logits);
  },
};
