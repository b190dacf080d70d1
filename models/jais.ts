// jais and jais2: layer norms and biases everywhere. Jais 1 has ALiBi, scores divided by the length of a
// head, and a SiLU gate; Jais 2 rotates and has a squared ReLU without a gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";

interface JaisHparams extends Hparams {
  readonly maxAlibiBias: number;
}

export const jais: Architecture<JaisHparams> = {
  names: ["jais"],
  hparams: (keys) => ({
    ...readHparams(keys, "layer"),
    maxAlibiBias: keys.float("attention.max_alibi_bias", 0),
  }),

  forward(ops, hp) {
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      norm: (x, name) => blocks.layerNorm(ops, hp, x, name),
      attention: () => ({
        alibiMaxBias: hp.maxAlibiBias || undefined,
        scale: 1 / hp.keyLength,
        bias: "required",
        outputBias: "required",
      }),
      ffn: (il, x) => blocks.gatedFfn(ops, hp, il, x, "silu", "required"),
    });
    ops.logits(logits);
  },
};

export const jais2: Architecture = {
  names: ["jais2"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      norm: (x, name) => blocks.layerNorm(ops, hp, x, name),
      attention: () => ({ rope, bias: "optional", outputBias: "required" }),
      ffn: (il, x) => blocks.plainFfn(ops, hp, il, x, "relu2", "required"),
    });
    ops.logits(logits);
  },
};
