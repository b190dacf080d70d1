// lfm2: most layers mix tokens with a gated short convolution, some with attention (those that have
// kv heads); both are followed by a gated feed-forward network. The last norm is called
// token_embd_norm.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

interface Lfm2Hparams extends Hparams {
  /** Taps of the convolution. */
  readonly shortconvLCache: number;
}

export const lfm2: Architecture<Lfm2Hparams> = {
  names: ["lfm2"],
  hparams: (keys) => ({
    ...readHparams(keys, "rms"),
    shortconvLCache: keys.u32("shortconv.l_cache"),
  }),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const qkNorm = (x: Tensor, name: string): Tensor =>
      blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength);
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const mixed =
        hp.headCountKv[il] > 0
          ? blocks.attention(ops, hp, il, h, { rope, qkNorm })
          : shortConvolution(ops, hp, il, h);
      x = ops.add(blocks.besideAttention(ops, hp, il, x), mixed);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, blocks.gatedFfn(ops, hp, il, g)));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "token_embd_norm")));
  },
};

/** out_proj(c * conv(b * x)), where in_proj gives b, c and x side by side. */
function shortConvolution(ops: Ops, hp: Lfm2Hparams, il: number, input: Tensor): Tensor {
  const blk = `blk.${il}.shortconv`;
  const n = hp.embeddingLength;
  const bcx = blocks.linear(ops, input, `${blk}.in_proj`, 3 * n);
  const bx = ops.mul(ops.slice(bcx, 0, n), ops.slice(bcx, 2 * n, n));
  const taps = ops.weight(`${blk}.conv.weight`, [hp.shortconvLCache, n]);
  const y = ops.mul(ops.slice(bcx, n, n), ops.shortConv(bx, taps, `${blk}.conv`));
  return blocks.linear(ops, blocks.besideAttention(ops, hp, il, y), `${blk}.out_proj`, n);
}
