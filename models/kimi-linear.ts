// kimi-linear: Kimi Linear. Kimi delta attention in most layers, a delta rule in which every key fades by
// itself, behind short convolutions of q, k and v; latent attention without positions in those with kv heads.
// Dense layers first, then experts chosen with a bias beside shared ones. Source: arXiv 2510.26692.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { latentAttention, type LatentHparams, readLatent } from "./latent-attention.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Ops, Tensor } from "./ops.ts";

interface KimiLinearHparams extends LatentHparams, MixtureHparams {
  readonly convKernel: number;
  /** Elements of one head's key and value in the delta rule. */
  readonly kdaHeadDim: number;
}

export const kimiLinear: Architecture<KimiLinearHparams> = {
  names: ["kimi-linear"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...readMixture(keys, hp, { gating: "sigmoid", normalise: true }),
      ...readLatent(keys, hp),
      convKernel: keys.u32("ssm.conv_kernel"),
      kdaHeadDim: keys.u32("kda.head_dim"),
    };
  },

  forward(ops, hp) {
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      mixer: (il, x) =>
        hp.headCountKv[il] > 0
          ? latentAttention(ops, hp, il, x, undefined)
          : deltaAttention(ops, hp, il, x),
      ffn: (il, x) => mixtureFfn(ops, hp, il, x),
    });
    ops.logits(logits);
  },
};

/** S = S * decay, S[j] += k[j] * beta * (v - k . S), y = q . S, with a decay for each key j. */
function deltaAttention(ops: Ops, hp: KimiLinearHparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const { kdaHeadDim: headSize, convKernel } = hp;
  const nHead = hp.headCount[il];
  const n = nHead * headSize;
  const mixed = (name: "q" | "k" | "v"): Tensor => {
    const taps = ops.weight(`${blk}.ssm_conv1d_${name}.weight`, [convKernel, 1, n]);
    const projected = blocks.linear(ops, x, `${blk}.attn_${name}`, n);
    return ops.activation("silu", ops.shortConv(projected, taps, taps.name));
  };
  const unit = (t: Tensor): Tensor => ops.l2Norm(t, { eps: hp.normEpsilon, group: headSize });
  const lowRank = (name: "f" | "g"): Tensor => {
    const low = blocks.linear(ops, x, `${blk}.ssm_${name}_a`, headSize);
    return blocks.linear(ops, low, `${blk}.ssm_${name}_b`, n);
  };

  const dt = ops.addWeight(lowRank("f"), ops.weight(`${blk}.ssm_dt.bias`, [n]));
  const rate = ops.scaleRuns(
    ops.activation("softplus", dt),
    ops.weight(`${blk}.ssm_a`, [1, nHead]),
  );
  const w = ops.activation("exp", rate);
  const beta = ops.activation("sigmoid", blocks.linear(ops, x, `${blk}.ssm_beta`, nHead));
  const k = unit(mixed("k"));
  // What a key finds after the decay is what its decayed self finds before: RWKV-7's recurrence has this one in it.
  const learned = ops.scaleRuns(k, beta);
  const y = ops.wkv7({
    name: `${blk}.delta`,
    headSize,
    r: ops.scale(unit(mixed("q")), 1 / Math.sqrt(headSize)),
    w,
    k: learned,
    v: mixed("v"),
    removal: { a: ops.scale(ops.mul(k, w), -1), b: learned },
  });
  const normalised = blocks.rmsNorm(ops, hp, y, `${blk}.ssm_norm`, headSize);
  const rows = blocks.besideAttention(ops, hp, il, ops.gated("sigmoid", lowRank("g"), normalised));
  return blocks.linear(ops, rows, `${blk}.attn_output`, hp.embeddingLength);
}
