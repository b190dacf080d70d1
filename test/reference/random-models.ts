// Tiny models with random weights for architectures of which the zoo has none, or not every branch. The tensors are
// those that a forward pass asks for: whatever the architecture file says is in the file. So engine and slow reference
// can be compared on it, and llama.cpp (test/peers), which would refuse a missing, superfluous or misshapen tensor.
import { type GgufContents, readGguf, typeByName, writeGguf } from "../../formats/index.ts";
import type { Metadata, MetadataValue } from "../../formats/metadata.ts";
import { bytesSource } from "../../formats/source.ts";
import { readFileSync } from "node:fs";
import { describeModel } from "../../models/index.ts";
import type { Tensor, Weight } from "../../models/ops.ts";
import { DECODER_MODELS } from "./decoder-models.ts";
import { ReferenceModel } from "./model.ts";
import { ReferenceOps } from "./ops.ts";
import { RECURRENT_MODELS } from "./recurrent-models.ts";
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
  /** Another architecture has the same forward pass: what the engine makes of it is tested there. */
  readonly alias?: true;
  /** false: llama.cpp cannot run this architecture. */
  readonly peer?: false;
  /** f32 weights of the model, in place of random ones. */
  readonly fixed?: (name: string, n: number) => Float32Array | undefined;
  /** Shapes of tensors that llama.cpp wants in the file and that nobody reads. */
  readonly unread?: Readonly<Record<string, readonly number[]>>;
}

/** Numbers that are written as f32; all other numbers are u32. */
const FLOATS = /epsilon|freq_base|(?<!re)scale|factor$|bias$|softcap|multiplier|clamp|beta/;

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
  const batch = { tokens: [1], positions: [0], sequences: [0], outputs: [true] };
  const { embeddings } = model;
  const description = describeModel(empty.gguf.metadata as Metadata, { embeddings });
  const ops = new MakingOps(empty, batch, description.hasEncoder ? batch : undefined);
  description.forward(ops);
  for (const [name, shape] of Object.entries(model.unread ?? {})) ops.weight(name, shape);
  return [...made.values()];
}

/** Norms near 1, small biases, matrices that keep the length of what they are given. Seeded by name. */
function randomWeight(model: RandomModel, name: string, shape: readonly number[]): Float32Array {
  const n = shape.reduce((product, size) => product * size, 1);
  const fixed = model.fixed?.(name, n);
  if (fixed) return fixed;
  const normal = normals(`${model.name} ${name}`);
  // How much a state keeps: exp of a negative number.
  if (name.endsWith("ssm_a")) return Float32Array.from({ length: n }, () => -1.5 + 0.3 * normal());
  if (/norm.*\.weight$|scale/.test(name))
    return Float32Array.from({ length: n }, () => 1 + 0.2 * normal());
  if (name.endsWith(".bias") || shape.length === 1)
    return Float32Array.from({ length: n }, () => 0.3 * normal());
  // Routers must choose clearly: a near tie could fall either way. No token may be so likely that the others vanish.
  const gain = /embd|output\.weight/.test(name)
    ? 0.4
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

export const RANDOM_MODELS: readonly RandomModel[] = [...DECODER_MODELS, ...RECURRENT_MODELS];
