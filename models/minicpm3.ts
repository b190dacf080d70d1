// minicpm3: latent attention in its unabsorbed form, long-rope factors, and MiniCPM's three scales, which
// llama.cpp does not read from the file.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type LatentHparams, latentAttention, readLatent } from "./latent-attention.ts";

const EMBEDDING_SCALE = 12;
const DEPTH_SCALE = 1.4;
const BASE_WIDTH = 256;

export const minicpm3: Architecture<LatentHparams> = {
  names: ["minicpm3"],
  hparams: (keys) => readLatent(keys, readHparams(keys, "rms")),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const residualScale = DEPTH_SCALE / Math.sqrt(hp.blockCount);
    let x = ops.scale(blocks.embedTokens(ops, hp), EMBEDDING_SCALE);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = ops.scale(latentAttention(ops, hp, il, h, rope), residualScale);
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      const f = ops.scale(blocks.gatedFfn(ops, hp, il, g), residualScale);
      x = blocks.endLayer(ops, il, ops.add(x, f));
    }
    const out = blocks.rmsNorm(ops, hp, x, "output_norm");
    const scaled = ops.scale(out, BASE_WIDTH / hp.embeddingLength);
    ops.logits(blocks.outputLogits(ops, hp, scaled));
  },
};
