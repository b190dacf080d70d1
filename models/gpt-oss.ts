// gpt-oss: even layers windowed, a sink per head in the softmax, biases everywhere; the experts' weights are
// a softmax over the chosen logits, their gate is clamped. post_attention_norm stands before the experts.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, readHparams, readWindows } from "./hparams.ts";

interface GptOssHparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
}

// The model's own constant; files do not carry it.
const GATE_LIMIT = 7;

export const gptOss: Architecture<GptOssHparams> = {
  names: ["gpt-oss"],
  hparams(keys) {
    const hp = readHparams(keys, "rms");
    return { ...hp, windows: readWindows(keys, hp.blockCount, 2) };
  },

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    let x = blocks.embedTokens(ops, hp);
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
      const a = blocks.attention(ops, hp, il, h, {
        rope,
        window: hp.windows[il],
        sinks: ops.weight(`${blk}.attn_sinks.weight`, [hp.headCount[il]]),
        bias: "required",
        outputBias: "required",
      });
      x = ops.add(blocks.besideAttention(ops, hp, il, x), a);

      const g = blocks.rmsNorm(ops, hp, x, `${blk}.post_attention_norm`);
      const f = blocks.experts(ops, hp, il, g, {
        gating: "softmaxOfSelected",
        normalise: false,
        gate: (gate, up) => ops.clampedGate(gate, up, GATE_LIMIT),
      });
      x = blocks.endLayer(ops, il, ops.add(x, f));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
  },
};
