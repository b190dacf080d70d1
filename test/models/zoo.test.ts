// Every architecture against llama.cpp's numbers, run by the slow reference: this proves the files
// in models/ without the engine. The tolerance is the zoo's own (`suggested_tol.f32`: 3e-4, or
// about 5e-3 where ggml's GELU table stands between).
import { describe, expect, it } from "vitest";
import { ARCHITECTURES, describeModel, ModelError } from "../../models/index.ts";
import { referenceTypes } from "../reference/dequantize.ts";
import { ReferenceModel } from "../reference/model.ts";
import { ReferenceOps } from "../reference/ops.ts";
import { hasShared } from "../reference/vectors.ts";
import { compareZoo, loadZooCase, type ZooCase, zooNames } from "../reference/zoo.ts";

// Cases that must be found where the shared data is, so that a renamed folder cannot pass for a
// green run.
const REQUIRED = [
  "llama-f32", "llama-f16", "llama-bf16", "llama-q4_0", "llama-q4_1", "llama-q5_0", "llama-q8_0",
  "llama-q2_k", "llama-q3_k_m", "llama-q4_k_m", "llama-q5_k_m", "llama-q6_k", "llama-iq4_xs",
  "llama-tied", "llama-rope-freqs", "llama-rope-linear", "llama-rope-yarn", "llama-moe-mixtral",
  "qwen2", "qwen3", "qwen3moe", "gemma2", "phi3-plain", "phi3-long", "gpt2",
  "mpt", "bitnet", "gpt-oss", "deepseek2-legacy", "deepseek2-mla", "gemma3n", "gemma4",
]; // prettier-ignore

// Tensors of a case that its run does not need.
const UNUSED: Record<string, string[]> = {
  // n_ctx is above the original context: the long factors hold.
  "phi3-long": ["rope_factors_short.weight"],
  // The last two layers read the keys and values of layers 18 and 19.
  gemma3n: [20, 21].flatMap((il) =>
    ["attn_k", "attn_v", "attn_k_norm"].map((name) => `blk.${il}.${name}.weight`),
  ),
};

const supported = ARCHITECTURES.flatMap((a) => a.names);

/**
 * Whether the reference can run this case: a causal model of a known architecture and known types.
 */
function isRunnable(zoo: ZooCase): boolean {
  const types = Object.keys(zoo.weight_types);
  return (
    zoo.kind === "causal" &&
    supported.includes(zoo.arch) &&
    types.every((type) => referenceTypes().includes(type))
  );
}

const shared = hasShared("zoo");
const cases = zooNames().map(loadZooCase).filter(isRunnable);

describe("architectures", () => {
  it.skipIf(!shared)("the shared zoo covers the architectures above", () => {
    expect(cases.map((zoo) => zoo.name)).toEqual(expect.arrayContaining(REQUIRED));
  });

  it.each(cases)("$name gives llama.cpp's numbers", async (zoo) => {
    const model = await ReferenceModel.open(zoo.path, { nCtx: zoo.n_ctx });
    let position = 0;
    const report = await compareZoo(
      zoo,
      (tokens) => {
        position += tokens.length;
        return model.run(tokens, position - tokens.length);
      },
      "f32",
    );
    expect(report.violations).toEqual([]);
    // A tensor that no run reads is a part of the model that was forgotten.
    const unused = [...model.gguf.tensors.keys()].filter((name) => !model.usedTensors.has(name));
    expect(unused).toEqual(UNUSED[zoo.name] ?? []);
  });

  it.skipIf(!shared)("long-rope factors follow the context length of the run", async () => {
    const zoo = loadZooCase("phi3-long");
    const names = ["long", "short"].map((length) => `rope_factors_${length}.weight`);
    const used = async (nCtx: number): Promise<boolean[]> => {
      const model = await ReferenceModel.open(zoo.path, { nCtx });
      model.run(zoo.tokens.slice(0, 2));
      return names.map((name) => model.usedTensors.has(name));
    };
    // The original context is 64 positions.
    expect(await used(64)).toEqual([false, true]);
    expect(await used(65)).toEqual([true, false]);
  });
});

describe("tensors that do not fit the metadata", () => {
  const zoo = loadZooCase("llama-q4_0");

  /** The first error of a forward pass over a file whose metadata says `value` for `key`. */
  async function errorWith(key: string, value: number): Promise<Error> {
    const model = await ReferenceModel.open(zoo.path);
    model.gguf.metadata.set(key, { type: "u32", value });
    const { forward } = describeModel(model.gguf.metadata);
    const ops = new ReferenceOps(model, {
      tokens: [1],
      positions: [0],
      sequences: [0],
      outputs: [true],
    });
    try {
      forward(ops);
    } catch (error) {
      return error as Error;
    }
    throw new Error("expected an error, found none");
  }

  it.each([
    [
      "llama.feed_forward_length",
      96,
      "blk.0.ffn_gate.weight: expected [64, 96], found [64, 128] (off",
    ],
    ["llama.attention.head_count_kv", 1, "blk.0.attn_k.weight: expected [64, "],
    [
      "llama.block_count",
      3,
      "blk.2.attn_norm.weight: expected a tensor [64], found no such tensor",
    ],
    ["llama.embedding_length", 128, "token_embd.weight: expected [128, 320], found [64, 320] (off"],
    ["llama.expert_count", 1, "expected 1 to 1, the number of experts, found 0"],
  ])("%s = %d", async (key, value, message) => {
    const error = await errorWith(key, value).catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toContain(message);
  });
});
