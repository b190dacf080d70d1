// Tiny models with random weights, made by asking an architecture's forward pass which tensors it wants: for
// architectures of which the zoo has no model. Seeded, so that every run tests the same file.

import { writeGguf } from "../formats/gguf-writer.ts";
import { Metadata, type MetadataValue } from "../formats/metadata.ts";
import { typeByName } from "../formats/types.ts";
import { describeModel } from "../models/index.ts";
import type { Ops, Weight } from "../models/ops.ts";
import { memorySink } from "./formats/fixtures.ts";
import { ReferenceModel } from "./reference/model.ts";
import { ReferenceOps } from "./reference/ops.ts";
import type { ReferenceWeight } from "./reference/value.ts";

export const VOCAB_SIZE = 48;

/** Keys under the architecture's prefix. */
type Keys = Readonly<Record<string, number | boolean | readonly number[]>>;

/** The file, as bytes. `optional`: which of the optional tensors it has. */
export async function randomModel(
  architecture: string,
  keys: Keys,
  optional: RegExp,
): Promise<Uint8Array> {
  const metadata = new Metadata(architecture, [
    ["general.architecture", { type: "string", value: architecture }],
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "gpt-2" }],
    ["tokenizer.ggml.tokens", strings(Array.from({ length: VOCAB_SIZE }, (_, i) => `t${i}`))],
    ["tokenizer.ggml.merges", strings([])],
    ...Object.entries(keys).map(
      ([key, value]) => [`${architecture}.${key}`, typed(value)] as const,
    ),
  ]);
  const weights = new Map<string, ReferenceWeight>();
  const weight = (name: string, shape: readonly number[]): Weight => {
    if (!weights.has(name))
      weights.set(name, { name, shape, data: randomWeights(name, shape, weights.size) });
    return weights.get(name)!;
  };
  const model = await ReferenceModel.fromBytes("empty", await file(metadata, new Map()));
  const ops = new ReferenceOps(model, {
    tokens: [1],
    positions: [0],
    sequences: [0],
    outputs: [true],
  });
  const collecting = new Proxy<Ops>(ops, {
    get(target, name) {
      if (name === "weight") return weight;
      if (name === "optionalWeight")
        return (w: string, shape: readonly number[]) =>
          optional.test(w) ? weight(w, shape) : undefined;
      if (name === "sumSquaresByColumn") return () => {};
      const value: unknown = target[name as keyof Ops];
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  describeModel(metadata).forward(collecting);
  return file(metadata, weights);
}

async function file(
  metadata: Metadata,
  weights: ReadonlyMap<string, ReferenceWeight>,
): Promise<Uint8Array> {
  const sink = memorySink();
  const tensors = [...weights.values()].map(({ name, shape, data }) => ({
    name,
    shape,
    type: typeByName("F32"),
    data: new Uint8Array(data.buffer),
  }));
  await writeGguf(sink, { metadata, tensors });
  return sink.file();
}

function randomWeights(name: string, shape: readonly number[], seed: number): Float32Array {
  let state = 12345 + 7919 * seed;
  const next = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const n = shape.reduce((a, b) => a * b, 1);
  // decays are negative, norms near one, matrices keep the size of what they multiply
  if (name.endsWith("ssm_a")) return Float32Array.from({ length: n }, () => -1.5 - next());
  if (/norm/.test(name)) return Float32Array.from({ length: n }, () => 1 + 0.2 * next());
  const size = shape.length > 1 && shape[0] > 1 ? Math.sqrt(3 / shape[0]) : 0.5;
  return Float32Array.from({ length: n }, () => size * next());
}

function typed(value: Keys[string]): MetadataValue {
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value !== "number")
    return { type: "array", value: { elementType: "u32", values: Uint32Array.from(value) } };
  return Number.isInteger(value)
    ? { type: "u32", value }
    : { type: "f32", value: Math.fround(value) };
}

function strings(values: string[]): MetadataValue {
  return { type: "array", value: { elementType: "string", values } };
}
