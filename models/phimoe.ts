// phimoe: Phi-3.5-MoE. Norms and projections with biases, the output's included, long-rope factors, experts
// with renormalised weights. The model was published with layer norms; llama.cpp computes RMS norms with the
// bias, which is what files are made and tested for, and so it is here.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const phimoe: Architecture = {
  names: ["phimoe"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      norm: (x, name) =>
        ops.rmsNorm(x, {
          eps: hp.normEpsilon,
          weight: ops.weight(`${name}.weight`, [x.width]),
          bias: ops.weight(`${name}.bias`, [x.width]),
        }),
      attention: () => ({ rope, bias: "required", outputBias: "required" }),
      ffn: (il, x) => blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: true }),
      outputBias: "required",
    });
    ops.logits(logits);
  },
};
