// mistral3: Ministral 3 and Mistral Large 3's dense relatives. Llama's shape; queries of late positions grow
// by a temperature; YaRN with the betas of the file.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import type { RopeParams } from "./ops.ts";

interface Mistral3Hparams extends Hparams {
  /** 0: queries have no temperature. */
  readonly temperatureScale: number;
  readonly yarn: Pick<NonNullable<RopeParams["yarn"]>, "betaFast" | "betaSlow" | "logDivisor">;
}

export const mistral3: Architecture<Mistral3Hparams> = {
  names: ["mistral3"],
  hparams: (keys) => ({
    ...readHparams(keys, "rms"),
    temperatureScale: keys.float("attention.temperature_scale", 0),
    yarn: {
      betaFast: keys.float("rope.scaling.yarn_beta_fast", 32),
      betaSlow: keys.float("rope.scaling.yarn_beta_slow", 1),
      // The file's number counts tenths, unlike deepseek2's.
      logDivisor: 0.1 * keys.float("rope.scaling.yarn_log_multiplier", 0),
    },
  }),

  forward(ops, hp) {
    const plain = blocks.ropeParams(ops, hp, "norm");
    const rope = { ...plain, yarn: plain.yarn && { ...plain.yarn, ...hp.yarn } };
    const { temperatureScale: scale } = hp;
    const floor = hp.rope.originalContextLength;
    const temperature = scale === 0 ? undefined : ops.temperature({ scale, floor, offset: 0 });
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: () => ({ rope, temperature, bias: "optional", outputBias: "optional" }),
      ffn: (il, x) =>
        hp.expertCount > 0
          ? blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: true })
          : blocks.gatedFfn(ops, hp, il, x, "silu", "optional"),
    });
    ops.logits(logits);
  },
};
