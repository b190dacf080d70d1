// olmo and olmoe: OLMo 1 has layer norms without weights and clamps q, k and v; OLMoE has experts, whose
// weights are not renormalised, and normalises q and k over their full width.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";

interface OlmoHparams extends Hparams {
  /** 0: q, k and v are not clamped. */
  readonly clampKqv: number;
}

export const olmo: Architecture<OlmoHparams> = {
  names: ["olmo"],
  hparams: (keys) => ({
    ...readHparams(keys, "layer"),
    clampKqv: keys.float("attention.clamp_kqv", 0),
  }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      norm: (x) => ops.layerNorm(x, { eps: hp.normEpsilon }),
      attention: () => ({ rope, clampKqv: hp.clampKqv }),
    });
    ops.logits(logits);
  },
};

export const olmoe: Architecture = {
  names: ["olmoe"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({
        rope,
        qkNorm: (x, name) => blocks.rmsNorm(ops, hp, x, `${name}_norm`),
      }),
      ffn: (il, x) => blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: false }),
    });
    ops.logits(logits);
  },
};
