// Tiny random models of embedding models and rerankers, as random-models.ts makes them.
import type { RandomModel } from "./random-models.ts";

const POOLING = { none: 0, mean: 1, cls: 2, last: 3, rank: 4 };
const ENCODER = { "attention.causal": false, "attention.head_count_kv": 4 };
const BERT = { ...ENCODER, "tokenizer.ggml.token_type_count": 2 };
const BIASES = /token_types|(attn_[qkv]|attn_qkv|attn_output|ffn_(up|down))\.bias/;
const FUSED_BIASES = /attn_qkv|token_types|(attn_output|ffn_(up|down))\.bias/;
// A small number: tokens of the 40 that a test has must be hidden on both sides.
const WINDOW = { "attention.sliding_window": 9 };

export const RANDOM_ENCODERS: readonly RandomModel[] = [
  {
    name: "jina-bert-v2",
    arch: "jina-bert-v2",
    keys: { ...BERT, pooling_type: POOLING.mean },
    optional: /token_types|attn_[qkv]\.bias|attn_output\.bias|ffn_gate\.weight|ffn_(up|down)\.bias/,
  },
  {
    name: "jina-bert-v2-code",
    arch: "jina-bert-v2",
    keys: { ...BERT, pooling_type: POOLING.cls },
    optional: /token_types|attn_[qk]_norm|attn_norm_2|(attn_[qkv]|attn_output|ffn_(up|down))\.bias/,
  },
  {
    name: "jina-bert-v2-reranker",
    arch: "jina-bert-v2",
    keys: { ...BERT, pooling_type: POOLING.rank },
    optional:
      /token_types|attn_[qkv]\.bias|attn_output\.bias|ffn_gate\.weight|ffn_(up|down)\.bias|^cls\.(weight|bias)/,
  },
  {
    name: "jina-bert-v3",
    arch: "jina-bert-v3",
    keys: { ...BERT, pooling_type: POOLING.mean },
    optional: FUSED_BIASES,
  },
  {
    name: "nomic-bert-moe",
    arch: "nomic-bert-moe",
    keys: {
      ...BERT,
      pooling_type: POOLING.mean,
      moe_every_n_layers: 2,
      expert_count: 8,
      expert_used_count: 2,
    },
    optional: FUSED_BIASES,
  },
  {
    name: "bert-last",
    arch: "bert",
    keys: { ...BERT, pooling_type: POOLING.last },
    optional: BIASES,
  },
  {
    name: "bert-reranker",
    arch: "bert",
    keys: { ...BERT, pooling_type: POOLING.rank },
    optional:
      /token_types|(attn_[qkv]|attn_output|ffn_(up|down))\.bias|^cls\.(output\.)?(weight|bias)/,
  },
  {
    name: "modern-bert",
    arch: "modern-bert",
    keys: { ...ENCODER, ...WINDOW, pooling_type: POOLING.cls, "rope.freq_base": 160000 },
    optional: /attn_qkv/,
  },
  {
    name: "modern-bert-silu",
    arch: "modern-bert",
    keys: {
      ...ENCODER,
      ...WINDOW,
      pooling_type: POOLING.none,
      "rope.freq_base_swa": 20000,
      "attention.sliding_window_pattern": 2,
      hidden_activation: "silu",
    },
    optional: /attn_qkv|blk.0.attn_norm/,
  },
  {
    name: "modern-bert-reranker",
    arch: "modern-bert",
    keys: { ...ENCODER, pooling_type: POOLING.rank },
    optional: /attn_qkv|^cls\.(weight|norm|output\.(weight|bias))/,
  },
  {
    name: "neo-bert",
    arch: "neo-bert",
    keys: { ...ENCODER, pooling_type: POOLING.cls },
    optional: /attn_qkv/,
  },
  {
    name: "eurobert",
    arch: "eurobert",
    keys: { "attention.causal": false, pooling_type: POOLING.last },
  },
  {
    name: "gemma-embedding",
    arch: "gemma-embedding",
    keys: {
      ...WINDOW,
      "attention.sliding_window_pattern": 3,
      "attention.key_length": 32,
      "attention.value_length": 32,
      "rope.freq_base": 1e6,
      pooling_type: POOLING.mean,
    },
  },
  {
    name: "gemma-embedding-dense",
    arch: "gemma-embedding",
    keys: {
      ...WINDOW,
      block_count: 7,
      pooling_type: POOLING.mean,
      dense_2_feat_in: 64,
      dense_2_feat_out: 160,
      dense_3_feat_in: 160,
      dense_3_feat_out: 64,
    },
    optional: /^dense_[23]\.weight/,
  },
  {
    name: "qwen3-reranker",
    arch: "qwen3",
    embeddings: true,
    keys: {
      "attention.key_length": 16,
      "attention.value_length": 16,
      pooling_type: POOLING.rank,
      "classifier.output_labels": ["yes", "no"],
    },
    optional: /^cls\.output\.weight/,
  },
];
