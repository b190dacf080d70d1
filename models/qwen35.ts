// qwen35 and qwen35moe (Qwen 3.5): three of four layers mix tokens with a gated delta rule behind a
// short convolution, every fourth with attention whose output passes a gate. qwen35moe has experts
// and a shared one in place of the feed-forward network.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams, readSsm, type SsmHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";
import { readSharedExpert, sharedExpert, type SharedExpertHparams } from "./qwen2.ts";
import { shortConv } from "./recurrent-blocks.ts";

interface Qwen35Hparams extends Hparams {
  readonly ssm: SsmHparams;
  /** Every layer that is the last of so many has attention. */
  readonly fullAttentionInterval: number;
}

function hparams(keys: ModelKeys): Qwen35Hparams {
  const hp = readHparams(keys, "rms");
  return {
    ...hp,
    // Layers for drafting several tokens at once come last; they are not part of the model proper.
    blockCount: hp.blockCount - keys.u32("nextn_predict_layers", 0),
    ssm: readSsm(keys),
    fullAttentionInterval: keys.u32("full_attention_interval", 4),
  };
}

export const qwen35: Architecture<Qwen35Hparams> = {
  names: ["qwen35"],
  hparams,
  forward: (ops, hp) => forward(ops, hp, (il, x) => blocks.gatedFfn(ops, hp, il, x)),
};

export const qwen35moe: Architecture<Qwen35Hparams & SharedExpertHparams> = {
  names: ["qwen35moe"],
  hparams: (keys) => ({ ...readSharedExpert(keys), ...hparams(keys) }),
  forward: (ops, hp) =>
    forward(ops, hp, (il, x) => {
      const chosen = blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: true });
      return ops.add(chosen, sharedExpert(ops, hp, il, x));
    }),
};

function forward(ops: Ops, hp: Qwen35Hparams, ffn: (il: number, x: Tensor) => Tensor): void {
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const isFull = (il + 1) % hp.fullAttentionInterval === 0;
    const mixed = isFull ? gatedAttention(ops, hp, il, h) : deltaNet(ops, hp, il, h);
    x = ops.add(blocks.besideAttention(ops, hp, il, x), mixed);

    // It has the place of other architectures' ffn_norm.
    const g = blocks.rmsNorm(ops, hp, x, `${blk}.post_attention_norm`);
    x = blocks.endLayer(ops, il, ops.add(x, ffn(il, g)));
  }
  ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
}

/** Attention whose `attn_q` gives, for each head, a query and a gate for the head's output. */
function gatedAttention(ops: Ops, hp: Qwen35Hparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const { keyLength, valueLength } = hp;
  const nHead = hp.headCount[il];
  const nHeadKv = hp.headCountKv[il];
  // The interleaved M-RoPE of text: all axes have one position, so it is a plain rotation.
  const rope = blocks.ropeParams(ops, hp, "neox");
  const qkNorm = (t: Tensor, name: string): Tensor =>
    ops.rope(blocks.rmsNorm(ops, hp, t, `${blk}.${name}_norm`, keyLength), rope);
  const both = blocks.linear(ops, x, `${blk}.attn_q`, 2 * nHead * keyLength);
  const gate = ops.sliceRuns(both, both.width / (2 * keyLength), keyLength, keyLength);
  const q = qkNorm(ops.sliceRuns(both, both.width / (2 * keyLength), 0, keyLength), "attn_q");
  const k = qkNorm(blocks.linear(ops, x, `${blk}.attn_k`, nHeadKv * keyLength), "attn_k");
  const v = blocks.linear(ops, x, `${blk}.attn_v`, nHeadKv * valueLength);
  const cache = ops.kvStore(il, k, v, { nHeadKv, headDimK: keyLength, headDimV: valueLength });
  const heads = ops.attention(q, { cache, nHead, scale: hp.attentionScale });
  const gated = ops.gated("sigmoid", gate, heads);
  const rows = blocks.besideAttention(ops, hp, il, ops.tap(gated, `kqv_out-${il}`));
  return blocks.linear(ops, rows, `${blk}.attn_output`, hp.embeddingLength);
}

/** The gated delta rule (llama.cpp, build_layer_attn_linear). */
function deltaNet(ops: Ops, hp: Qwen35Hparams, il: number, input: Tensor): Tensor {
  const blk = `blk.${il}`;
  const { convKernel, innerSize, stateSize, groupCount: nHeadK, timeStepRank: nHeadV } = hp.ssm;
  const nK = nHeadK * stateSize;
  const qkv = blocks.linear(ops, input, `${blk}.attn_qkv`, 2 * nK + innerSize);
  const mixed = ops.activation("silu", shortConv(ops, qkv, convKernel, `${blk}.ssm_conv1d`));
  const unit = (start: number): Tensor =>
    ops.l2Norm(ops.slice(mixed, start, nK), { eps: hp.normEpsilon, group: stateSize });

  const alpha = blocks.linear(ops, input, `${blk}.ssm_alpha`, nHeadV);
  const dt = ops.activation(
    "softplus",
    ops.addWeight(alpha, ops.weight(`${blk}.ssm_dt.bias`, [nHeadV])),
  );
  const decay = ops.activation("exp", ops.mulWeight(dt, ops.weight(`${blk}.ssm_a`, [nHeadV])));
  const beta = ops.activation("sigmoid", blocks.linear(ops, input, `${blk}.ssm_beta`, nHeadV));
  const y = ops.gatedDelta({
    name: `${blk}.delta`,
    q: ops.scale(unit(0), 1 / Math.sqrt(stateSize)),
    k: unit(nK),
    v: ops.slice(mixed, 2 * nK, innerSize),
    decay,
    beta,
    nHeadK,
    nHeadV,
    heads: "tiled",
  });
  const z = blocks.linear(ops, input, `${blk}.attn_gate`, innerSize);
  const normalised = blocks.rmsNorm(ops, hp, y, `${blk}.ssm_norm`, innerSize / nHeadV);
  const rows = blocks.besideAttention(ops, hp, il, ops.gated("silu", z, normalised));
  return blocks.linear(ops, rows, `${blk}.ssm_out`, hp.embeddingLength);
}
