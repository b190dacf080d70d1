// starcoder: SantaCoder, StarCoder 1. GPT-2's shape with one key and value head for all queries.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const starcoder: Architecture = {
  names: ["starcoder"],
  hparams: (keys) => readHparams(keys, "layer"),

  forward(ops, hp) {
    const positions = ops.weight("position_embd.weight", [hp.embeddingLength, hp.contextLength]);
    const x = ops.add(blocks.embedTokens(ops, hp), ops.embedAt(positions, "position"));
    const logits = blocks.preNormForward(ops, hp, x, {
      norm: (y, name) => blocks.layerNorm(ops, hp, y, name),
      attention: () => ({ bias: "required", outputBias: "required" }),
      ffn: (il, y) => blocks.plainFfn(ops, hp, il, y, "gelu", "required"),
    });
    ops.logits(logits);
  },
};
