// What the last layers of gemma3n and gemma4 read of earlier ones, where the metadata leaves them none.
import { describe, expect, it } from "vitest";
import { ModelError } from "../../models/index.ts";
import { type PerLayerHparams, sharedKvAttention } from "../../models/per-layer-embedding.ts";
import { record } from "../src/plan/planning.ts";

const rope = {
  headDim: 8,
  nRot: 8,
  mode: "neox",
  freqBase: 10000,
  freqScale: 1,
  attnFactor: 1,
} as const;
const hparams = {
  architecture: "gemma4",
  embeddingLength: 16,
  normEpsilon: 1e-5,
  headCount: [2, 2],
  headCountKv: [1, 1],
} as unknown as PerLayerHparams;
const shapes = {
  "token_embd.weight": [16, 40],
  ...Object.fromEntries(
    [0, 1].flatMap((il) => [
      [`blk.${il}.attn_q.weight`, [16, 16]],
      [`blk.${il}.attn_k.weight`, [16, 8]],
      [`blk.${il}.attn_q_norm.weight`, [8]],
      [`blk.${il}.attn_k_norm.weight`, [8]],
      [`blk.${il}.attn_output.weight`, [16, 16]],
    ]),
  ),
};

describe("layers that share keys and values", () => {
  it.each([
    [
      "no layer has its own",
      0,
      [undefined, undefined],
      /layer without a window.* first 0, .*layer 0/,
    ],
    ["none of the kind has its own", 1, [undefined, 4], /layer with a window.* first 1, .*layer 1/],
  ])("are refused where %s", (_, firstSharedKvLayer, windows, message) => {
    const hp = { ...hparams, firstSharedKvLayer, windows };
    const run = () =>
      record(shapes, (ops) => {
        let x = ops.embed(ops.weight("token_embd.weight", [16, 40]));
        const caches = new Map();
        for (const il of [0, 1]) x = sharedKvAttention(ops, hp, il, x, rope, caches);
        ops.logits(ops.outputRows(x));
      });
    expect(run).toThrow(ModelError);
    expect(run).toThrow(message);
  });
});
