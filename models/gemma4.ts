// gemma4: Gemma 4. Windowed and global layers with heads of different lengths; the last layers share keys and
// values; embeddings per layer; a dense network and experts side by side, each with norms of its own.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams, readWindows } from "./hparams.ts";
import type { KvCache, Ops, RopeParams, Tensor } from "./ops.ts";
import * as perLayer from "./per-layer-embedding.ts";

interface Gemma4Hparams extends perLayer.PerLayerHparams {
  /** Of the windowed layers. */
  readonly keyLengthSwa: number;
  readonly ropeDimensionCountSwa: number;
}

export const gemma4: Architecture<Gemma4Hparams> = {
  names: ["gemma4"],

  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const keyLengthSwa = keys.u32("attention.key_length_swa", hp.keyLength);
    return {
      ...hp,
      // The file says for every layer whether it has a window.
      windows: readWindows(keys, hp.blockCount, 6),
      ropeFreqBaseSwa: keys.float("rope.freq_base_swa", hp.rope.freqBase),
      finalLogitSoftcapping: keys.float("final_logit_softcapping", 0),
      embeddingLengthPerLayerInput: keys.u32("embedding_length_per_layer_input", 0),
      firstSharedKvLayer: perLayer.readFirstSharedKvLayer(keys, hp.blockCount, hp.blockCount),
      keyLengthSwa,
      ropeDimensionCountSwa: keys.u32("rope.dimension_count_swa", keyLengthSwa),
    };
  },

  forward(ops, hp) {
    const globalRope = blocks.ropeParams(ops, hp, "neox");
    const localRope: RopeParams = {
      ...globalRope,
      headDim: hp.keyLengthSwa,
      nRot: hp.ropeDimensionCountSwa,
      freqBase: hp.ropeFreqBaseSwa,
      factors: undefined,
    };
    const caches = new Map<number, KvCache>();
    let x = ops.scale(blocks.embedTokens(ops, hp), Math.sqrt(hp.embeddingLength));
    const hasOwn = hp.embeddingLengthPerLayerInput > 0;
    const embeddings = hasOwn ? perLayer.perLayerEmbeddings(ops, hp, x) : undefined;
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const rope = hp.windows[il] === undefined ? globalRope : localRope;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = perLayer.sharedKvAttention(ops, hp, il, h, rope, caches);
      const aNorm = blocks.rmsNorm(ops, hp, a, `${blk}.post_attention_norm`);
      x = ops.add(blocks.besideAttention(ops, hp, il, x), aNorm);

      const fNorm = blocks.rmsNorm(ops, hp, ffn(ops, hp, il, x), `${blk}.post_ffw_norm`);
      x = ops.add(x, fNorm);
      if (embeddings) x = ops.add(x, perLayer.perLayerInput(ops, hp, il, x, embeddings));
      const scale = ops.optionalWeight(`${blk}.layer_output_scale.weight`, [1]);
      x = blocks.endLayer(ops, il, scale ? ops.mulWeight(x, scale) : x);
    }
    const logits = blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm"));
    const cap = hp.finalLogitSoftcapping;
    ops.logits(cap > 0 ? ops.softcap(logits, cap) : logits);
  },
};

/** The dense network, and the experts beside it in layers that have a router. */
function ffn(ops: Ops, hp: Gemma4Hparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const norm = (y: Tensor, name: string): Tensor => blocks.rmsNorm(ops, hp, y, `${blk}.${name}`);
  const dense = blocks.gatedFfn(ops, hp, il, norm(x, "ffn_norm"), "gelu");
  const nEmbd = hp.embeddingLength;
  const router = ops.optionalWeight(`${blk}.ffn_gate_inp.weight`, [nEmbd, hp.expertCount]);
  if (router === undefined) return dense;

  // The router sees x with a norm and factors of its own.
  const plain = ops.rmsNorm(x, { eps: hp.normEpsilon });
  const scale = ops.weight(`${blk}.ffn_gate_inp.scale`, [nEmbd]);
  const seen = ops.mulWeight(ops.scale(plain, 1 / Math.sqrt(nEmbd)), scale);
  const chosen = blocks.experts(ops, hp, il, norm(x, "pre_ffw_norm_2"), {
    gating: "softmax",
    normalise: true,
    gate: "gelu",
    scores: ops.matmul(router, seen),
  });
  return ops.add(norm(dense, "post_ffw_norm_1"), norm(chosen, "post_ffw_norm_2"));
}
