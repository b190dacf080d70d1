// Models that exist as names and shapes only: enough to plan with.

import {
  GGML_TYPES,
  type Gguf,
  type Imatrix,
  Metadata,
  type MetadataValue,
  tensorBytes,
  typeByName,
  type TypeName,
} from "../../../../formats/index.ts";
import type { QuantizerTypes } from "../../../../src/tools/quantize/plan.ts";

const names = new Set(GGML_TYPES.map(({ name }) => name));

/** Kernels that read and write everything. */
export const ALL_TYPES: QuantizerTypes = {
  written: names,
  read: names,
  needImatrix: new Set(["IQ2_XXS", "IQ2_XS", "IQ1_S"]),
};

export interface Shape {
  readonly architecture?: string;
  readonly nLayer: number;
  readonly nHead?: number;
  readonly nHeadKv?: number;
  readonly nExpert?: number;
  readonly nVocab?: number;
  readonly width?: number;
  readonly tied?: boolean;
  readonly type?: TypeName;
}

/** A transformer: embeddings, attention, a feed-forward network or experts, output. */
export function model({
  architecture = "llama",
  nLayer,
  nHead = 8,
  nHeadKv = nHead,
  nExpert = 0,
  nVocab = 1000,
  width = 256,
  tied = false,
  type = "F16",
}: Shape): Gguf {
  const u32 = (value: number): MetadataValue => ({ type: "u32", value });
  const metadata = new Metadata("model", [
    ["general.architecture", { type: "string", value: architecture }],
    [`${architecture}.block_count`, u32(nLayer)],
    [`${architecture}.attention.head_count`, u32(nHead)],
    [`${architecture}.attention.head_count_kv`, u32(nHeadKv)],
    ...(nExpert > 0 ? [[`${architecture}.expert_count`, u32(nExpert)] as const] : []),
  ]);
  const shapes: Record<string, readonly number[]> = {
    "token_embd.weight": [width, nVocab],
    "output_norm.weight": [width],
    ...(tied ? {} : { "output.weight": [width, nVocab] }),
  };
  for (let layer = 0; layer < nLayer; layer++) {
    const add = (name: string, ...shape: number[]) =>
      void (shapes[`blk.${layer}.${name}.weight`] = shape);
    add("attn_norm", width);
    add("attn_q", width, width);
    add("attn_k", width, width);
    add("attn_v", width, width);
    add("attn_output", width, width);
    const experts = nExpert > 0 ? [nExpert] : [],
      suffix = nExpert > 0 ? "_exps" : "";
    if (nExpert > 0) add("ffn_gate_inp", width, nExpert);
    for (const part of ["gate", "up", "down"])
      add(`ffn_${part}${suffix}`, width, width, ...experts);
  }
  return ggufOf(metadata, shapes, type);
}

/** Vectors are F32. */
export function ggufOf(
  metadata: Metadata,
  shapes: Record<string, readonly number[]>,
  typeName: TypeName = "F16",
): Gguf {
  const tensors = Object.entries(shapes).map(([name, shape], i) => {
    const type = typeByName(shape.length === 1 ? "F32" : typeName);
    const bytes = tensorBytes(type, shape),
      nWeights = shape.reduce((a, b) => a * b);
    return [name, { name, type, shape, nWeights, offset: i, bytes, sourceIndex: 0 }] as const;
  });
  const sources = [{ name: "model", size: 0, read: () => new Uint8Array(0) }];
  return { version: 3, alignment: 32, metadata, tensors: new Map(tensors), sources };
}

/** Ones for every tensor of `gguf` that has columns. */
export function flatImatrix(gguf: Gguf): Imatrix {
  const entries = [...gguf.tensors.values()].map(({ name, shape }) => {
    const nMatrices = shape[2] ?? 1;
    return [
      name,
      {
        sums: new Float32Array(shape[0] * nMatrices).fill(1),
        counts: new Float32Array(nMatrices).fill(1),
      },
    ] as const;
  });
  return { entries: new Map(entries), datasets: ["text"], chunkCount: 1, chunkSize: 512 };
}
