// Multi-head latent attention (deepseek2, minicpm3): keys and values of all heads come from one short vector
// per token, beside a rotated part that the heads share. Two forms, by what the file holds: `attn_kv_b` makes
// keys and values of every head; `attn_k_b` and `attn_v_b` are absorbed into query and output, so that the
// cache holds the short vector alone and all heads share it.
import * as blocks from "./blocks.ts";
import type { Hparams, ModelKeys } from "./hparams.ts";
import type { AttentionParams, Ops, RopeParams, Tensor } from "./ops.ts";

export interface LatentHparams extends Hparams {
  /** Width of the vector from which the queries are made; 0: they come from the input. */
  readonly qLoraRank: number;
  readonly kvLoraRank: number;
  /** Keys are made for every head (false), or the heads share the short vector (true). */
  readonly isAbsorbed: boolean;
  /** Elements of one head's key and value before absorption. */
  readonly keyLengthMla: number;
  readonly valueLengthMla: number;
}

/** Adds what latent attention has to `hp`. */
export function readLatent(keys: ModelKeys, hp: Hparams): LatentHparams {
  const keyLength = keys.u32("attention.key_length_mla", 0);
  const isAbsorbed = keyLength > 0;
  const keyLengthMla = isAbsorbed ? keyLength : hp.keyLength;
  return {
    ...hp,
    qLoraRank: keys.u32("attention.q_lora_rank", 0),
    kvLoraRank: keys.u32("attention.kv_lora_rank"),
    isAbsorbed,
    keyLengthMla,
    valueLengthMla: isAbsorbed ? keys.u32("attention.value_length_mla") : hp.valueLength,
    attentionScale: 1 / Math.sqrt(keyLengthMla),
  };
}

/**
 * Attention of layer `il`, from the normalised input to the output projection; the last layer's
 * result has output rows only. Without `rope` nothing rotates. `params`: what goes to the scores beside the scale.
 */
export function latentAttention(
  ops: Ops,
  hp: LatentHparams,
  il: number,
  x: Tensor,
  rope: RopeParams | undefined,
  params: Pick<AttentionParams, "yarnScale"> & { readonly temperature?: Tensor } = {},
): Tensor {
  const blk = `blk.${il}`;
  const nHead = hp.headCount[il];
  const rank = hp.kvLoraRank;
  const nRot = hp.rope.dimensionCount;
  const nPlain = hp.keyLengthMla - nRot;
  const turn = (t: Tensor): Tensor => (rope ? ops.rope(t, { ...rope, headDim: nRot }) : t);

  const queries = latentQueries(ops, hp, il, x);
  const qPlain = ops.sliceRuns(queries, nHead, 0, nPlain);
  const qTurned = turn(ops.sliceRuns(queries, nHead, nPlain, nRot));
  const compressed = blocks.linear(ops, x, `${blk}.attn_kv_a_mqa`, rank + nRot);
  const kTurned = turn(ops.slice(compressed, rank, nRot));
  const short = ops.slice(compressed, 0, rank);
  const latent = blocks.rmsNorm(ops, hp, short, `${blk}.attn_kv_a_norm`);

  const attend = (q: Tensor, k: Tensor, v: Tensor, nHeadKv: number): Tensor => {
    const shape = { nHeadKv, headDimK: k.width / nHeadKv, headDimV: v.width / nHeadKv };
    const { temperature, yarnScale } = params;
    const heads = ops.attention(temperature ? ops.scaleRuns(q, temperature) : q, {
      cache: ops.kvStore(il, k, v, shape),
      nHead,
      scale: hp.attentionScale,
      yarnScale,
    });
    return blocks.besideAttention(ops, hp, il, ops.tap(heads, `kqv_out-${il}`));
  };

  let rows: Tensor;
  if (hp.isAbsorbed) {
    const kB = ops.weight(`${blk}.attn_k_b.weight`, [nPlain, rank, nHead]);
    const vB = ops.weight(`${blk}.attn_v_b.weight`, [rank, hp.valueLengthMla, nHead]);
    const q = ops.concat([ops.matmulByRun(kB, qPlain), qTurned], nHead);
    rows = ops.matmulByRun(vB, attend(q, ops.concat([latent, kTurned]), latent, 1));
  } else {
    const nV = hp.valueLengthMla;
    const kv = blocks.linear(ops, latent, `${blk}.attn_kv_b`, nHead * (nPlain + nV));
    const kPlain = ops.sliceRuns(kv, nHead, 0, nPlain);
    const k = ops.concat([kPlain, ops.repeat(kTurned, nHead)], nHead);
    const q = ops.concat([qPlain, qTurned], nHead);
    rows = attend(q, k, ops.sliceRuns(kv, nHead, nPlain, nV), nHead);
  }
  return blocks.linear(ops, rows, `${blk}.attn_output`, hp.embeddingLength);
}

/** [tokens, nHead * keyLengthMla]: straight from the input, or by way of a short vector. */
function latentQueries(ops: Ops, hp: LatentHparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const width = hp.headCount[il] * hp.keyLengthMla;
  if (ops.optionalWeight(`${blk}.attn_q.weight`, [x.width, width])) {
    return blocks.linear(ops, x, `${blk}.attn_q`, width);
  }
  const short = blocks.linear(ops, x, `${blk}.attn_q_a`, hp.qLoraRank);
  return blocks.linear(
    ops,
    blocks.rmsNorm(ops, hp, short, `${blk}.attn_q_a_norm`),
    `${blk}.attn_q_b`,
    width,
  );
}
