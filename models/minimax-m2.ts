// minimax-m2: MiniMax M2. Rotation of the leading part of each head; q and k normalised over their full width;
// experts in every layer, chosen with a bias.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

export const minimaxM2: Architecture<MixtureHparams> = {
  names: ["minimax-m2"],
  hparams: (keys) =>
    readMixture(keys, readHparams(keys, "rms"), { gating: "sigmoid", normalise: true }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({
        rope,
        qkNorm: (x, name) => blocks.rmsNorm(ops, hp, x, `${name}_norm`),
      }),
      ffn: (il, x) => mixtureFfn(ops, hp, il, x),
    });
    ops.logits(logits);
  },
};
