// glm4moe: GLM-4.5 and 4.6. Biases on q, k and v, heads of q and k normalised in the large ones, rotation of the
// leading half of each head; dense layers first, then experts chosen with a bias beside a shared one.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Tensor } from "./ops.ts";

export const glm4moe: Architecture<MixtureHparams> = {
  names: ["glm4moe"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const mixture = readMixture(keys, hp, { gating: "sigmoid", normalise: false });
    // The last layers predict further tokens; they take no part in the next one.
    return { ...mixture, blockCount: hp.blockCount - keys.u32("nextn_predict_layers", 0) };
  },

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
