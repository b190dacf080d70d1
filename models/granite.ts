// granite and minicpm: Llama's shape with four scales, on the embedding, on what joins the residual stream,
// on the scores (`attention.scale`) and, as a divisor, on the logits.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import type { Ops } from "./ops.ts";

interface ScaledHparams extends Hparams {
  readonly embeddingScale: number;
  readonly residualScale: number;
  /** Divides the logits. */
  readonly logitScale: number;
}

export const granite: Architecture<ScaledHparams> = {
  names: ["granite"],
  hparams: (keys) => ({
    ...readHparams(keys, "rms"),
    embeddingScale: keys.float("embedding_scale", 1),
    residualScale: keys.float("residual_scale", 1),
    logitScale: keys.float("logit_scale"),
  }),
  forward,
};

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
    };
  },
  forward,
};

function forward(ops: Ops, hp: ScaledHparams): void {
  const rope = blocks.ropeParams(ops, hp, "norm");
  let x = ops.scale(blocks.embedTokens(ops, hp), hp.embeddingScale);
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const a = blocks.attention(ops, hp, il, h, { rope, bias: "optional", outputBias: "optional" });
    x = ops.add(blocks.besideAttention(ops, hp, il, x), ops.scale(a, hp.residualScale));

    const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
    const f = blocks.gatedFfn(ops, hp, il, g, "silu", "optional");
    x = blocks.endLayer(ops, il, ops.add(x, ops.scale(f, hp.residualScale)));
  }
  const logits = blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm"));
  ops.logits(ops.scale(logits, 1 / hp.logitScale));
}
