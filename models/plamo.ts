// plamo and plamo3: PLaMo 13B has attention and feed-forward side by side from one norm; PLaMo 3 has a norm
// before and after each, heads of q and k normalised, and windows in seven of eight layers.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readWindows } from "./hparams.ts";
import type { Tensor } from "./ops.ts";

export const plamo: Architecture = {
  names: ["plamo"],
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    // The whole head rotates, whatever rope.dimension_count says.
    const rope = { ...blocks.ropeParams(ops, hp, "neox"), nRot: hp.keyLength };
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const h = blocks.rmsNorm(ops, hp, x, `blk.${il}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, { rope });
      const f = blocks.gatedFfn(ops, hp, il, blocks.besideAttention(ops, hp, il, h));
      x = ops.add(blocks.besideAttention(ops, hp, il, x), ops.add(a, f));
      x = blocks.endLayer(ops, il, x);
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};

interface Plamo3Hparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
  /** Of the layers with a window. */
  readonly freqBaseSwa: number;
}

export const plamo3: Architecture<Plamo3Hparams> = {
  names: ["plamo3"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...hp,
      windows: readWindows(keys, hp.blockCount, 8),
      freqBaseSwa: keys.float("rope.freq_base_swa", 10000),
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const ropeSwa = { ...rope, freqBase: hp.freqBaseSwa };
    const qkNorm = (x: Tensor, name: string): Tensor =>
      blocks.rmsNorm(ops, hp, x, `${name}_norm`, hp.keyLength);
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention(il) {
        const window = hp.windows[il];
        return { rope: window ? ropeSwa : rope, window, qkNorm };
      },
      ffn: (il, x) => blocks.fusedGatedFfn(ops, hp, il, x),
      post(il, x, of) {
        // These two have no suffix `.weight`.
        const name = of === "attention" ? "post_attention_norm" : "post_ffw_norm";
        const weight = ops.weight(`blk.${il}.${name}`, [x.width]);
        return ops.rmsNorm(x, { eps: hp.normEpsilon, weight });
      },
    });
    ops.logits(logits);
  },
};
