// modern-bert, neo-bert and eurobert: encoders of the shape that language models have, with norms before attention and
// feed-forward part and rotary positions. modern-bert has local layers, whose tokens see half a window to either side.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { ModelError } from "./errors.ts";
import { type Hparams, readHparams, readWindows, symmetricWindows } from "./hparams.ts";
import type { Activation } from "./ops.ts";

interface ModernBertHparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
  /** Rotary base of the local layers. */
  readonly ropeFreqBaseSwa: number;
  readonly hiddenActivation: Activation;
}

// `hidden_activation` of the file -> what the gate goes through.
const GATES: Readonly<Record<string, Activation>> = {
  gelu: "gelu",
  gelu_pytorch_tanh: "gelu",
  silu: "silu",
  swish: "silu",
};

export const modernBert: Architecture<ModernBertHparams> = {
  names: ["modern-bert"],
  result: "embedding",
  rankHead: { pool: "mean", activation: "gelu" },

  hparams(keys) {
    const hp = readHparams(keys, "layer");
    const name = keys.string("hidden_activation", "gelu");
    const hiddenActivation = GATES[name];
    if (hiddenActivation === undefined) {
      throw new ModelError({
        subject: `key "${keys.architecture}.hidden_activation"`,
        expected: `one of ${Object.keys(GATES).join(", ")}`,
        found: JSON.stringify(name),
        remedy: "this model needs a newer version of samebit",
      });
    }
    return {
      ...hp,
      windows: symmetricWindows(readWindows(keys, hp.blockCount, 3, 0, "first")),
      ropeFreqBaseSwa: keys.float("rope.freq_base_swa", 10000),
      hiddenActivation,
    };
  },

  forward(ops, hp) {
    const globalRope = blocks.ropeParams(ops, hp, "neox");
    const localRope = { ...globalRope, freqBase: hp.ropeFreqBaseSwa, freqScale: 1 };
    const x = blocks.layerNorm(ops, hp, blocks.embedTokens(ops, hp), "token_embd_norm", "none");
    const states = blocks.preNormStates(
      ops,
      hp,
      x,
      {
        // The first layer has none: it would norm what the embedding's norm has just made.
        norm: (y, name) =>
          name !== "blk.0.attn_norm" || ops.optionalWeight(`${name}.weight`, [y.width])
            ? blocks.layerNorm(ops, hp, y, name, "none")
            : y,
        attention: (il) => ({
          rope: hp.windows[il] === undefined ? globalRope : localRope,
          window: hp.windows[il],
          causal: false,
        }),
        ffn: (il, h) => blocks.fusedGatedFfn(ops, hp, il, h, hp.hiddenActivation),
      },
      "output_norm",
    );
    ops.embedding(states);
  },
};

export const neoBert: Architecture = {
  names: ["neo-bert"],
  result: "embedding",
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "norm");
    const model: blocks.PreNormModel = {
      attention: () => ({ rope, causal: false }),
      ffn: (il, h) => blocks.fusedGatedFfn(ops, hp, il, h),
    };
    const x = blocks.embedTokens(ops, hp);
    ops.embedding(blocks.preNormStates(ops, hp, x, model, "enc.output_norm"));
  },
};

export const eurobert: Architecture = {
  names: ["eurobert"],
  result: "embedding",
  hparams: (keys) => readHparams(keys, "rms"),

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    const model: blocks.PreNormModel = { attention: () => ({ rope, causal: false }) };
    const x = blocks.embedTokens(ops, hp);
    ops.embedding(blocks.preNormStates(ops, hp, x, model, "output_norm"));
  },
};
