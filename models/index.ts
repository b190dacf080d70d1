// The registry: which architecture serves a file. A new one is a file beside this one and a row
// here.
import type { Metadata } from "../formats/metadata.ts";
import type { Architecture } from "./architecture.ts";
import { bert, nomicBert } from "./bert.ts";
import { forwardEmbedding, type Pooling, readPooling } from "./embedding.ts";
import { ModelError } from "./errors.ts";
import { cohere2, commandR } from "./command-r.ts";
import { exaone } from "./exaone.ts";
import { falconH1 } from "./falcon-h1.ts";
import { graniteHybrid } from "./granite-hybrid.ts";
import { falcon } from "./falcon.ts";
import { gemma } from "./gemma.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { glm4 } from "./glm4.ts";
import { gpt2 } from "./gpt2.ts";
import { gptneox } from "./gptneox.ts";
import { granite, minicpm } from "./granite.ts";
import { type Hparams, ModelKeys } from "./hparams.ts";
import { lfm2 } from "./lfm2.ts";
import { llama } from "./llama.ts";
import { mamba, mamba2 } from "./mamba.ts";
import { olmo2 } from "./olmo2.ts";
import type { Ops } from "./ops.ts";
import { phi2 } from "./phi2.ts";
import { phi3 } from "./phi3.ts";
import { qwen2, qwen2moe } from "./qwen2.ts";
import { qwen3, qwen3moe } from "./qwen3.ts";
import { qwen35, qwen35moe } from "./qwen35.ts";
import { rwkv7 } from "./rwkv7.ts";
import { t5 } from "./t5.ts";
import { stablelm } from "./stablelm.ts";
import { starcoder2 } from "./starcoder2.ts";

export type { Architecture } from "./architecture.ts";
export type { Pooling } from "./embedding.ts";
export { checkWeight, ModelError } from "./errors.ts";
export { type Hparams, ModelKeys } from "./hparams.ts";
export type * from "./ops.ts";

/** Every architecture, in the order in which they are listed to a user. */
export const ARCHITECTURES: readonly Architecture[] = [
  llama,
  qwen2,
  qwen2moe,
  qwen3,
  qwen3moe,
  gemma,
  gemma2,
  gemma3,
  phi2,
  phi3,
  gpt2,
  gptneox,
  falcon,
  starcoder2,
  stablelm,
  commandR,
  cohere2,
  olmo2,
  granite,
  minicpm,
  glm4,
  exaone,
  mamba,
  mamba2,
  lfm2,
  rwkv7,
  qwen35,
  qwen35moe,
  falconH1,
  graniteHybrid,
  bert,
  nomicBert,
  t5,
];

/** An architecture with the hyperparameters of one file. */
export interface ModelDescription {
  readonly architecture: Architecture;
  readonly hparams: Hparams;
  /** What a run of this model gives. */
  readonly result: "logits" | "embedding";
  /** How an embedding is made of the tokens. */
  readonly pooling: Pooling;
  /** Whether a sequence begins with tokens for an encoder. */
  readonly hasEncoder: boolean;
  /**
   * The forward pass of this model: `architecture.forward` with these hyperparameters, for `result`.
   */
  forward(ops: Ops): void;
}

/** What a run of a model is for. */
export interface DescribeOptions {
  /** Positions the run has room for. Default: as many as the model was trained for. */
  readonly nCtx?: number;
  /** Embeddings from a model that gives logits otherwise. */
  readonly embeddings?: boolean;
  /** Default: what the file says. */
  readonly pooling?: Pooling;
}

/**
 * Finds the architecture of a file and reads its hyperparameters. Throws ModelError for files that
 * are no such model, GgufError for missing keys.
 */
export function describeModel(
  metadata: Metadata,
  { nCtx, embeddings, pooling }: DescribeOptions = {},
): ModelDescription {
  const name = metadata.getString("general.architecture");
  refuseOtherFiles(metadata, name);
  const architecture = ARCHITECTURES.find((a) => a.names.includes(name));
  if (architecture === undefined) {
    throw new ModelError({
      subject: "general.architecture",
      expected: `one of ${ARCHITECTURES.flatMap((a) => a.names).join(", ")}`,
      found: JSON.stringify(name),
      remedy: "samebit cannot run this architecture: choose another model or a newer version",
    });
  }
  const keys = new ModelKeys(metadata, name, nCtx);
  const hparams = architecture.hparams(keys);
  const result = embeddings ? "embedding" : (architecture.result ?? "logits");
  const pooled = pooling ?? readPooling(keys);
  return {
    architecture,
    hparams,
    result,
    pooling: pooled,
    hasEncoder: architecture.hasEncoder ?? false,
    forward(ops) {
      if (result === "embedding") forwardEmbedding(architecture, ops, hparams, pooled);
      else architecture.forward(ops, hparams);
    },
  };
}

// GGUF files that are not language models: general.architecture or general.type -> what they are,
// what to do.
const OTHER_FILES = new Map([
  [
    "clip",
    [
      "a multimodal projector",
      "give the language model that it belongs to; images are not supported",
    ],
  ],
  [
    "mmproj",
    [
      "a multimodal projector",
      "give the language model that it belongs to; images are not supported",
    ],
  ],
  ["adapter", ["a LoRA adapter", "give the base model with -m and this file with --lora"]],
  ["controlvector", ["a control vector", "give the model with -m"]],
  ["imatrix", ["an importance matrix", "give it to quantize with --imatrix"]],
]);

function refuseOtherFiles(metadata: Metadata, name: string): void {
  const type = metadata.getString("general.type", "");
  const other = OTHER_FILES.get(name) ?? OTHER_FILES.get(type);
  if (other === undefined) return;
  const [found, remedy] = other;
  throw new ModelError({ subject: "model file", expected: "a language model", found, remedy });
}
