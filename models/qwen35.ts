// qwen35, qwen35moe (Qwen 3.5) and qwen3next: three of four layers mix tokens with a gated delta rule
// behind a short convolution, every fourth with attention whose output passes a gate. qwen35moe and
// qwen3next have experts and a shared one in place of the feed-forward network.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams, readSsm, type SsmHparams } from "./hparams.ts";
import type { GatedDeltaParams, Ops, Tensor } from "./ops.ts";
import { readSharedExpert, sharedExpert, type SharedExpertHparams } from "./qwen2.ts";
import { shortConv } from "./recurrent-blocks.ts";

interface Qwen35Hparams extends Hparams {
  readonly ssm: SsmHparams;
  /** Of each layer: the delta rule, not attention. */
  readonly isRecurrent: readonly boolean[];
}

function hparams(keys: ModelKeys): Qwen35Hparams {
  const hp = readHparams(keys, "rms");
  const { blockCount } = hp;
  const interval = keys.u32("full_attention_interval", 4);
  const byInterval = Array.from({ length: blockCount }, (_, il) => (il + 1) % interval !== 0);
  return {
    ...hp,
    ssm: readSsm(keys),
    isRecurrent: keys.boolPerLayer("attention.recurrent_layers", blockCount) ?? byInterval,
  };
}

export const qwen35: Architecture<Qwen35Hparams> = {
  names: ["qwen35"],
  hparams,
  forward: (ops, hp) => forward(ops, hp, project35, (il, x) => blocks.gatedFfn(ops, hp, il, x)),
};

type MoeHparams = Qwen35Hparams & SharedExpertHparams;

const moeHparams = (keys: ModelKeys): MoeHparams => {
  const { expertFeedForwardLength, expertSharedFeedForwardLength } = readSharedExpert(keys);
  return { ...hparams(keys), expertFeedForwardLength, expertSharedFeedForwardLength };
};

export const qwen35moe: Architecture<MoeHparams> = {
  names: ["qwen35moe"],
  hparams: moeHparams,
  forward: (ops, hp) => forward(ops, hp, project35, (il, x) => experts(ops, hp, il, x)),
};

export const qwen3next: Architecture<MoeHparams> = {
  names: ["qwen3next"],
  hparams: moeHparams,
  forward: (ops, hp) => forward(ops, hp, projectNext, (il, x) => experts(ops, hp, il, x)),
};

function experts(ops: Ops, hp: MoeHparams, il: number, x: Tensor): Tensor {
  const chosen = blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: true });
  return ops.add(chosen, sharedExpert(ops, hp, il, x));
}

function forward(
  ops: Ops,
  hp: Qwen35Hparams,
  project: Projection,
  ffn: (il: number, x: Tensor) => Tensor,
): void {
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const mixed = hp.isRecurrent[il]
      ? deltaNet(ops, hp, il, project(ops, hp, il, h))
      : gatedAttention(ops, hp, il, h);
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

/** What the delta rule makes of a layer's normalised input. */
interface Projected {
  /** q, k, v side by side. */
  readonly qkv: Tensor;
  /** The gate of the result. */
  readonly z: Tensor;
  /** [tokens, heads of v], before their activations: how long the state lasts, how much is corrected. */
  readonly alpha: Tensor;
  readonly beta: Tensor;
  /** Which head of q and k serves which head of v. */
  readonly heads: GatedDeltaParams["heads"];
}

type Projection = (ops: Ops, hp: Qwen35Hparams, il: number, x: Tensor) => Projected;

function project35(ops: Ops, hp: Qwen35Hparams, il: number, x: Tensor): Projected {
  const blk = `blk.${il}`;
  const { innerSize, stateSize, groupCount: nHeadK, timeStepRank: nHeadV } = hp.ssm;
  return {
    qkv: blocks.linear(ops, x, `${blk}.attn_qkv`, 2 * nHeadK * stateSize + innerSize),
    z: blocks.linear(ops, x, `${blk}.attn_gate`, innerSize),
    alpha: blocks.linear(ops, x, `${blk}.ssm_alpha`, nHeadV),
    beta: blocks.linear(ops, x, `${blk}.ssm_beta`, nHeadV),
    heads: "tiled",
  };
}

/** Heads of v stand in groups, one for each head of k; files of 2025 have q, k, v and z of a group in one tensor. */
function projectNext(ops: Ops, hp: Qwen35Hparams, il: number, x: Tensor): Projected {
  const blk = `blk.${il}`;
  const { innerSize, stateSize, groupCount: nHeadK, timeStepRank: nHeadV } = hp.ssm;
  const nGroup = nHeadV / nHeadK;
  const both = blocks.linear(ops, x, `${blk}.ssm_ba`, 2 * nHeadV);
  const rest = {
    beta: ops.sliceRuns(both, nHeadK, 0, nGroup),
    alpha: ops.sliceRuns(both, nHeadK, nGroup, nGroup),
    heads: "grouped",
  } as const;
  const nQkv = 2 * nHeadK * stateSize + innerSize;
  if (ops.optionalWeight(`${blk}.attn_qkv.weight`, [x.width, nQkv]) !== undefined) {
    const qkv = blocks.linear(ops, x, `${blk}.attn_qkv`, nQkv);
    return { qkv, z: blocks.linear(ops, x, `${blk}.attn_gate`, innerSize), ...rest };
  }
  const groups = blocks.linear(ops, x, `${blk}.ssm_in`, nQkv + innerSize);
  const part = (start: number, width: number): Tensor =>
    ops.sliceRuns(groups, nHeadK, start, width);
  const nV = innerSize / nHeadK;
  const q = part(0, stateSize);
  const k = part(stateSize, stateSize);
  const v = part(2 * stateSize, nV);
  return { qkv: ops.concat([q, k, v]), z: part(2 * stateSize + nV, nV), ...rest };
}

/** The gated delta rule (llama.cpp, build_layer_attn_linear). */
function deltaNet(ops: Ops, hp: Qwen35Hparams, il: number, projected: Projected): Tensor {
  const blk = `blk.${il}`;
  const { convKernel, innerSize, stateSize, groupCount: nHeadK, timeStepRank: nHeadV } = hp.ssm;
  const { qkv, z, alpha, beta, heads } = projected;
  const nK = nHeadK * stateSize;
  const mixed = ops.activation("silu", shortConv(ops, qkv, convKernel, `${blk}.ssm_conv1d`));
  const unit = (start: number): Tensor =>
    ops.l2Norm(ops.slice(mixed, start, nK), { eps: hp.normEpsilon, group: stateSize });

  const dt = ops.activation(
    "softplus",
    ops.addWeight(alpha, ops.weight(`${blk}.ssm_dt.bias`, [nHeadV])),
  );
  const decay = ops.activation("exp", ops.mulWeight(dt, ops.weight(`${blk}.ssm_a`, [nHeadV])));
  const y = ops.gatedDelta({
    name: `${blk}.delta`,
    q: ops.scale(unit(0), 1 / Math.sqrt(stateSize)),
    k: unit(nK),
    v: ops.slice(mixed, 2 * nK, innerSize),
    decay,
    beta: ops.activation("sigmoid", beta),
    nHeadK,
    nHeadV,
    heads,
  });
  const normalised = blocks.rmsNorm(ops, hp, y, `${blk}.ssm_norm`, innerSize / nHeadV);
  const rows = blocks.besideAttention(ops, hp, il, ops.gated("silu", z, normalised));
  return blocks.linear(ops, rows, `${blk}.ssm_out`, hp.embeddingLength);
}
