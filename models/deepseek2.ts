// deepseek2: DeepSeek V2, V3 and R1, Kimi K2, GLM-4.7-Flash. Latent attention, dense layers first, then
// experts chosen by groups, with a shared one. YaRN stretches the scores' scale instead of cos and sin.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type LatentHparams, latentAttention, readLatent } from "./latent-attention.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

interface Deepseek2Hparams extends LatentHparams, MixtureHparams {
  /** 0: the file does not say. */
  readonly yarnLogMultiplier: number;
  /** 0: queries have no temperature. */
  readonly temperatureScale: number;
  /** Positions after which it grows a step. */
  readonly temperatureLength: number;
}

export const deepseek2: Architecture<Deepseek2Hparams> = {
  names: ["deepseek2"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...readMixture(keys, hp, { gating: "softmax", normalise: false }),
      ...readLatent(keys, hp),
      yarnLogMultiplier: keys.float("rope.scaling.yarn_log_multiplier", 0),
      temperatureScale: keys.float("attention.temperature_scale", 0),
      temperatureLength: keys.u32("attention.temperature_length", hp.rope.originalContextLength),
    };
  },

  forward(ops, hp) {
    const { yarn, ...plain } = blocks.ropeParams(ops, hp, "norm");
    const { freqScale } = hp.rope;
    // With the key, cos and sin keep their length. Without it both they and the scores grow with the
    // usual 0.1 (llama.cpp).
    const logMultiplier = hp.yarnLogMultiplier || 0.1;
    const magnitude = hp.yarnLogMultiplier ? 0 : 0.1;
    const rope = { ...plain, yarn: yarn && { ...yarn, logMultiplier: magnitude } };
    const yarnScale = yarn && { freqScale, logMultiplier };
    const { temperatureScale: scale, temperatureLength: floor } = hp;
    const temperature = scale === 0 ? undefined : ops.temperature({ scale, floor, offset: 0 });
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = latentAttention(ops, hp, il, h, rope, { yarnScale, temperature });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, mixtureFfn(ops, hp, il, g)));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
