// lfm2: most layers mix tokens with a gated short convolution, some with attention (those that have
// kv heads); both are followed by a gated feed-forward network, or experts (lfm2moe, after some dense
// layers). The last norm is called token_embd_norm.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Ops, Tensor } from "./ops.ts";

interface Lfm2Hparams extends Hparams {
  /** Taps of the convolution. */
  readonly shortconvLCache: number;
  /** Of the layers with attention; undefined: they see everything. */
  readonly window: number | undefined;
}

function hparams(keys: ModelKeys): Lfm2Hparams {
  return {
    ...readHparams(keys, "rms"),
    shortconvLCache: keys.u32("shortconv.l_cache"),
    window: keys.u32("attention.sliding_window", 0) || undefined,
  };
}

export const lfm2: Architecture<Lfm2Hparams> = {
  names: ["lfm2"],
  hparams,
  forward: (ops, hp) => forward(ops, hp, (il, x) => blocks.gatedFfn(ops, hp, il, x)),
};

export const lfm2moe: Architecture<Lfm2Hparams & MixtureHparams> = {
  names: ["lfm2moe"],
  hparams(keys) {
    const hp = hparams(keys);
    return { ...hp, ...readMixture(keys, hp, { gating: "sigmoid", normalise: true }) };
  },
  forward: (ops, hp) => forward(ops, hp, (il, x) => mixtureFfn(ops, hp, il, x)),
};

function forward(ops: Ops, hp: Lfm2Hparams, ffn: (il: number, x: Tensor) => Tensor): void {
  const rope = blocks.ropeParams(ops, hp, "neox");
  const qkNorm = (x: Tensor, name: string): Tensor =>
    blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength);
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const mixed =
      hp.headCountKv[il] > 0
        ? blocks.attention(ops, hp, il, h, { rope, qkNorm, window: hp.window })
        : shortConvolution(ops, hp, il, h);
    x = ops.add(blocks.besideAttention(ops, hp, il, x), mixed);

    const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
    x = blocks.endLayer(ops, il, ops.add(x, ffn(il, g)));
  }
  ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "token_embd_norm")));
}

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
