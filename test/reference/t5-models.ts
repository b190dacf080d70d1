// Tiny random models of T5, whole and encoder alone (random-models.ts).

import type { RandomModel } from "./random-models.ts";

const T5 = {
  "attention.head_count_kv": 4,
  "attention.relative_buckets_count": 32,
  decoder_start_token_id: 0,
};

export const RANDOM_T5: RandomModel = {
  name: "t5",
  arch: "t5",
  keys: T5,
  optional: /ffn_gate.weight/,
};

export const RANDOM_T5_ENCODER: RandomModel = {
  name: "t5encoder",
  arch: "t5encoder",
  keys: { ...T5, "attention.causal": false, pooling_type: 1 },
  optional: /ffn_gate.weight/,
};
