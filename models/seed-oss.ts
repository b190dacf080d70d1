// seed_oss: Seed-OSS. Biases on q, k and v; post_attention_norm stands before the feed-forward part.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

export const seedOss: Architecture = {
  names: ["seed_oss"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, bias: "optional" }),
      ffnNorm: "post_attention_norm",
    });
    ops.logits(logits);
  },
};
