// internlm2 and xverse: InternLM 2, XVERSE. Llama's shape as it was at first; InternLM has optional
// biases (InternLM 3 is converted as llama).
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const internlm2: Architecture = {
  names: ["internlm2", "xverse"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, bias: "optional", outputBias: "optional" }),
    });
    ops.logits(logits);
  },
};
