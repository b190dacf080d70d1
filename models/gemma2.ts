// gemma2: norms before and after attention and feed-forward, scores and logits capped by tanh, a
// sliding window in even layers, GELU gate, embedding scaled by sqrt(n_embd). Its norm weights hold
// the +1 already.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readWindows } from "./hparams.ts";

interface Gemma2Hparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
  readonly attnLogitSoftcapping: number;
  readonly finalLogitSoftcapping: number;
}

// Gemma 2 27B scales its scores by the width per head, not by the head's own length. Only the
// number of layers tells it apart (llama.cpp does the same).
const LAYERS_OF_27B = 46;

export const gemma2: Architecture<Gemma2Hparams> = {
  names: ["gemma2"],

  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const perHead = hp.embeddingLength / hp.headCount[0];
    return {
      ...hp,
      windows: readWindows(keys, hp.blockCount, 2, 4096),
      attnLogitSoftcapping: keys.float("attn_logit_softcapping", 50),
      finalLogitSoftcapping: keys.float("final_logit_softcapping", 30),
      attentionScale: 1 / Math.sqrt(hp.blockCount === LAYERS_OF_27B ? perHead : hp.keyLength),
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = ops.scale(blocks.embedTokens(ops, hp), Math.sqrt(hp.embeddingLength));
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, {
        rope,
        softcap: hp.attnLogitSoftcapping,
        window: hp.windows[il],
      });
      const aNorm = blocks.rmsNorm(ops, hp, a, `${blk}.post_attention_norm`);
      x = ops.add(blocks.besideAttention(ops, hp, il, x), aNorm);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      const f = blocks.gatedFfn(ops, hp, il, g, "gelu");
      const fNorm = blocks.rmsNorm(ops, hp, f, `${blk}.post_ffw_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, fNorm));
    }
    const out = blocks.rmsNorm(ops, hp, x, "output_norm");
    ops.logits(ops.softcap(blocks.outputLogits(ops, hp, out), hp.finalLogitSoftcapping));
  },
};
