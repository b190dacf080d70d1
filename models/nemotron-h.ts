// nemotron_h (Nemotron-H, Nemotron Nano 2) and nemotron_h_moe (Nemotron 3): each layer is one thing, Mamba-2,
// attention without positions, or a feed-forward part, told apart by the layer's widths. The feed-forward
// parts have no gate; experts may work in a narrower space, and stand beside one that every row shares.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type ModelKeys, readHparams, readSsm, type SsmHparams } from "./hparams.ts";
import { type MixtureHparams, readMixture } from "./mixture.ts";
import type { Ops, Tensor } from "./ops.ts";
import { mamba2Mixer, mixerOnly } from "./recurrent-blocks.ts";

interface NemotronHHparams extends MixtureHparams {
  readonly ssm: SsmHparams;
  /** Width of what the experts see; 0: the whole state. */
  readonly moeLatentSize: number;
}

function hparams(keys: ModelKeys): NemotronHHparams {
  // Early files have only the key of the layer norm.
  const hasRms = keys.float("attention.layer_norm_rms_epsilon", undefined) !== undefined;
  const hp = readHparams(keys, hasRms ? "rms" : "layer");
  return {
    ...readMixture(keys, hp, { gating: "sigmoid", normalise: false }),
    ssm: readSsm(keys),
    moeLatentSize: keys.u32("moe_latent_size", 0),
  };
}

export const nemotronH: Architecture<NemotronHHparams> = {
  names: ["nemotron_h", "nemotron_h_moe"],
  hparams,

  forward(ops, hp) {
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      x = blocks.endLayer(
        ops,
        il,
        mixerOnly(ops, hp, il, x, (h) => layer(ops, hp, il, h)),
      );
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};

function layer(ops: Ops, hp: NemotronHHparams, il: number, x: Tensor): Tensor {
  if (hp.feedForwardLength[il] > 0) return ffn(ops, hp, il, blocks.besideAttention(ops, hp, il, x));
  if (hp.headCountKv[il] === 0) return mamba2Mixer(ops, hp, il, x);
  return blocks.attention(ops, hp, il, x, { bias: "optional", outputBias: "optional" });
}

function ffn(ops: Ops, hp: NemotronHHparams, il: number, x: Tensor): Tensor {
  if (hp.expertCount === 0) return blocks.plainFfn(ops, hp, il, x, "relu2", "optional");
  const blk = `blk.${il}`;
  const n = hp.embeddingLength;
  const { moeLatentSize: latent } = hp;
  const chosen = blocks.experts(
    ops,
    hp,
    il,
    latent > 0 ? blocks.linear(ops, x, `${blk}.ffn_latent_down`, latent) : x,
    {
      ...hp.expertRouting,
      selectionBias: ops.optionalWeight(`${blk}.exp_probs_b.bias`, [hp.expertCount]),
      scores: blocks.linear(ops, x, `${blk}.ffn_gate_inp`, hp.expertCount),
      ungated: "relu2",
    },
  );
  const all = latent > 0 ? blocks.linear(ops, chosen, `${blk}.ffn_latent_up`, n) : chosen;
  const up = blocks.linear(ops, x, `${blk}.ffn_up_shexp`, hp.expertSharedFeedForwardLength);
  const shared = blocks.linear(ops, ops.activation("relu2", up), `${blk}.ffn_down_shexp`, n);
  return ops.add(all, shared);
}
