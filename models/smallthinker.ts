// smallthinker: experts with ReLU, chosen by the layer's input before its norm, so that they can be fetched
// while attention runs. With windows, the first of every four layers sees everything and does not rotate.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams, readWindows } from "./hparams.ts";
import { type MixtureHparams, readMixture } from "./mixture.ts";

interface SmallThinkerHparams extends MixtureHparams {
  readonly windows: readonly (number | undefined)[];
  /** Of the layers with a window. */
  readonly freqBaseSwa: number;
}

// llama.cpp has the same numbers, whatever the file's keys say.
const WINDOW = 4096;
const PERIOD = 4;

export const smallthinker: Architecture<SmallThinkerHparams> = {
  names: ["smallthinker"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...readMixture(keys, hp, { gating: "softmax", normalise: true }),
      windows: readWindows(keys, hp.blockCount, PERIOD, 0, "first").map((w) => w && WINDOW),
      freqBaseSwa: keys.float("rope.freq_base_swa", hp.rope.freqBase),
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const ropeSwa = { ...rope, freqBase: hp.freqBaseSwa };
    const hasWindows = hp.windows.some((window) => window !== undefined);
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const window = hp.windows[il];
      const rotates = !hasWindows || il % PERIOD !== 0;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const turn = window ? ropeSwa : rope;
      const a = blocks.attention(ops, hp, il, h, { rope: rotates ? turn : undefined, window });
      const input = blocks.besideAttention(ops, hp, il, x);
      const scores = blocks.linear(ops, input, `${blk}.ffn_gate_inp`, hp.expertCount);
      x = ops.add(input, a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.ffn_norm`);
      const params = { ...hp.expertRouting, gate: "relu", scores } as const;
      x = blocks.endLayer(ops, il, ops.add(x, blocks.experts(ops, hp, il, g, params)));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
