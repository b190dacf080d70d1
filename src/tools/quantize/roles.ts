// What a tensor is for, by its name: which ones are quantised at all, and the roles that the mixes tell apart. Names and
// exceptions: llama.cpp's src/llama-quant.cpp.

import type { TensorInfo } from "../../../formats/gguf.ts";

export type Role =
  | "output"
  | "tokenEmbedding"
  | "attnQkv"
  | "attnKvB"
  | "attnV"
  | "attnK"
  | "attnQ"
  | "attnOutput"
  | "ffnUp"
  | "ffnGate"
  | "ffnDown"
  | "other";

/** Parts of names, the first that is found decides. */
const PARTS: readonly (readonly [string, Role])[] = [
  ["attn_qkv.weight", "attnQkv"],
  ["attn_kv_b.weight", "attnKvB"],
  ["attn_v.weight", "attnV"],
  ["attn_k.weight", "attnK"],
  ["attn_q.weight", "attnQ"],
  ["attn_output.weight", "attnOutput"],
  ["ffn_up", "ffnUp"],
  ["ffn_gate", "ffnGate"],
  ["ffn_down", "ffnDown"],
];

export function roleOf(name: string): Role {
  if (name === "output.weight") return "output";
  if (isTokenEmbedding(name)) return "tokenEmbedding";
  return PARTS.find(([part]) => name.includes(part))?.[1] ?? "other";
}

export function isTokenEmbedding(name: string): boolean {
  return name === "token_embd.weight" || name === "per_layer_token_embd.weight";
}

/** In the order of the model's layers; undefined for a name without one. */
export function layerOf(name: string): number | undefined {
  const match = /^blk\.(\d+)\./.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Small, or needed exactly: left as they are. */
const LEFT_ALONE = [
  "_norm.weight",
  // which expert a token goes to
  "ffn_gate_inp.weight",
  "ffn_gate_tid2eid.weight",
  // gemma3n
  "altup",
  "laurel",
  "per_layer_model_proj",
  // convolutions of recurrent models
  "ssm_conv1d",
  "shortconv.conv.weight",
  // sparse attention's indexer
  "indexer.k_proj.weight",
  "indexer.q_proj.weight",
  // RWKV's low-rank factors
  ...["first", "w0", "w1", "w2", "v0", "v1", "v2", "a0", "a1", "a2", "g1", "g2"].map(
    (part) => `time_mix_${part}.weight`,
  ),
  ...["decay_w1", "decay_w2", "lerp_fused"].map((part) => `time_mix_${part}.weight`),
  // positions of T5
  "attn_rel_b.weight",
  // images and sound
  ".position_embd",
  "sam.pos_embd",
  "sam.neck.",
  "sam.net_",
  ".rel_pos",
  ".patch_embd",
  ".patch_merger",
  "a.rvq.codebook",
  "mm.a.code_embd",
];
const NEVER = ["position_embd.weight", "token_types.weight"];

/** Whether a quantised file has another type for the tensor. Numbers of integer types are none that could be rounded. */
export function isQuantised({ name, shape, type }: TensorInfo): boolean {
  return (
    name.endsWith("weight") &&
    shape.slice(1).some((n) => n > 1) &&
    !/^(I\d+|F64)$/.test(type.name) &&
    !NEVER.includes(name) &&
    !LEFT_ALONE.some((part) => name.includes(part))
  );
}
