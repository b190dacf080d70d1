// Architectures without a zoo model, as tiny random ones: the engine against the slow reference, and one hash for threads
// and batch sizes. What the forward passes say was read in llama.cpp; no numbers of it stand behind them here.

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { built } from "../built.ts";
import { randomModel, VOCAB_SIZE } from "../random-model.ts";
import { ReferenceModel } from "../reference/model.ts";
import { logProbabilities, largestDifference } from "../reference/zoo.ts";

const COMMON = {
  context_length: 64, embedding_length: 64, block_count: 3, feed_forward_length: 96, "attention.head_count": 4,
  "attention.layer_norm_rms_epsilon": 1e-5,
};
const SSM = { "ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.time_step_rank": 8, "ssm.group_count": 2 };
const HYBRID = {
  ...COMMON, ...SSM, "attention.head_count_kv": [0, 2, 0], "attention.scale": 0.2, embedding_scale: 2.5, residual_scale: 0.4, logit_scale: 1.5,
};

const MODELS: [name: string, architecture: string, keys: Parameters<typeof randomModel>[1], optional: RegExp][] = [
  ["falcon-h1", "falcon-h1", { ...COMMON, ...SSM, "attention.head_count_kv": 2 }, /conv1d.bias|ssm_norm|ffn_norm$|output.weight/],
  ["falcon-h1 with the suffix", "falcon-h1", { ...COMMON, ...SSM, "attention.head_count_kv": 2 }, /attn_q.bias/],
  ["granitehybrid", "granitehybrid", HYBRID, /conv1d.bias|ssm_norm/],
  [
    "qwen35moe", "qwen35moe",
    {
      ...COMMON, "attention.head_count_kv": 2, "rope.dimension_count": 8, full_attention_interval: 2, expert_count: 4, expert_used_count: 2,
      expert_feed_forward_length: 32, expert_shared_feed_forward_length: 32, "ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 32,
      "ssm.time_step_rank": 4, "ssm.group_count": 2,
    }, /output.weight/,
  ],
  [
    "granitehybrid with experts and no rope", "granitehybrid",
    { ...HYBRID, "rope.scaling.finetuned": false, expert_count: 4, expert_used_count: 2, expert_shared_feed_forward_length: 32 }, /ssm_norm/,
  ],
];

describe.each(MODELS)("%s", (_, architecture, keys, optional) => {
  const tokens = Array.from({ length: 37 }, (_, i) => (i * i * 7 + 3 * i) % VOCAB_SIZE);

  it("agrees with the slow reference, with one hash for threads and batches", async () => {
    const bytes = await randomModel(architecture, keys, optional);
    const expected = (await ReferenceModel.fromBytes(architecture, bytes)).run(tokens);
    const hashes = new Set<string>();
    for (const options of [{ threads: 1 }, { threads: 3 }, { threads: 2, nBatch: 1 }, { threads: 2, nBatch: 7 }]) {
      const model = await built.loadModel(bytes, { ...options, cacheTypeK: "f32", cacheTypeV: "f32" });
      const rows = await model.logits(tokens);
      await model.close();
      const hash = createHash("sha256");
      rows.forEach((row, i) => {
        hash.update(new Uint8Array(row.buffer));
        // 2e-4: float noise of three layers; a mistake moves log-probabilities by whole units
        expect(largestDifference(logProbabilities(row), logProbabilities(expected[i]))).toBeLessThan(2e-4);
      });
      hashes.add(hash.digest("hex"));
    }
    expect(hashes.size).toBe(1);
  });
});
