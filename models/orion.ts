// orion: Llama's shape with layer norms, biases included, and rotary pairs half a head apart.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const orion: Architecture = {
  names: ["orion"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      norm: (x, name) => blocks.layerNorm(ops, hp, x, name),
      attention: () => ({ rope }),
    });
    ops.logits(logits);
  },
};
