// jamba: Mamba in most layers, attention without positions in those that have kv heads; behind each a
// gated feed-forward network or experts, as the layer's tensors say.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readSsm, type SsmHparams } from "./hparams.ts";
import { mambaMixer } from "./recurrent-blocks.ts";

interface JambaHparams extends Hparams {
  readonly ssm: SsmHparams;
}

export const jamba: Architecture<JambaHparams> = {
  names: ["jamba"],
  hparams: (keys) => ({ ...readHparams(keys, "rms"), ssm: readSsm(keys) }),

  forward(ops, hp) {
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      mixer: (il, x) => (hp.headCountKv[il] === 0 ? mambaMixer(ops, hp, il, x) : undefined),
      ffn(il, x) {
        const router = [hp.embeddingLength, hp.expertCount];
        return ops.optionalWeight(`blk.${il}.ffn_gate_inp.weight`, router)
          ? blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: false })
          : blocks.gatedFfn(ops, hp, il, x);
      },
    });
    ops.logits(logits);
  },
};
