// exaone-moe: K-EXAONE. Three of four layers have a window, and those alone rotate; heads of q and k
// normalised; dense layers first, then experts chosen with a bias beside a shared one.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams, readWindows } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

interface ExaoneMoeHparams extends MixtureHparams {
  readonly windows: readonly (number | undefined)[];
}

export const exaoneMoe: Architecture<ExaoneMoeHparams> = {
  names: ["exaone-moe"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...readMixture(keys, hp, { gating: "sigmoid", normalise: false }),
      expertSharedFeedForwardLength:
        keys.u32("expert_shared_feed_forward_length", 0) || hp.expertFeedForwardLength,
      windows: readWindows(keys, hp.blockCount, 4, 128),
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention(il) {
        const window = hp.windows[il];
        return {
          rope: window ? rope : undefined,
          window,
          qkNorm: (x, name) => blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength),
        };
      },
      ffn: (il, x) => mixtureFfn(ops, hp, il, x),
    });
    ops.logits(logits);
  },
};
