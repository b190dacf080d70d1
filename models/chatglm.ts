// chatglm: ChatGLM 3 and GLM-4 of 2024. Fused q, k and v with biases, rotation of the leading half of each
// head, gate and up in one tensor.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const chatglm: Architecture = {
  names: ["chatglm"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    // Factors of other models: this one's rotation takes none (llama.cpp).
    const rope = { ...blocks.ropeParams(ops, hp, "norm"), factors: undefined };
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, bias: "optional" }),
      ffn: (il, x) => blocks.fusedGatedFfn(ops, hp, il, x),
    });
    ops.logits(logits);
  },
};
