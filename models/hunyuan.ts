// hunyuan-dense and hunyuan-moe: heads of q and k normalised after their rotation; the large one has
// experts beside a shared one in every layer.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Ops, Tensor } from "./ops.ts";

export const hunyuanDense: Architecture = {
  names: ["hunyuan-dense"],
  hparams: (keys) => readHparams(keys, "rms"),
  forward: (ops, hp) => forward(ops, hp, (il, x) => blocks.gatedFfn(ops, hp, il, x)),
};

export const hunyuanMoe: Architecture<MixtureHparams> = {
  names: ["hunyuan-moe"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const mixture = readMixture(keys, hp, { gating: "softmax", normalise: true });
    const shared = keys.u32("expert_shared_feed_forward_length", hp.feedForwardLength[0]);
    return { ...mixture, expertSharedFeedForwardLength: shared };
  },
  forward: (ops, hp) => forward(ops, hp, (il, x) => mixtureFfn(ops, hp, il, x)),
};

function forward(ops: Ops, hp: Hparams, ffn: (il: number, x: Tensor) => Tensor): void {
  const rope = blocks.ropeParams(ops, hp, "neox");
  const qkNormAfter = (x: Tensor, name: string): Tensor =>
    blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength);
  const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
    attention: () => ({ rope, qkNormAfter, bias: "optional", outputBias: "optional" }),
    ffn,
  });
  ops.logits(logits);
}
