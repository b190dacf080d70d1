// gemma3: norms before and after attention and feed-forward, heads of q and k normalised, five windowed
// layers to one global. Windowed layers rotate with a base of their own and without the file's scaling. gemma-embedding is
// the same as an encoder: tokens see both sides.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import {
  type Hparams,
  type ModelKeys,
  readHparams,
  readWindows,
  symmetricWindows,
} from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

interface Gemma3Hparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
  /** Rotary base of the windowed layers. */
  readonly ropeFreqBaseSwa: number;
  /** 0: logits are not capped. */
  readonly finalLogitSoftcapping: number;
}

// Gemma 3 27B scales its scores by the width per head, not by the head's own length. Only the number of
// layers tells it apart (llama.cpp does the same).
const LAYERS_OF_27B = 62;

function hparams(keys: ModelKeys): Gemma3Hparams {
  const hp = readHparams(keys, "rms");
  const perHead = hp.embeddingLength / hp.headCount[0];
  return {
    ...hp,
    windows: readWindows(keys, hp.blockCount, 6),
    ropeFreqBaseSwa: keys.float("rope.freq_base_swa", 10000),
    finalLogitSoftcapping: keys.float("final_logit_softcapping", 0),
    attentionScale: 1 / Math.sqrt(hp.blockCount === LAYERS_OF_27B ? perHead : hp.keyLength),
  };
}

export const gemma3: Architecture<Gemma3Hparams> = {
  names: ["gemma3"],
  hparams,

  forward(ops, hp) {
    const logits = blocks.outputLogits(ops, hp, states(ops, hp, true));
    const cap = hp.finalLogitSoftcapping;
    ops.logits(cap > 0 ? ops.softcap(logits, cap) : logits);
  },
};

export const gemmaEmbedding: Architecture<Gemma3Hparams> = {
  names: ["gemma-embedding"],
  result: "embedding",

  hparams(keys) {
    const hp = hparams(keys);
    return { ...hp, windows: symmetricWindows(hp.windows) };
  },

  forward(ops, hp) {
    ops.embedding(states(ops, hp, false));
  },
};

/** [outputs, embeddingLength]: the states after the last norm. */
function states(ops: Ops, hp: Gemma3Hparams, causal: boolean): Tensor {
  const globalRope = blocks.ropeParams(ops, hp, "neox");
  const localRope = { ...globalRope, freqBase: hp.ropeFreqBaseSwa, freqScale: 1 };
  const qkNorm = (x: Tensor, name: string): Tensor =>
    blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength);
  let x = ops.scale(blocks.embedTokens(ops, hp), Math.sqrt(hp.embeddingLength));
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const window = hp.windows[il];
    const rope = window === undefined ? globalRope : localRope;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const a = blocks.attention(ops, hp, il, h, { rope, qkNorm, window, causal });
    const aNorm = blocks.rmsNorm(ops, hp, a, `${blk}.post_attention_norm`);
    x = ops.add(blocks.besideAttention(ops, hp, il, x), aNorm);

    const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
    const f = blocks.gatedFfn(ops, hp, il, g, "gelu");
    const fNorm = blocks.rmsNorm(ops, hp, f, `${blk}.post_ffw_norm`);
    x = blocks.endLayer(ops, il, ops.add(x, fNorm));
  }
  return blocks.rmsNorm(ops, hp, x, "output_norm");
}
