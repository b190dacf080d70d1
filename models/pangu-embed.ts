// pangu-embedded: Pangu Embedded. Llama's shape with biases in attention and rotary pairs half a head apart.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const panguEmbedded: Architecture = {
  names: ["pangu-embedded"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, bias: "optional", outputBias: "required" }),
    });
    ops.logits(logits);
  },
};
