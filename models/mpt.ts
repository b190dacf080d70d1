// mpt: MPT and Replit. ALiBi in place of rotation, q, k and v in one tensor and clamped, layer norms whose
// biases are optional, GELU without a gate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import type { Tensor } from "./ops.ts";

interface MptHparams extends Hparams {
  readonly maxAlibiBias: number;
  /** 0: q, k and v are not clamped. */
  readonly clampKqv: number;
}

export const mpt: Architecture<MptHparams> = {
  names: ["mpt"],
  hparams: (keys) => ({
    ...readHparams(keys, "layer"),
    maxAlibiBias: keys.float("attention.max_alibi_bias"),
    clampKqv: keys.float("attention.clamp_kqv", 0),
  }),

  forward(ops, hp) {
    const norm = (x: Tensor, name: string): Tensor =>
      blocks.layerNorm(ops, hp, x, name, "optional");
    // Over the full width of q and k; few models have it.
    const qkNorm = (x: Tensor, name: string): Tensor =>
      ops.optionalWeight(`${name}_norm.weight`, [x.width]) ? norm(x, `${name}_norm`) : x;
    const shape = [hp.embeddingLength, hp.contextLength];
    const positions = ops.optionalWeight("position_embd.weight", shape);
    let x = blocks.embedTokens(ops, hp);
    if (positions) x = ops.add(x, ops.embedAt(positions, "position"));
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const a = blocks.attention(ops, hp, il, norm(x, `${blk}.attn_norm`), {
        alibiMaxBias: hp.maxAlibiBias,
        clampKqv: hp.clampKqv,
        qkNorm,
        bias: "optional",
        outputBias: "optional",
      });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = norm(x, `${blk}.ffn_norm`);
      const f = blocks.plainFfn(ops, hp, il, g, "gelu", "optional");
      x = blocks.endLayer(ops, il, ops.add(x, f));
    }
    ops.logits(blocks.outputLogits(ops, hp, norm(x, "output_norm")));
  },
};
