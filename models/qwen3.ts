// qwen3 and qwen3moe: every head of q and k passes an RMS norm before it is rotated; qwen3moe puts
// experts in place of the feed-forward network, their weights renormalised over the chosen ones.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

export const qwen3: Architecture = {
  names: ["qwen3"],
  rankHead: { pool: "last", softmax: true },
  hparams: (keys) => readHparams(keys, "rms"),
  forward: (ops, hp) => forward(ops, hp, (il, x) => blocks.gatedFfn(ops, hp, il, x)),
};

export const qwen3moe: Architecture = {
  names: ["qwen3moe"],
  hparams: (keys) => readHparams(keys, "rms"),
  forward: (ops, hp) =>
    forward(ops, hp, (il, x) =>
      blocks.experts(ops, hp, il, x, { gating: "softmax", normalise: true }),
    ),
};

function forward(ops: Ops, hp: Hparams, ffn: (il: number, x: Tensor) => Tensor): void {
  const rope = blocks.ropeParams(ops, hp, "neox");
  const qkNorm = (x: Tensor, name: string): Tensor =>
    blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength);
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const a = blocks.attention(ops, hp, il, h, { rope, qkNorm, bias: "optional" });
    x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

    const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
    x = blocks.endLayer(ops, il, ops.add(x, ffn(il, g)));
  }
  ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
}
