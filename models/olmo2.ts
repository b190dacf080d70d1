// olmo2: OLMo 2 and 3. No norm before attention and feed-forward, one after each; q and k are normalised
// over their full width. OLMo 3 windows three of four layers, and scales rotation in the others only.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readWindows } from "./hparams.ts";
import type { Tensor } from "./ops.ts";

interface Olmo2Hparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
}

export const olmo2: Architecture<Olmo2Hparams> = {
  names: ["olmo2"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return { ...hp, windows: readWindows(keys, hp.blockCount, 4) };
  },

  forward(ops, hp) {
    const globalRope = blocks.ropeParams(ops, hp, "neox");
    const localRope = { ...globalRope, freqScale: 1, attnFactor: 1, yarn: undefined };
    const qkNorm = (x: Tensor, name: string): Tensor => blocks.rmsNorm(ops, hp, x, `${name}_norm`);
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const window = hp.windows[il];
      const rope = window === undefined ? globalRope : localRope;
      const a = blocks.attention(ops, hp, il, x, { rope, qkNorm, window });
      const aNorm = blocks.rmsNorm(ops, hp, a, `${blk}.post_attention_norm`);
      x = ops.add(blocks.besideAttention(ops, hp, il, x), aNorm);

      const f = blocks.gatedFfn(ops, hp, il, x);
      const fNorm = blocks.rmsNorm(ops, hp, f, `${blk}.post_ffw_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, fNorm));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
