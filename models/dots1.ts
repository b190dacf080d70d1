// dots1: heads of q and k normalised; dense layers first, then experts chosen with a bias beside a shared
// one.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

export const dots1: Architecture<MixtureHparams> = {
  names: ["dots1"],
  hparams: (keys) =>
    readMixture(keys, readHparams(keys, "rms"), { gating: "softmax", normalise: false }),

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
