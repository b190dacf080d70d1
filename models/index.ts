// The registry: which architecture serves a file. A new one is a file beside this one, a row here
// and one in served.ts.
import type { Metadata } from "../formats/metadata.ts";
import type { Architecture } from "./architecture.ts";
import { arcee } from "./arcee.ts";
import { baichuan } from "./baichuan.ts";
import { bitnet } from "./bitnet.ts";
import { bloom } from "./bloom.ts";
import { chatglm } from "./chatglm.ts";
import { bert, jinaBertV2, jinaBertV3, nomicBert, nomicBertMoe } from "./bert.ts";
import { cohere2, commandR } from "./command-r.ts";
import { deepseek } from "./deepseek.ts";
import { deepseek2 } from "./deepseek2.ts";
import { dots1 } from "./dots1.ts";
import { ernie45, ernie45moe } from "./ernie4-5.ts";
import { ModelError } from "./errors.ts";
import { exaone } from "./exaone.ts";
import { exaone4 } from "./exaone4.ts";
import { falconH1 } from "./falcon-h1.ts";
import { forwardEmbedding, type Pooling, readEmbedding } from "./embedding.ts";
import { graniteHybrid } from "./granite-hybrid.ts";
import { falcon } from "./falcon.ts";
import { gemma } from "./gemma.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3, gemmaEmbedding } from "./gemma3.ts";
import { gemma3n } from "./gemma3n.ts";
import { gemma4 } from "./gemma4.ts";
import { glm4 } from "./glm4.ts";
import { glm4moe } from "./glm4moe.ts";
import { gptOss } from "./gpt-oss.ts";
import { gpt2 } from "./gpt2.ts";
import { gptj } from "./gptj.ts";
import { gptneox } from "./gptneox.ts";
import { granite, granitemoe, minicpm } from "./granite.ts";
import { type Hparams, ModelKeys } from "./hparams.ts";
import { hunyuanDense, hunyuanMoe } from "./hunyuan.ts";
import { internlm2 } from "./internlm2.ts";
import { jamba } from "./jamba.ts";
import { lfm2, lfm2moe } from "./lfm2.ts";
import { llama } from "./llama.ts";
import { mamba, mamba2 } from "./mamba.ts";
import { llama4 } from "./llama4.ts";
import { minicpm3 } from "./minicpm3.ts";
import { eurobert, modernBert, neoBert } from "./modern-bert.ts";
import { mistral3 } from "./mistral3.ts";
import { mpt } from "./mpt.ts";
import { nemotron } from "./nemotron.ts";
import { nemotronH } from "./nemotron-h.ts";
import { olmo2 } from "./olmo2.ts";
import { olmo, olmoe } from "./olmoe.ts";
import { orion } from "./orion.ts";
import { phi2 } from "./phi2.ts";
import { phi3 } from "./phi3.ts";
import { phimoe } from "./phimoe.ts";
import { qwen, qwen2, qwen2moe } from "./qwen2.ts";
import { qwen3, qwen3moe } from "./qwen3.ts";
import { qwen35, qwen35moe, qwen3next } from "./qwen35.ts";
import { rwkv6, rwkv6qwen2 } from "./rwkv6.ts";
import { arwkv7, rwkv7 } from "./rwkv7.ts";
import { seedOss } from "./seed-oss.ts";
import { smollm3 } from "./smollm3.ts";
import { t5, t5encoder } from "./t5.ts";
import { stablelm } from "./stablelm.ts";
import { starcoder } from "./starcoder.ts";
import { starcoder2 } from "./starcoder2.ts";
import { afmoe } from "./afmoe.ts";
import { arctic } from "./arctic.ts";
import { bailingmoe2 } from "./bailingmoe2.ts";
import { dbrx } from "./dbrx.ts";
import { deci } from "./deci.ts";
import { exaoneMoe } from "./exaone-moe.ts";
import { grok } from "./grok.ts";
import { jais, jais2 } from "./jais.ts";
import { kimiLinear } from "./kimi-linear.ts";
import { mimo2 } from "./mimo2.ts";
import { minimaxM2 } from "./minimax-m2.ts";
import { panguEmbedded } from "./pangu-embed.ts";
import { plamo, plamo3 } from "./plamo.ts";
import { plm } from "./plm.ts";
import { refact } from "./refact.ts";
import { smallthinker } from "./smallthinker.ts";
import type { Ops } from "./ops.ts";

export type { Architecture } from "./architecture.ts";
export { POOLINGS, type Pooling } from "./embedding.ts";
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
  mpt,
  bitnet,
  gptOss,
  deepseek2,
  gemma3n,
  gemma4,
  granitemoe,
  llama4,
  mistral3,
  olmo,
  olmoe,
  phimoe,
  minicpm3,
  deepseek,
  dots1,
  glm4moe,
  smollm3,
  exaone4,
  arcee,
  nemotron,
  seedOss,
  internlm2,
  baichuan,
  orion,
  chatglm,
  ernie45,
  ernie45moe,
  hunyuanDense,
  hunyuanMoe,
  starcoder,
  bloom,
  gptj,
  mamba,
  mamba2,
  lfm2,
  rwkv7,
  qwen35,
  qwen35moe,
  falconH1,
  graniteHybrid,
  lfm2moe,
  qwen3next,
  rwkv6,
  rwkv6qwen2,
  arwkv7,
  jamba,
  nemotronH,
  kimiLinear,
  afmoe,
  arctic,
  bailingmoe2,
  dbrx,
  deci,
  exaoneMoe,
  grok,
  jais,
  jais2,
  mimo2,
  minimaxM2,
  panguEmbedded,
  plamo,
  plamo3,
  plm,
  qwen,
  refact,
  smallthinker,
  bert,
  nomicBert,
  nomicBertMoe,
  jinaBertV2,
  jinaBertV3,
  modernBert,
  neoBert,
  eurobert,
  gemmaEmbedding,
  t5,
  t5encoder,
];

/** An architecture with the hyperparameters of one file. */
export interface ModelDescription {
  readonly architecture: Architecture;
  readonly hparams: Hparams;
  /** What a run of this model gives. */
  readonly result: "logits" | "embedding";
  /** How an embedding is made of the tokens. */
  readonly pooling: Pooling;
  /** What the scores of pooling `rank` stand for; empty: one score without a name. */
  readonly labels: readonly string[];
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
  const ofFile = readEmbedding(keys);
  const embedding = { ...ofFile, pooling: pooling ?? ofFile.pooling };
  return {
    architecture,
    hparams,
    result,
    pooling: embedding.pooling,
    labels: embedding.labels,
    hasEncoder: architecture.hasEncoder ?? false,
    forward(ops) {
      if (result === "embedding") forwardEmbedding(architecture, ops, hparams, embedding);
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
