// afmoe: Arcee Trinity. Windows in three of four layers, which alone rotate; heads of q and k normalised, the
// heads' output gated; norms before and after each part; dense layers first, then experts beside shared ones.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams, readWindows } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

interface AfmoeHparams extends MixtureHparams {
  readonly windows: readonly (number | undefined)[];
  /** Of the layers with a window. */
  readonly freqBaseSwa: number;
}

// llama.cpp has the same number; files do not carry it.
const NO_ROPE_STEP = 4;

export const afmoe: Architecture<AfmoeHparams> = {
  names: ["afmoe"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...readMixture(keys, hp, { gating: "sigmoid", normalise: false }),
      windows: readWindows(keys, hp.blockCount, NO_ROPE_STEP),
      freqBaseSwa: keys.float("rope.freq_base_swa", hp.rope.freqBase),
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const ropeSwa = { ...rope, freqBase: hp.freqBaseSwa };
    const x = ops.scale(blocks.embedTokens(ops, hp), Math.sqrt(hp.embeddingLength));
    const logits = blocks.preNormForward(ops, hp, x, {
      mixer(il, h) {
        const blk = `blk.${il}`;
        const window = hp.windows[il];
        const turn = window ? ropeSwa : rope;
        return blocks.attention(ops, hp, il, h, {
          rope: (il + 1) % NO_ROPE_STEP === 0 ? undefined : turn,
          window,
          qkNorm: (y, name) => blocks.rmsNorm(ops, hp, y, `${name}_norm`, hp.keyLength),
          subNorm(heads) {
            const rows = blocks.besideAttention(ops, hp, il, h);
            const gate = blocks.linear(ops, rows, `${blk}.attn_gate`, heads.width);
            return ops.gated("sigmoid", gate, heads);
          },
        });
      },
      ffn: (il, h) => mixtureFfn(ops, hp, il, h),
      post: (il, y, of) =>
        blocks.rmsNorm(
          ops,
          hp,
          y,
          `blk.${il}.${of === "attention" ? "post_attention_norm" : "post_ffw_norm"}`,
        ),
    });
    ops.logits(logits);
  },
};
