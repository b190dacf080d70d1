// Tiny random models (random-models.ts) of decoders with attention, and of their branches that no zoo model has.

import type { RandomModel } from "./random-models.ts";

const MOE = { expert_count: 8, expert_used_count: 3, expert_feed_forward_length: 32 };
const DEEPSEEK = {
  ...MOE,
  leading_dense_block_count: 1,
  expert_shared_count: 2,
  expert_weights_scale: 1.5,
};
const YARN = {
  "rope.scaling.type": "yarn",
  "rope.scaling.factor": 8,
  "rope.scaling.original_context_length": 16,
};
/** Pairs of a head that turn by time, height, width and a fourth axis. */
const SECTIONS = { "rope.dimension_sections": [3, 3, 2, 0] };
// llama.cpp does not read this key for qwen2vl: it has 0.
const QWEN2VL = { ...SECTIONS, "attention.layer_norm_rms_epsilon": 1e-9 };
const QKV_BIAS = /attn_[qkv]\.bias$/;
const ALL_BIAS = /(attn_[qkv]|attn_output|ffn_(up|gate|down))\.bias$/;
const UNTIED = /^output\.weight$/;
const and = (...all: RegExp[]): RegExp => new RegExp(all.map((r) => r.source).join("|"));

/** Factors that slow some pairs, as long-rope has them. */
const ropeFactors = (name: string, n: number): Float32Array | undefined =>
  name.startsWith("rope_f") ? Float32Array.from({ length: n }, (_, i) => 1 + i * 0.4) : undefined;

/** Weights much smaller than those of other matrices. */
const small = (n: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => 0.05 * Math.sin(i * i));

