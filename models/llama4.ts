// llama4: Llama 4. Three of four layers rotate and see their own stretch of 8192 positions only; the fourth sees
// everything, without rotation but with a temperature for late positions. The router's sigmoid multiplies an
// expert's input. Scout normalises rotated heads.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { readHparams } from "./hparams.ts";
import { type MixtureHparams, mixtureFfn, readMixture } from "./mixture.ts";
import type { Tensor } from "./ops.ts";

interface Llama4Hparams extends MixtureHparams {
  /** Positions in a stretch; 0: every layer sees everything. */
  readonly chunk: number;
  /** Every so many layers one does not rotate. */
  readonly noRopeStep: number;
}

// llama.cpp's numbers; files do not carry them.
const CHUNK = 8192;
const NO_ROPE_STEP = 4;
const TEMPERATURE = { scale: 0.1, floor: 8192, offset: 1 };
/** Maverick's experts: this model alone does not normalise its heads. */
const EXPERTS_OF_MAVERICK = 128;

export const llama4: Architecture<Llama4Hparams> = {
  names: ["llama4"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    const mixture = readMixture(keys, hp, { gating: "sigmoid", normalise: false });
    // A window of 0 says that the model has no stretches.
    const hasChunks = keys.u32("attention.sliding_window", CHUNK) !== 0;
    return {
      ...mixture,
      expertSharedFeedForwardLength: hp.expertFeedForwardLength,
      chunk: hasChunks ? CHUNK : 0,
      noRopeStep: hasChunks ? NO_ROPE_STEP : hp.blockCount,
    };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const temperature = hp.chunk > 0 ? ops.temperature(TEMPERATURE) : undefined;
    const headNorm = (x: Tensor): Tensor =>
      ops.rmsNorm(x, { eps: hp.normEpsilon, group: hp.keyLength });
    const rotating = {
      rope,
      chunk: hp.chunk || undefined,
      qkNormAfter: hp.expertCount === EXPERTS_OF_MAVERICK ? undefined : headNorm,
    };
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      attention: (il) => ((il + 1) % hp.noRopeStep === 0 ? { temperature } : rotating),
      ffn: (il, x) => mixtureFfn(ops, hp, il, x, { gating: "sigmoid", weighsInput: true }),
    });
    ops.logits(logits);
  },
};
