// gemma3n: Gemma 3n. AltUp: n streams of which each layer predicts all, computes one and corrects the others by
// what it found. Laurel: a low-rank path beside attention. The first layers keep few activations of their gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams, readWindows } from "./hparams.ts";
import type { KvCache, Ops, Tensor } from "./ops.ts";
import * as perLayer from "./per-layer-embedding.ts";

interface Gemma3nHparams extends perLayer.PerLayerHparams {
  /** Streams, and the one that layers compute. */
  readonly altupNumInputs: number;
  readonly altupActiveIdx: number;
  /** Per layer: the gate keeps what is so many deviations above the mean; 0: everything. */
  readonly activationSparsityScale: readonly number[];
}

// Gemma 3n's own: 95% of a normal distribution lie below this many deviations, in its first ten layers.
const SPARSITY = 1.6448533535003662;
const SPARSE_LAYERS = 10;

export const gemma3n: Architecture<Gemma3nHparams> = {
  names: ["gemma3n"],

  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const scales = keys.metadata.getNumbers("gemma3n.activation_sparsity_scale", undefined);
    return {
      ...hp,
      windows: readWindows(keys, hp.blockCount, 5),
      ropeFreqBaseSwa: keys.float("rope.freq_base_swa", 10000),
      finalLogitSoftcapping: keys.float("final_logit_softcapping", 30),
      embeddingLengthPerLayerInput: keys.u32("embedding_length_per_layer_input", 256),
      // Both published models have keys and values in their first 20 layers.
      firstSharedKvLayer: perLayer.readFirstSharedKvLayer(keys, hp.blockCount, 20),
      altupNumInputs: keys.u32("altup.num_inputs", 4),
      altupActiveIdx: keys.u32("altup.active_idx", 0),
      activationSparsityScale: Array.from({ length: hp.blockCount }, (_, il) =>
        scales ? (scales[il] ?? 0) : il < SPARSE_LAYERS ? SPARSITY : 0,
      ),
    };
  },

  forward(ops, hp) {
    const globalRope = blocks.ropeParams(ops, hp, "neox");
    const localRope = { ...globalRope, freqBase: hp.ropeFreqBaseSwa, freqScale: 1 };
    const caches = new Map<number, KvCache>();
    const nEmbd = hp.embeddingLength;
    const x = ops.scale(blocks.embedTokens(ops, hp), Math.sqrt(nEmbd));
    const embeddings = perLayer.perLayerEmbeddings(ops, hp, x);
    let streams = ops.concat([
      x,
      otherStreams(ops, hp, "altup_proj", ops.repeat(x, hp.altupNumInputs - 1), x),
    ]);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      let predicted = predict(ops, hp, il, streams);
      const active = stream(ops, hp, predicted, hp.altupActiveIdx);
      const h = blocks.rmsNorm(ops, hp, active, `${blk}.attn_norm`);
      const rope = hp.windows[il] === undefined ? globalRope : localRope;
      const a = perLayer.sharedKvAttention(ops, hp, il, h, rope, caches);
      predicted = blocks.besideAttention(ops, hp, il, predicted);
      const rows = stream(ops, hp, predicted, hp.altupActiveIdx);
      const aNorm = blocks.rmsNorm(ops, hp, a, `${blk}.post_attention_norm`);
      const side = laurel(ops, hp, il, blocks.besideAttention(ops, hp, il, h));
      const joined = ops.scale(ops.add(ops.add(aNorm, rows), side), Math.SQRT1_2);

      const g = blocks.rmsNorm(ops, hp, joined, `${blk}.ffn_norm`);
      const f = blocks.rmsNorm(ops, hp, sparseFfn(ops, hp, il, g), `${blk}.post_ffw_norm`);
      const corrected = correct(ops, hp, il, predicted, ops.add(f, joined));

      const scale = ops.weight(`${blk}.altup_correct_scale.weight`, [nEmbd]);
      const first = ops.mulWeight(stream(ops, hp, corrected, hp.altupActiveIdx), scale);
      const own = perLayer.perLayerInput(ops, hp, il, first, embeddings);
      const nOthers = hp.altupNumInputs - 1;
      const others = ops.slice(corrected, nEmbd, nOthers * nEmbd);
      const sum = ops.add(others, ops.repeat(own, nOthers));
      streams = blocks.endLayer(ops, il, ops.concat([stream(ops, hp, corrected, 0), sum]));
    }
    const out = blocks.rmsNorm(ops, hp, merge(ops, hp, streams), "output_norm");
    const logits = blocks.outputLogits(ops, hp, out);
    const cap = hp.finalLogitSoftcapping;
    ops.logits(cap > 0 ? ops.softcap(logits, cap) : logits);
  },
};

