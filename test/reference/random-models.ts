// Tiny models with random weights for architectures of which the zoo has none, or not every branch. The tensors are
// those that a forward pass asks for: whatever the architecture file says is in the file. So engine and slow reference
// can be compared on it, and llama.cpp (test/peers), which would refuse a missing, superfluous or misshapen tensor.
import { type GgufContents, readGguf, typeByName, writeGguf } from "../../formats/index.ts";
import type { Metadata, MetadataValue } from "../../formats/metadata.ts";
import { bytesSource } from "../../formats/source.ts";
import { readFileSync } from "node:fs";
import { describeModel } from "../../models/index.ts";
import type { Tensor, Weight } from "../../models/ops.ts";
import { ReferenceModel } from "./model.ts";
import { ReferenceOps } from "./ops.ts";
import type { ReferenceWeight } from "./value.ts";
import { loadZooCase } from "./zoo.ts";

type Key = number | string | boolean | readonly (number | string | boolean)[];

/** A model to make. */
export interface RandomModel {
  readonly name: string;
  readonly arch: string;
  /**
   * Metadata beside BASE, without the architecture's prefix, which keys of the tokenizer have not; undefined takes a key of
   * BASE away.
   */
  readonly keys?: Readonly<Record<string, Key | undefined>>;
  /** The model is run for its embeddings, though it gives logits otherwise. */
  readonly embeddings?: true;
  /** Optional tensors that the model has. */
  readonly optional?: RegExp;
  /** false: llama.cpp cannot run this architecture. */
  readonly peer?: false;
  /** f32 weights of the model, in place of random ones. */
  readonly fixed?: (name: string, n: number) => Float32Array | undefined;
}

/** Numbers that are written as f32; all other numbers are u32. */
const FLOATS = /epsilon|freq_base|scale|factor$|bias$|softcap|multiplier|clamp|beta/;

const BASE: Readonly<Record<string, Key>> = {
  block_count: 3,
  context_length: 512,
  embedding_length: 64,
  feed_forward_length: 96,
  "attention.head_count": 4,
  "attention.head_count_kv": 2,
  "attention.layer_norm_rms_epsilon": 1e-5,
  "attention.layer_norm_epsilon": 1e-5,
  "rope.freq_base": 10000,
};

