// smollm3: Llama's shape; every fourth layer does not rotate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

// llama.cpp has the same number; files do not carry it.
const NO_ROPE_STEP = 4;

export const smollm3: Architecture = {
  names: ["smollm3"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: (il) => ({
        rope: (il + 1) % NO_ROPE_STEP === 0 ? undefined : rope,
        bias: "optional",
        outputBias: "optional",
      }),
      ffn: (il, x) => blocks.gatedFfn(ops, hp, il, x, "silu", "optional"),
    });
    ops.logits(logits);
  },
};
