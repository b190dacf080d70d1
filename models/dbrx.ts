// dbrx: layer norms without biases, q, k and v clamped, experts in every layer.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";

interface DbrxHparams extends Hparams {
  readonly clampKqv: number;
}

export const dbrx: Architecture<DbrxHparams> = {
  names: ["dbrx"],
  hparams: (keys) => ({
    ...readHparams(keys, "layer"),
    clampKqv: keys.float("attention.clamp_kqv"),
  }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      norm: (x, name) => blocks.layerNorm(ops, hp, x, name, "none"),
      attention: () => ({ rope, clampKqv: hp.clampKqv }),
      ffn: (il, x) => blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: true }),
      ffnNorm: "attn_output_norm",
    });
    ops.logits(logits);
  },
};
