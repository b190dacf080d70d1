// Tiny random models of architectures with recurrent state that have no zoo model: keys, and tensors to leave out.

import type { randomModel } from "../random-model.ts";

const COMMON = {
  context_length: 64,
  embedding_length: 64,
  block_count: 3,
  feed_forward_length: 96,
  "attention.head_count": 4,
  "attention.layer_norm_rms_epsilon": 1e-5,
};
const SSM = {
  "ssm.conv_kernel": 4,
  "ssm.inner_size": 128,
  "ssm.state_size": 16,
  "ssm.time_step_rank": 8,
  "ssm.group_count": 2,
};
const HYBRID = {
  ...COMMON,
  ...SSM,
  "attention.head_count_kv": [0, 2, 0],
  "attention.scale": 0.2,
  embedding_scale: 2.5,
  residual_scale: 0.4,
  logit_scale: 1.5,
};

export const RECURRENT_MODELS: [
  name: string,
  architecture: string,
  keys: Parameters<typeof randomModel>[1],
  optional: RegExp,
][] = [
  [
    "falcon-h1",
    "falcon-h1",
    { ...COMMON, ...SSM, "attention.head_count_kv": 2 },
    /conv1d.bias|ssm_norm|ffn_norm$|output.weight/,
  ],
  [
    "falcon-h1 with the suffix",
    "falcon-h1",
    { ...COMMON, ...SSM, "attention.head_count_kv": 2 },
    /attn_q.bias/,
  ],
  ["granitehybrid", "granitehybrid", HYBRID, /conv1d.bias|ssm_norm/],
  [
    "qwen35moe",
    "qwen35moe",
    {
      ...COMMON,
      "attention.head_count_kv": 2,
      "rope.dimension_count": 8,
      full_attention_interval: 2,
      expert_count: 4,
      expert_used_count: 2,
      expert_feed_forward_length: 32,
      expert_shared_feed_forward_length: 32,
      "ssm.conv_kernel": 4,
      "ssm.inner_size": 128,
      "ssm.state_size": 32,
      "ssm.time_step_rank": 4,
      "ssm.group_count": 2,
    },
    /output.weight/,
  ],
  [
    "granitehybrid with experts and no rope",
    "granitehybrid",
    {
      ...HYBRID,
      "rope.scaling.finetuned": false,
      expert_count: 4,
      expert_used_count: 2,
      expert_shared_feed_forward_length: 32,
    },
    /ssm_norm/,
  ],
];
