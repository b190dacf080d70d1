// nemotron: layer norms with biases, rotation of the leading part of each head, a squared ReLU without a
// gate. Its norm weights hold the +1 already.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const nemotron: Architecture = {
  names: ["nemotron"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      norm: (x, name) => blocks.layerNorm(ops, hp, x, name),
      attention: () => ({ rope, bias: "optional", outputBias: "optional" }),
      ffn: (il, x) => blocks.plainFfn(ops, hp, il, x, "relu2", "optional"),
    });
    ops.logits(logits);
  },
};
