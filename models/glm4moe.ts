// glm4moe: GLM-4.5 and 4.6. Biases on q, k and v, heads of q and k normalised in the large ones, rotation of the
// leading half of each head; dense layers first, then experts chosen with a bias beside a shared one.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Tensor } from "./ops.ts";

export const glm4moe: Architecture<MixtureHparams> = {
  names: ["glm4moe"],
  hparams: (keys) =>
    readMixture(keys, readHparams(keys, "rms"), { gating: "sigmoid", normalise: false }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const qkNorm = (x: Tensor, name: string): Tensor =>
      ops.optionalWeight(`${name}_norm.weight`, [hp.keyLength])
        ? blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength)
        : x;
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, qkNorm, bias: "optional" }),
      ffn: (il, x) => mixtureFfn(ops, hp, il, x),
      ffnNorm: "post_attention_norm",
    });
    ops.logits(logits);
  },
};
