// falcon-h1: in every layer Mamba-2 and attention side by side, both on the same normalised input, and
// a gated feed-forward network after their sum.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readSsm, type SsmHparams } from "./hparams.ts";
import { mamba2Output, mamba2Scan } from "./recurrent-blocks.ts";

interface FalconH1Hparams extends Hparams {
  readonly ssm: SsmHparams;
}

export const falconH1: Architecture<FalconH1Hparams> = {
  names: ["falcon-h1"],
  hparams: (keys) => ({ ...readHparams(keys, "rms"), ssm: readSsm(keys) }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      // The scan comes first: it needs every token, and attention narrows the last layer's rows.
      const scanned = mamba2Scan(ops, hp, il, h);
      const a = blocks.attention(ops, hp, il, h, { rope, bias: "optional" });
      const mixed = ops.add(a, mamba2Output(ops, hp, il, scanned));
      x = ops.add(mixed, blocks.besideAttention(ops, hp, il, x));

      // Converters write this norm without the suffix `.weight`.
      const weight =
        ops.optionalWeight(`${blk}.ffn_norm`, [x.width]) ??
        ops.weight(`${blk}.ffn_norm.weight`, [x.width]);
      const g = ops.rmsNorm(x, { eps: hp.normEpsilon, weight });
      const f = blocks.gatedFfn(ops, hp, il, g, "silu", "optional");
      x = blocks.endLayer(ops, il, ops.add(f, x));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
