// Tiny random models of architectures with recurrent state (random-models.ts).

import type { RandomModel } from "./random-models.ts";

const SSM = {
  "ssm.conv_kernel": 4,
  "ssm.inner_size": 128,
  "ssm.state_size": 16,
  "ssm.time_step_rank": 8,
  "ssm.group_count": 2,
};
const GRANITE = {
  ...SSM,
  "attention.head_count_kv": [0, 2, 0],
  "attention.scale": 0.2,
  embedding_scale: 2.5,
  residual_scale: 0.4,
  logit_scale: 1.5,
};
const DELTA = {
  "ssm.conv_kernel": 4,
  "ssm.inner_size": 128,
  "ssm.state_size": 32,
  "ssm.time_step_rank": 4,
  "ssm.group_count": 2,
  "rope.dimension_count": 8,
  full_attention_interval: 2,
};
const RWKV6 = {
  "attention.head_count": 0,
  "attention.head_count_kv": 0,
  "wkv.head_size": 16,
  time_mix_extra_dim: 8,
  time_decay_extra_dim: 12,
};
const NEMOTRON_H = {
  ...SSM,
  block_count: 5,
  "attention.head_count_kv": [0, 0, 2, 0, 0],
  "attention.key_length": 16,
  "attention.value_length": 16,
};
const MOE = { expert_count: 4, expert_used_count: 2, expert_feed_forward_length: 32 };

export const RECURRENT_MODELS: readonly RandomModel[] = [
  {
    name: "falcon-h1",
    arch: "falcon-h1",
    keys: SSM,
    optional: /conv1d.bias|ssm_norm|ffn_norm$|^output.weight/,
  },
  {
    name: "falcon-h1-suffix",
    arch: "falcon-h1",
    keys: SSM,
    optional: /conv1d.bias|attn_q.bias/,
    peer: false,
  },
  {
    name: "granitehybrid",
    arch: "granitehybrid",
    keys: GRANITE,
    optional: /conv1d.bias|ssm_norm/,
  },
  {
    name: "granitehybrid-experts",
    arch: "granitehybrid",
    keys: {
      ...GRANITE,
      ...MOE,
      feed_forward_length: 32,
      "rope.scaling.finetuned": false,
      expert_shared_feed_forward_length: 32,
    },
    optional: /conv1d.bias|ssm_norm/,
  },
  {
    name: "qwen35moe",
    arch: "qwen35moe",
    keys: {
      ...DELTA,
      ...MOE,
      expert_shared_feed_forward_length: 32,
      "rope.dimension_sections": [2, 1, 1, 0],
    },
    optional: /^output.weight/,
  },
  {
    name: "qwen3next",
    arch: "qwen3next",
    keys: { ...DELTA, ...MOE, expert_shared_feed_forward_length: 32 },
    optional: /attn_qkv.weight/,
  },
  {
    name: "qwen3next-2025",
    arch: "qwen3next",
    keys: {
      ...DELTA,
      ...MOE,
      expert_shared_feed_forward_length: 32,
      "attention.recurrent_layers": [false, true, true],
    },
    optional: /^output.weight/,
  },
  {
    name: "lfm2-window",
    arch: "lfm2",
    keys: {
      "attention.head_count_kv": [0, 2, 0],
      "shortconv.l_cache": 3,
      "attention.sliding_window": 8,
    },
  },
  {
    name: "lfm2moe",
    arch: "lfm2moe",
    keys: {
      ...MOE,
      "attention.head_count_kv": [0, 2, 0],
      "shortconv.l_cache": 3,
      leading_dense_block_count: 1,
      expert_gating_func: 2,
    },
    optional: /exp_probs_b/,
  },
  {
    name: "rwkv6",
    arch: "rwkv6",
    keys: { ...RWKV6, rescale_every_n_layers: 2 },
    optional: /^output.weight|lerp_fused/,
  },
  { name: "rwkv6-2024", arch: "rwkv6", keys: RWKV6, optional: /^output.weight/ },
  {
    name: "rwkv6qwen2",
    arch: "rwkv6qwen2",
    keys: { ...RWKV6, "attention.head_count_kv": 2, token_shift_count: 1 },
    optional: /^output.weight|lerp_fused|(receptance|key|value).bias/,
  },
  {
    name: "arwkv7",
    arch: "arwkv7",
    keys: {
      embedding_length: 128,
      "attention.head_count": 0,
      "attention.head_count_kv": 0,
      // llama.cpp's kernel is right for this size alone
      "wkv.head_size": 64,
      "attention.decay_lora_rank": 8,
      "attention.iclr_lora_rank": 12,
      "attention.value_residual_mix_lora_rank": 16,
      "attention.gate_lora_rank": 20,
      token_shift_count: 1,
    },
    optional: /^output.weight|_g1.weight/,
    unread: {
      "blk.0.time_mix_v0.weight": [128],
      "blk.0.time_mix_v1.weight": [128, 12],
      "blk.0.time_mix_v2.weight": [12, 128],
    },
  },
  {
    name: "kimi-linear",
    arch: "kimi-linear",
    keys: {
      ...MOE,
      leading_dense_block_count: 1,
      expert_shared_count: 1,
      expert_gating_func: 2,
      expert_weights_scale: 1.5,
      "ssm.conv_kernel": 4,
      "kda.head_dim": 32,
      "attention.head_count_kv": [0, 1, 0],
      "attention.kv_lora_rank": 32,
      "attention.key_length": 48,
      "attention.value_length": 32,
      "attention.key_length_mla": 40,
      "attention.value_length_mla": 24,
      "rope.dimension_count": 16,
    },
    optional: /attn_q.weight|exp_probs_b|^output.weight/,
  },
  {
    name: "jamba",
    arch: "jamba",
    keys: {
      ...SSM,
      expert_count: 4,
      expert_used_count: 2,
      "attention.head_count_kv": [0, 2, 0],
    },
    optional: /conv1d.bias|ssm_(dt|b|c)_norm|blk.1.ffn_gate_inp.weight/,
  },
  {
    name: "nemotron_h",
    arch: "nemotron_h",
    keys: { ...NEMOTRON_H, feed_forward_length: [0, 96, 0, 96, 0] },
    optional: /conv1d.bias|ssm_norm|(attn_output|ffn_up|ffn_down).bias/,
  },
  {
    name: "nemotron_h_moe",
    arch: "nemotron_h_moe",
    keys: {
      ...NEMOTRON_H,
      ...MOE,
      feed_forward_length: [0, 96, 0, 0, 96],
      expert_shared_feed_forward_length: 48,
      expert_shared_count: 1,
      expert_weights_norm: true,
      expert_weights_scale: 2.5,
      moe_latent_size: 32,
    },
    optional: /conv1d.bias|ssm_norm|exp_probs_b|^output.weight/,
  },
];
