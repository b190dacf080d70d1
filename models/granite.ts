// granite, granitemoe and minicpm: Llama's shape with four scales, on the embedding, on what joins the residual stream,
// on the scores (`attention.scale`) and, as a divisor, on the logits.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Ops, Tensor } from "./ops.ts";

interface ScaledHparams extends Hparams {
  /** false: no layer rotates. */
  readonly rotates: boolean;
  readonly embeddingScale: number;
  readonly residualScale: number;
  /** Divides the logits. */
  readonly logitScale: number;
}

export const granite: Architecture<ScaledHparams> = {
  names: ["granite"],
  hparams: (keys) => readScales(keys, readHparams(keys, "rms")),
  forward: dense,
};

export const granitemoe: Architecture<ScaledHparams & MixtureHparams> = {
  names: ["granitemoe"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return readScales(keys, readMixture(keys, hp, { gating: "softmax", normalise: true }));
  },
  forward: (ops, hp) => forward(ops, hp, (il, x) => mixtureFfn(ops, hp, il, x)),
};

function readScales<H extends Hparams>(keys: ModelKeys, hp: H): H & ScaledHparams {
  return {
    ...hp,
    rotates: keys.bool("rope.scaling.finetuned", true),
    embeddingScale: keys.float("embedding_scale", 1),
    residualScale: keys.float("residual_scale", 1),
    logitScale: keys.float("logit_scale"),
  };
}

export const minicpm: Architecture<ScaledHparams> = {
  names: ["minicpm"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...hp,
      // Files of 2024 lack the keys; these are the values of MiniCPM 1B and 2B, as llama.cpp applies them.
      embeddingScale: keys.float("embedding_scale", 12),
      residualScale: keys.float("residual_scale", 1.4 / Math.sqrt(hp.blockCount)),
      logitScale: keys.float("logit_scale", 256 / hp.embeddingLength),
      rotates: true,
    };
  },
  forward: dense,
};

function dense(ops: Ops, hp: ScaledHparams): void {
  forward(ops, hp, (il, x) => blocks.gatedFfn(ops, hp, il, x, "silu", "optional"));
}

function forward(ops: Ops, hp: ScaledHparams, ffn: (il: number, x: Tensor) => Tensor): void {
  const rope = hp.rotates ? blocks.ropeParams(ops, hp, "norm") : undefined;
  const x = ops.scale(blocks.embedTokens(ops, hp), hp.embeddingScale);
  const logits = blocks.preNormForward(ops, hp, x, {
    attention: () => ({ rope, bias: "optional", outputBias: "optional" }),
    ffn,
    residualScale: hp.residualScale,
  });
  ops.logits(ops.scale(logits, 1 / hp.logitScale));
}
