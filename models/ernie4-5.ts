// ernie4_5 and ernie4_5-moe: Llama's shape; the large ones have experts after some dense layers, chosen
// with a bias, beside a shared one.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Ops, Tensor } from "./ops.ts";

export const ernie45: Architecture = {
  names: ["ernie4_5"],
  hparams: (keys) => readHparams(keys, "rms"),
  forward: (ops, hp) => forward(ops, hp, (il, x) => blocks.gatedFfn(ops, hp, il, x)),
};

export const ernie45moe: Architecture<MixtureHparams> = {
  names: ["ernie4_5-moe"],
  hparams: (keys) =>
    readMixture(keys, readHparams(keys, "rms"), { gating: "softmax", normalise: true }),
  forward: (ops, hp) => forward(ops, hp, (il, x) => mixtureFfn(ops, hp, il, x)),
};

function forward(ops: Ops, hp: Hparams, ffn: (il: number, x: Tensor) => Tensor): void {
  const rope = blocks.ropeParams(ops, hp, "norm");
  const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
    attention: () => ({ rope, bias: "optional", outputBias: "optional" }),
    ffn,
  });
  ops.logits(logits);
}