function stream(ops: Ops, hp: Gemma3nHparams, streams: Tensor, i: number): Tensor {
  return ops.slice(streams, i * hp.embeddingLength, hp.embeddingLength);
}

/** x: all streams but one, each through a matrix of its own, and as long as `like`. */
function otherStreams(ops: Ops, hp: Gemma3nHparams, name: string, x: Tensor, like: Tensor): Tensor {
  const nEmbd = hp.embeddingLength;
  const n = hp.altupNumInputs - 1;
  const projected = ops.matmulByRun(ops.weight(`${name}.weight`, [nEmbd, nEmbd, n]), x);
  const unit = ops.l2Norm(projected, { eps: 0, group: nEmbd });
  return ops.scaleRuns(unit, ops.repeat(ops.magnitude(like), n));
}

/** One stream from all: their mean, after the others were projected back. */
function merge(ops: Ops, hp: Gemma3nHparams, streams: Tensor): Tensor {
  const n = hp.altupNumInputs;
  const nEmbd = hp.embeddingLength;
  const like = stream(ops, hp, streams, hp.altupActiveIdx);
  const rest = ops.slice(streams, nEmbd, (n - 1) * nEmbd);
  const others = otherStreams(ops, hp, "altup_unembd_proj", rest, like);
  let sum = stream(ops, hp, streams, 0);
  for (let i = 0; i < n - 1; i++) sum = ops.add(sum, stream(ops, hp, others, i));
  return ops.scale(sum, 1 / n);
}

/** [rows, altupNumInputs]: from a stream, what decides how streams mix. */
function modalities(ops: Ops, hp: Gemma3nHparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const normed = blocks.rmsNorm(ops, hp, x, `${blk}.altup_router_norm`);
  const scaled = ops.scale(normed, 1 / hp.embeddingLength);
  return ops.activation(
    "tanh",
    blocks.linear(ops, scaled, `${blk}.altup_router`, hp.altupNumInputs),
  );
}

/** Every stream plus a mixture of all of them. */
function predict(ops: Ops, hp: Gemma3nHparams, il: number, streams: Tensor): Tensor {
  const n = hp.altupNumInputs;
  const mix = modalities(ops, hp, il, stream(ops, hp, streams, hp.altupActiveIdx));
  const coefficients = blocks.linear(ops, mix, `blk.${il}.altup_predict_coef`, n * n);
  const sums = Array.from({ length: n }, (_, i) =>
    ops.weightedSum(streams, ops.slice(coefficients, i * n, n)),
  );
  return ops.add(ops.concat(sums), streams);
}

/** Every prediction plus a share of what the layer changed in the active one. */
function correct(ops: Ops, hp: Gemma3nHparams, il: number, predicted: Tensor, x: Tensor): Tensor {
  const n = hp.altupNumInputs;
  const mix = modalities(ops, hp, il, x);
  const coefficients = blocks.linear(ops, mix, `blk.${il}.altup_correct_coef`, n);
  const change = ops.repeat(ops.sub(x, stream(ops, hp, predicted, hp.altupActiveIdx)), n);
  // The coefficients are meant plus 1.
  return ops.add(ops.add(ops.scaleRuns(change, coefficients), change), predicted);
}

function laurel(ops: Ops, hp: Gemma3nHparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  // The rank is not in the metadata (64 in both published models).
  const low = blocks.linear(ops, x, `${blk}.laurel_l`, LAUREL_RANK);
  const wide = blocks.linear(ops, low, `${blk}.laurel_r`, hp.embeddingLength);
  return ops.add(blocks.rmsNorm(ops, hp, wide, `${blk}.laurel_post_norm`), x);
}

const LAUREL_RANK = 64;

function sparseFfn(ops: Ops, hp: Gemma3nHparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const width = hp.feedForwardLength[il];
  const deviations = hp.activationSparsityScale[il];
  const up = blocks.linear(ops, x, `${blk}.ffn_up`, width);
  let gate = blocks.linear(ops, x, `${blk}.ffn_gate`, width);
  if (deviations > 0) gate = ops.gaussianTopK(gate, deviations);
  return blocks.linear(ops, ops.gated("gelu", gate, up), `${blk}.ffn_down`, hp.embeddingLength);
}
