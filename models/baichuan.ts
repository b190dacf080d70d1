// baichuan: Baichuan 1 and 2. The 7B model rotates, the 13B model has ALiBi; only the number of layers tells
// them apart (llama.cpp does the same).
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";

const LAYERS_OF_7B = 32;
const LAYERS_OF_13B = 40;
const MAX_ALIBI_BIAS = 8;

export const baichuan: Architecture = {
  names: ["baichuan"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = hp.blockCount === LAYERS_OF_7B ? blocks.ropeParams(ops, hp, "norm") : undefined;
    const alibiMaxBias = hp.blockCount === LAYERS_OF_13B ? MAX_ALIBI_BIAS : undefined;
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, alibiMaxBias }),
    });
    ops.logits(logits);
  },
};
