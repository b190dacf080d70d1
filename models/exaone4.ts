// exaone4: EXAONE 4. No norm before attention and feed-forward, one after each; heads of q and k normalised.
// The 32B model windows three of four layers and rotates in those only.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readWindows } from "./hparams.ts";
import type { Tensor } from "./ops.ts";

interface Exaone4Hparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
}

// llama.cpp gives windows to the model with so many layers, whatever the keys of others say.
const LAYERS_OF_32B = 64;

export const exaone4: Architecture<Exaone4Hparams> = {
  names: ["exaone4"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const hasWindows = hp.blockCount === LAYERS_OF_32B;
    const none = Array<undefined>(hp.blockCount).fill(undefined);
    return { ...hp, windows: hasWindows ? readWindows(keys, hp.blockCount, 4, 4096) : none };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const hasWindows = hp.windows.some((window) => window !== undefined);
    const qkNorm = (x: Tensor, name: string): Tensor =>
      blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength);
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const window = hp.windows[il];
      const rotates = window !== undefined || !hasWindows;
      const block = { rope: rotates ? rope : undefined, qkNorm, window };
      const a = blocks.attention(ops, hp, il, x, block);
      const aNorm = blocks.rmsNorm(ops, hp, a, `${blk}.post_attention_norm`);
      x = ops.add(blocks.besideAttention(ops, hp, il, x), aNorm);

      const f = blocks.gatedFfn(ops, hp, il, x);
      const fNorm = blocks.rmsNorm(ops, hp, f, `${blk}.post_ffw_norm`);
      x = blocks.endLayer(ops, il, ops.add(x, fNorm));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
