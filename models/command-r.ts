// command-r and cohere2: attention and feed-forward side by side from one layer norm without bias, logits
// multiplied by logit_scale. cohere2 has three windowed layers to one global; only windowed ones rotate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readWindows } from "./hparams.ts";
import type { Ops, RopeParams, Tensor } from "./ops.ts";

interface CommandHparams extends Hparams {
  readonly logitScale: number;
  readonly windows: readonly (number | undefined)[];
}

export const commandR: Architecture<CommandHparams> = {
  names: ["command-r"],
  hparams(keys) {
    const hp = readHparams(keys, "layer");
    const windows = Array<undefined>(hp.blockCount).fill(undefined);
    return { ...hp, logitScale: keys.float("logit_scale"), windows };
  },
  forward: (ops, hp) => forward(ops, hp, (_, rope) => rope),
};

export const cohere2: Architecture<CommandHparams> = {
  names: ["cohere2"],
  hparams(keys) {
    const hp = readHparams(keys, "layer");
    const windows = readWindows(keys, hp.blockCount, 4);
    return { ...hp, logitScale: keys.float("logit_scale"), windows };
  },
  forward: (ops, hp) =>
    forward(ops, hp, (il, rope) => (hp.windows[il] === undefined ? undefined : rope)),
};

/** `ropeOf`: the rotation of a layer, from the rotation of the model. */
function forward(
  ops: Ops,
  hp: CommandHparams,
  ropeOf: (il: number, rope: RopeParams) => RopeParams | undefined,
): void {
  const rope = blocks.ropeParams(ops, hp, "norm");
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    const h = blocks.layerNorm(ops, hp, x, `blk.${il}.attn_norm`, "none");
    const a = blocks.attention(ops, hp, il, h, {
      rope: ropeOf(il, rope),
      bias: "optional",
      qkNorm: (y, name) => headNorm(ops, hp, y, name),
      window: hp.windows[il],
    });
    const f = blocks.gatedFfn(ops, hp, il, blocks.besideAttention(ops, hp, il, h));
    x = ops.add(blocks.besideAttention(ops, hp, il, x), ops.add(a, f));
    x = blocks.endLayer(ops, il, x);
  }
  const out = blocks.layerNorm(ops, hp, x, "output_norm", "none");
  ops.logits(ops.scale(blocks.outputLogits(ops, hp, out), hp.logitScale));
}

/** Command R+ normalises every head of q and k, each with weights of its own. */
function headNorm(ops: Ops, hp: Hparams, x: Tensor, name: string): Tensor {
  const shape = [hp.keyLength, x.width / hp.keyLength];
  const weight = ops.optionalWeight(`${name}_norm.weight`, shape);
  if (weight === undefined) return x;
  return ops.layerNorm(x, { eps: hp.normEpsilon, weight, group: hp.keyLength });
}
