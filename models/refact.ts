// refact: Llama's shape with ALiBi in place of rotation.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

// llama.cpp has the same number; files do not carry it.
const ALIBI_MAX_BIAS = 8;

export const refact: Architecture = {
  names: ["refact"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ alibiMaxBias: ALIBI_MAX_BIAS, bias: "optional" }),
    });
    ops.logits(logits);
  },
};