/** The bytes of a GGUF file: f32 weights, and the tokenizer of a small zoo model (320 tokens). */
export async function randomGguf(model: RandomModel): Promise<Uint8Array> {
  const metadata = await metadataOf(model);
  const tensors = tensorsOf(model, await emptyModel(metadata));
  const parts: Uint8Array[] = [];
  const f32 = typeByName("F32");
  const contents: GgufContents = {
    metadata,
    tensors: tensors.map(({ name, shape, data }) => ({
      name,
      type: f32,
      shape,
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
  };
  await writeGguf({ write: (bytes) => void parts.push(bytes.slice()) }, contents);
  return new Uint8Array(Buffer.concat(parts));
}

async function metadataOf({
  name,
  arch,
  keys = {},
}: RandomModel): Promise<[string, MetadataValue][]> {
  const donor = loadZooCase("llama-q4_0").path;
  const { metadata } = await readGguf(bytesSource(donor, readFileSync(donor)));
  const isTokenizer = (key: string): boolean => key.startsWith("tokenizer.");
  const all = Object.entries({ ...BASE, ...keys }).filter(([, value]) => value !== undefined);
  const tokenizer = [...metadata].filter(([key]) => isTokenizer(key) && !(key in keys));
  return [
    ["general.architecture", { type: "string", value: arch }],
    ["general.name", { type: "string", value: `random ${name}` }],
    ...all.map(([key, value]): [string, MetadataValue] => [
      isTokenizer(key) ? key : `${arch}.${key}`,
      valueOfKey(key, value!),
    ]),
    ...tokenizer,
  ];
}

function valueOfKey(key: string, value: Key): MetadataValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") {
    return FLOATS.test(key) ? { type: "f32", value: Math.fround(value) } : { type: "u32", value };
  }
  if (typeof value[0] === "string")
    return { type: "array", value: { elementType: "string", values: value.map(String) } };
  if (typeof value[0] === "boolean") {
    return {
      type: "array",
      value: { elementType: "bool", values: Uint8Array.from(value, Number) },
    };
  }
  return { type: "array", value: { elementType: "u32", values: Uint32Array.from(value, Number) } };
}

/** A model with these keys and no tensor. */
async function emptyModel(metadata: [string, MetadataValue][]): Promise<ReferenceModel> {
  const parts: Uint8Array[] = [];
  await writeGguf({ write: (bytes) => void parts.push(bytes.slice()) }, { metadata, tensors: [] });
  return ReferenceModel.fromBytes("random.gguf", new Uint8Array(Buffer.concat(parts)));
}

/** Runs the forward pass for one token with ops that make every weight that is asked for. */
function tensorsOf(model: RandomModel, empty: ReferenceModel): ReferenceWeight[] {
  const made = new Map<string, ReferenceWeight>();
  class MakingOps extends ReferenceOps {
    override weight(name: string, shape: readonly number[]): Weight {
      if (!made.has(name)) made.set(name, { name, shape, data: randomWeight(model, name, shape) });
      return made.get(name)!;
    }

    override optionalWeight(name: string, shape: readonly number[]): Weight | undefined {
      const wanted = made.has(name) || model.optional?.test(name);
      return wanted ? this.weight(name, shape) : undefined;
    }

    override sumSquaresByColumn(): void {}

    override addLowRank(y: Tensor): Tensor {
      return y;
    }
  }
  const ops = new MakingOps(empty, {
    tokens: [1],
    positions: [0],
    sequences: [0],
    outputs: [true],
  });
  const { embeddings } = model;
  describeModel(empty.gguf.metadata as Metadata, { embeddings }).forward(ops);
  return [...made.values()];
}

/** Norms near 1, small biases, matrices that keep the length of what they are given. Seeded by name. */
function randomWeight(model: RandomModel, name: string, shape: readonly number[]): Float32Array {
  const n = shape.reduce((product, size) => product * size, 1);
  const fixed = model.fixed?.(name, n);
  if (fixed) return fixed;
  const normal = normals(`${model.name} ${name}`);
  if (/norm.*\.weight$|scale/.test(name))
    return Float32Array.from({ length: n }, () => 1 + 0.2 * normal());
  if (name.endsWith(".bias") || shape.length === 1)
    return Float32Array.from({ length: n }, () => 0.3 * normal());
  // Routers must choose clearly: a near tie could fall either way.
  const gain = /embd|output\.weight/.test(name)
    ? 1
    : (/gate_inp/.test(name) ? 4 : 1.2) / Math.sqrt(shape[0]);
  return Float32Array.from({ length: n }, () => gain * normal());
}

/** Roughly normal numbers from a string: sums of a xorshift generator's. */
function normals(seed: string): () => number {
  let state = 2166136261;
  for (const c of seed) state = Math.imul(state ^ c.codePointAt(0)!, 16777619) >>> 0;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return () => (uniform() + uniform() + uniform() + uniform()) * Math.sqrt(3);
}

/** 40 tokens, as in the zoo. */
export const TOKENS: readonly number[] = Array.from({ length: 40 }, (_, i) =>
  i === 0 ? 1 : (i * 67 + 29) % 317,
);

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
const QKV_BIAS = /attn_[qkv]\.bias$/;
const ALL_BIAS = /(attn_[qkv]|attn_output|ffn_(up|gate|down))\.bias$/;
const UNTIED = /^output\.weight$/;
const and = (...all: RegExp[]): RegExp => new RegExp(all.map((r) => r.source).join("|"));

/** Factors that slow some pairs, as long-rope has them. */
const ropeFactors = (name: string, n: number): Float32Array | undefined =>
  name.startsWith("rope_f") ? Float32Array.from({ length: n }, (_, i) => 1 + i * 0.4) : undefined;

export const RANDOM_MODELS: readonly RandomModel[] = [
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
    optional: and(/rope_factors/),
    fixed: ropeFactors,
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
];
