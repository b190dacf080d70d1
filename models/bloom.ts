// bloom: ALiBi, a norm right after the embedding, layer norms and projections with biases, GELU without a
// gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

// BLOOM's own; files do not carry it.
const MAX_ALIBI_BIAS = 8;

export const bloom: Architecture = {
  names: ["bloom"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const x = blocks.layerNorm(ops, hp, blocks.embedTokens(ops, hp), "token_embd_norm");
    const logits = blocks.preNormForward(ops, hp, x, {
      norm: (y, name) => blocks.layerNorm(ops, hp, y, name),
      attention: () => ({
        alibiMaxBias: MAX_ALIBI_BIAS,
        bias: "required",
        outputBias: "required",
      }),
      ffn: (il, y) => blocks.plainFfn(ops, hp, il, y, "gelu", "required"),
    });
    ops.logits(logits);
  },
};
