// bailingmoe2: Ling 2.0, Ring. Heads of q and k normalised; dense layers first, then experts chosen in groups
// with a bias beside shared ones.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

export const bailingmoe2: Architecture<MixtureHparams> = {
  names: ["bailingmoe2"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const width = keys.u32("expert_shared_feed_forward_length", 0) || hp.expertFeedForwardLength;
    return {
      ...readMixture(keys, hp, { gating: "sigmoid", normalise: false }),
      expertSharedFeedForwardLength: width * keys.u32("expert_shared_count"),
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({
        rope,
        qkNorm: (x, name) => blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength),
      }),
      ffn: (il, x) => mixtureFfn(ops, hp, il, x),
    });
    ops.logits(logits);
  },
};