export const DECODER_MODELS: readonly RandomModel[] = [
  { name: "arcee", arch: "arcee", optional: UNTIED },
  {
    name: "baichuan-rope",
    arch: "baichuan",
    keys: { block_count: 32, "attention.head_count_kv": 4 },
    optional: UNTIED,
  },
  {
    name: "baichuan-alibi",
    arch: "baichuan",
    keys: { block_count: 40, "attention.head_count_kv": 4 },
    optional: UNTIED,
  },
  {
    name: "bloom",
    arch: "bloom",
    keys: { "attention.head_count_kv": 4 },
    optional: and(/attn_qkv/, UNTIED),
  },
  {
    name: "bloom-12-heads",
    arch: "bloom",
    keys: { embedding_length: 96, "attention.head_count": 12, "attention.head_count_kv": 12 },
    optional: /attn_qkv/,
  },
  {
    name: "chatglm",
    arch: "chatglm",
    keys: { "rope.dimension_count": 8 },
    optional: and(/attn_qkv/, UNTIED),
  },
  { name: "deepseek", arch: "deepseek", keys: DEEPSEEK, optional: UNTIED },
  {
    name: "deepseek2-groups",
    arch: "deepseek2",
    optional: and(/exp_probs_b/, UNTIED),
    keys: {
      ...DEEPSEEK,
      "attention.kv_lora_rank": 32,
      "attention.q_lora_rank": 48,
      "attention.head_count_kv": 1,
      "attention.key_length": 48,
      "attention.value_length": 32,
      "attention.key_length_mla": 40,
      "attention.value_length_mla": 24,
      "rope.dimension_count": 16,
      expert_gating_func: 2,
      expert_weights_norm: true,
      expert_group_count: 4,
      expert_group_used_count: 2,
      ...YARN,
      "rope.scaling.yarn_log_multiplier": 0.1,
    },
  },
  {
    name: "deepseek2-yarn-without-multiplier",
    arch: "deepseek2",
    optional: UNTIED,
    keys: {
      ...DEEPSEEK,
      "attention.kv_lora_rank": 32,
      "attention.q_lora_rank": 48,
      "attention.head_count_kv": 4,
      "attention.key_length": 40,
      "attention.value_length": 24,
      "rope.dimension_count": 16,
      ...YARN,
      "attention.temperature_scale": 0.3,
      "attention.temperature_length": 8,
    },
  },
  {
    name: "dots1",
    arch: "dots1",
    keys: {
      ...DEEPSEEK,
      "attention.head_count_kv": 4,
      expert_gating_func: 2,
      expert_weights_norm: true,
    },
    optional: and(/exp_probs_b/, UNTIED),
  },
  { name: "ernie4_5", arch: "ernie4_5" },
  {
    name: "ernie4_5-moe",
    arch: "ernie4_5-moe",
    keys: {
      ...MOE,
      leading_dense_block_count: 1,
      interleave_moe_layer_step: 1,
      expert_shared_feed_forward_length: 64,
    },
    optional: and(/exp_probs_b/, UNTIED),
  },
  { name: "exaone4", arch: "exaone4" },
  {
    name: "exaone4-windows",
    arch: "exaone4",
    keys: {
      block_count: 64,
      embedding_length: 32,
      feed_forward_length: 32,
      "attention.sliding_window": 8,
    },
    optional: UNTIED,
  },
  {
    name: "gemma4-experts",
    arch: "gemma4",
    optional: and(
      /rope_freqs|ffn_gate_inp\.weight|ffn_gate_up_exps\.weight|ffn_down_exps\.scale|layer_output_scale/,
    ),
    keys: {
      ...MOE,
      "attention.sliding_window": 8,
      "attention.sliding_window_pattern": [true, true, false],
      "attention.key_length": 32,
      "attention.value_length": 32,
      "attention.key_length_swa": 16,
      "attention.value_length_swa": 16,
      "rope.dimension_count": 32,
      "rope.dimension_count_swa": 16,
      "rope.freq_base": 1e6,
      "rope.freq_base_swa": 10000,
      embedding_length_per_layer_input: 0,
      final_logit_softcapping: 30,
    },
    fixed: ropeFactors,
  },
  {
    name: "glm4moe",
    arch: "glm4moe",
    keys: { ...DEEPSEEK, "rope.dimension_count": 8, expert_weights_norm: true },
    optional: and(/exp_probs_b|attn_[qk]_norm/, QKV_BIAS, UNTIED),
  },
  {
    name: "gptj",
    arch: "gptj",
    keys: { "attention.head_count_kv": 4, "rope.dimension_count": 8 },
    optional: /^output\./,
    peer: false,
  },
  {
    name: "granitemoe",
    arch: "granitemoe",
    keys: {
      ...MOE,
      feed_forward_length: 32,
      expert_shared_feed_forward_length: 64,
      logit_scale: 4,
      residual_scale: 0.3,
      embedding_scale: 6,
      "attention.scale": 0.2,
    },
  },
  {
    name: "granite-without-rope",
    arch: "granite",
    keys: {
      "rope.scaling.finetuned": false,
      logit_scale: 4,
      residual_scale: 0.3,
      embedding_scale: 6,
      "attention.scale": 0.2,
    },
  },
  { name: "hunyuan-dense", arch: "hunyuan-dense" },
  {
    name: "hunyuan-moe",
    arch: "hunyuan-moe",
    keys: { ...MOE, feed_forward_length: 32, expert_shared_feed_forward_length: 64 },
    optional: UNTIED,
  },
  { name: "internlm2", arch: "internlm2", optional: and(UNTIED) },
  {
    name: "llama4",
    arch: "llama4",
    keys: {
      block_count: 8,
      expert_count: 4,
      expert_used_count: 1,
      expert_feed_forward_length: 32,
      interleave_moe_layer_step: 2,
    },
    optional: UNTIED,
  },
  {
    name: "llama4-without-chunks",
    arch: "llama4",
    keys: {
      expert_count: 4,
      expert_used_count: 2,
      expert_feed_forward_length: 32,
      interleave_moe_layer_step: 1,
      "attention.sliding_window": 0,
    },
    optional: UNTIED,
    peer: false,
  },
  {
    name: "minicpm3",
    arch: "minicpm3",
    keys: {
      "attention.kv_lora_rank": 32,
      "attention.q_lora_rank": 48,
      "attention.head_count_kv": 4,
      "attention.key_length": 40,
      "attention.value_length": 16,
      "rope.dimension_count": 16,
      "rope.scaling.type": "longrope",
      "rope.scaling.original_context_length": 64,
    },
    optional: and(/rope_factors/, UNTIED),
    // Its output is scaled by 4 here: with larger weights one token would take all.
    fixed: (name, n) => ropeFactors(name, n) ?? (name === "output.weight" ? small(n) : undefined),
  },
  {
    name: "mistral3",
    arch: "mistral3",
    keys: {
      ...YARN,
      "attention.temperature_scale": 0.3,
      "rope.scaling.yarn_log_multiplier": 1,
      "rope.scaling.yarn_beta_fast": 4,
      "rope.scaling.yarn_beta_slow": 1,
    },
    optional: UNTIED,
  },
  {
    name: "mistral3-experts",
    arch: "mistral3",
    keys: { ...MOE, feed_forward_length: 32, ...YARN },
    optional: and(QKV_BIAS, UNTIED),
  },
  {
    name: "mpt-with-biases",
    arch: "mpt",
    keys: { "attention.head_count_kv": 4, "attention.max_alibi_bias": 4 },
    optional: and(/attn_qkv|position_embd|norm\.bias|(attn_output|ffn_up|ffn_down)\.bias/, UNTIED),
  },
  // llama.cpp has these norms and stops at an assertion of its own.
  {
    name: "mpt-with-norms-of-q-and-k",
    arch: "mpt",
    keys: { "attention.head_count_kv": 4, "attention.max_alibi_bias": 8, "attention.clamp_kqv": 1 },
    optional: /attn_qkv|attn_[qk]_norm/,
    peer: false,
  },
  {
    name: "nemotron",
    arch: "nemotron",
    keys: { "rope.dimension_count": 8 },
    optional: and(ALL_BIAS, UNTIED),
  },
  { name: "olmo", arch: "olmo", keys: { "attention.clamp_kqv": 0.5 } },
  {
    name: "olmoe",
    arch: "olmoe",
    keys: {
      expert_count: 8,
      expert_used_count: 3,
      feed_forward_length: 32,
      "attention.head_count_kv": 4,
    },
    optional: UNTIED,
  },
  {
    // experts with rows that are no multiple of 4
    name: "olmoe-30",
    arch: "olmoe",
    keys: {
      expert_count: 8,
      expert_used_count: 3,
      feed_forward_length: 30,
      "attention.head_count_kv": 4,
    },
    optional: UNTIED,
  },
  { name: "orion", arch: "orion", optional: UNTIED },
  {
    name: "phimoe",
    arch: "phimoe",
    keys: {
      expert_count: 4,
      expert_used_count: 2,
      feed_forward_length: 32,
      "rope.scaling.type": "longrope",
      "rope.scaling.original_context_length": 64,
      "rope.scaling.attn_factor": 1.2,
    },
    optional: and(/rope_factors/, UNTIED),
    fixed: ropeFactors,
  },
  {
    name: "seed_oss",
    arch: "seed_oss",
    keys: { "attention.key_length": 32, "attention.value_length": 32 },
    optional: and(QKV_BIAS, UNTIED),
  },
  { name: "smollm3", arch: "smollm3", keys: { block_count: 5 } },
  {
    name: "starcoder",
    arch: "starcoder",
    keys: { "attention.head_count_kv": 1 },
    optional: and(/attn_qkv/, UNTIED),
  },
  { name: "xverse", arch: "xverse", keys: { "attention.head_count_kv": 4 }, optional: UNTIED },
  {
    name: "afmoe",
    arch: "afmoe",
    keys: {
      ...DEEPSEEK,
      block_count: 5,
      expert_shared_count: 1,
      expert_weights_norm: true,
      "attention.sliding_window": 8,
      "rope.freq_base_swa": 5000,
    },
    optional: and(/exp_probs_b/, UNTIED),
  },
  { name: "arctic", arch: "arctic", keys: { ...MOE, feed_forward_length: 32 } },
  {
    name: "bailingmoe",
    arch: "bailingmoe",
    alias: true,
    keys: { ...DEEPSEEK, leading_dense_block_count: 0, expert_weights_norm: true },
    optional: UNTIED,
  },
  {
    name: "bailingmoe2",
    arch: "bailingmoe2",
    keys: {
      ...DEEPSEEK,
      "rope.dimension_count": 8,
      expert_shared_feed_forward_length: 24,
      expert_gating_func: 2,
      expert_weights_norm: true,
      expert_group_count: 4,
      expert_group_used_count: 2,
    },
    optional: and(/attn_qkv.weight|exp_probs_b/, UNTIED),
  },
  { name: "codeshell", arch: "codeshell", alias: true, optional: and(/attn_qkv/, UNTIED) },
  {
    name: "dbrx",
    arch: "dbrx",
    keys: { ...MOE, feed_forward_length: 32, "attention.clamp_kqv": 0.5 },
    optional: and(/attn_qkv.weight/, UNTIED),
  },
  {
    name: "deci",
    arch: "deci",
    keys: {
      block_count: 5,
      "attention.head_count": [4, 4, 0, 0, 4],
      "attention.head_count_kv": [2, 0, 0, 0, 1],
      feed_forward_length: [96, 64, 32, 0, 96],
    },
    optional: and(/rope_freqs/, UNTIED),
    fixed: ropeFactors,
  },
  {
    name: "exaone-moe",
    arch: "exaone-moe",
    keys: {
      ...DEEPSEEK,
      block_count: 5,
      nextn_predict_layers: 0,
      expert_gating_func: 2,
      expert_weights_norm: true,
      "attention.sliding_window": 8,
    },
    optional: and(/exp_probs_b/, UNTIED),
  },
  {
    name: "grok",
    arch: "grok",
    keys: { ...MOE, feed_forward_length: 32, embedding_scale: 5 },
    optional: /layer_output_norm/,
  },
  {
    name: "grok-2",
    arch: "grok",
    keys: {
      ...MOE,
      ...YARN,
      embedding_scale: 5,
      logit_scale: 0.7,
      final_logit_softcapping: 20,
      "attention.output_scale": 0.2,
      "rope.scaling.yarn_beta_fast": 6,
    },
    optional: and(/ffn_(up|gate|down).weight/, UNTIED),
  },
  {
    name: "jais",
    arch: "jais",
    keys: { "attention.head_count_kv": 4, "attention.max_alibi_bias": 8 },
    optional: and(/attn_qkv/, UNTIED),
  },
  { name: "jais2", arch: "jais2", optional: and(QKV_BIAS, UNTIED) },
  {
    name: "mimo2",
    arch: "mimo2",
    keys: {
      ...MOE,
      "attention.sliding_window": 8,
      "attention.sliding_window_pattern": [true, false, true],
      "attention.key_length": 24,
      "attention.value_length": 16,
      "attention.head_count_kv": [2, 1, 4],
      "attention.value_scale": 0.7,
      "rope.dimension_count": 8,
      "rope.freq_base_swa": 5000,
    },
    optional: and(/attn_sinks|blk.[12].ffn_gate_inp.weight|exp_probs_b/, UNTIED),
  },
  {
    name: "minimax-m2",
    arch: "minimax-m2",
    keys: {
      ...MOE,
      feed_forward_length: 32,
      expert_gating_func: 2,
      "rope.dimension_count": 8,
    },
    optional: and(/exp_probs_b/, UNTIED),
  },
  {
    name: "openelm",
    arch: "openelm",
    keys: {
      "attention.head_count": [4, 8, 8],
      "attention.head_count_kv": [2, 2, 4],
      "attention.key_length": 16,
      "attention.value_length": 16,
      feed_forward_length: [64, 96, 128],
    },
    optional: /attn_qkv.weight/,
  },
  { name: "pangu-embedded", arch: "pangu-embedded", optional: QKV_BIAS },
  { name: "plamo", arch: "plamo", optional: UNTIED },
  {
    name: "plamo3",
    arch: "plamo3",
    keys: {
      "attention.sliding_window": 8,
      "attention.sliding_window_pattern": 2,
      "attention.value_length": 32,
      "rope.freq_base_swa": 5000,
    },
    optional: /attn_qkv.weight/,
  },
  {
    name: "plm",
    arch: "plm",
    keys: {
      "attention.kv_lora_rank": 32,
      "attention.head_count_kv": 4,
      "attention.key_length": 40,
      "attention.value_length": 24,
      "rope.dimension_count": 16,
    },
    optional: /attn_q.weight/,
  },
  {
    name: "qwen",
    arch: "qwen",
    keys: { "attention.head_count_kv": 4, feed_forward_length: 192 },
    optional: and(/attn_qkv/, UNTIED),
  },
  { name: "qwen2vl", arch: "qwen2vl", alias: true, keys: QWEN2VL, optional: UNTIED },
  { name: "qwen3vl", arch: "qwen3vl", alias: true, keys: { ...SECTIONS, n_deepstack_layers: 2 } },
  {
    name: "qwen3vlmoe",
    arch: "qwen3vlmoe",
    alias: true,
    keys: { ...SECTIONS, ...MOE, n_deepstack_layers: 2 },
    optional: UNTIED,
  },
  { name: "refact", arch: "refact", optional: UNTIED },
  {
    name: "smallthinker",
    arch: "smallthinker",
    keys: { ...MOE, block_count: 5, expert_gating_func: 2, "attention.sliding_window": 4096 },
    // It reads a state without a norm: the sigmoids of larger scores would all be 1.
    fixed: (name, n) => (name.includes("ffn_gate_inp") ? small(n) : undefined),
  },
  {
    name: "smallthinker-without-windows",
    arch: "smallthinker",
    keys: { ...MOE, expert_gating_func: 1 },
    optional: UNTIED,
  },
];
