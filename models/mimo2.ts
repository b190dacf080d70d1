// mimo2: MiMo V2. Windows in the layers that the file says, with a rope base of their own and attention sinks;
// values of another length than keys; experts chosen with a bias in the layers that have a router.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams, readWindows } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";

interface Mimo2Hparams extends MixtureHparams {
  readonly windows: readonly (number | undefined)[];
  /** Of the layers with a window. */
  readonly freqBaseSwa: number;
  /** Multiplies what attention gives. */
  readonly valueScale: number;
}

export const mimo2: Architecture<Mimo2Hparams> = {
  names: ["mimo2"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return {
      ...readMixture(keys, hp, { gating: "sigmoid", normalise: true }),
      windows: readWindows(keys, hp.blockCount, 1),
      freqBaseSwa: keys.float("rope.freq_base_swa", 10000),
      valueScale: keys.float("attention.value_scale", 1),
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const ropeSwa = { ...rope, freqBase: hp.freqBaseSwa };
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention(il) {
        const window = hp.windows[il];
        const sinks = ops.optionalWeight(`blk.${il}.attn_sinks.weight`, [hp.headCount[il]]);
        return { rope: window ? ropeSwa : rope, window, sinks };
      },
      post: (_, y, of) => (of === "attention" ? ops.scale(y, hp.valueScale) : y),
      ffn(il, x) {
        const router = [hp.embeddingLength, hp.expertCount];
        return ops.optionalWeight(`blk.${il}.ffn_gate_inp.weight`, router)
          ? mixtureFfn(ops, hp, il, x)
          : blocks.gatedFfn(ops, hp, il, x);
      },
    });
    ops.logits(logits);
  },
};
