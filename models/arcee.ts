// arcee: Arcee AFM. Llama's shape with a squared ReLU in place of the gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const arcee: Architecture = {
  names: ["arcee"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, bias: "optional", outputBias: "optional" }),
      ffn: (il, x) => blocks.plainFfn(ops, hp, il, x, "relu2", "optional"),
    });
    ops.logits(logits);
  },
};
