// Every architecture against llama.cpp's numbers, run by the slow reference: this proves the files
// in models/ without the engine. The tolerance is the zoo's own (`suggested_tol.f32`: 3e-4, or
// about 5e-3 where ggml's GELU table stands between).
import { describe, expect, it } from "vitest";
import { ARCHITECTURES } from "../../models/index.ts";
import { referenceTypes } from "../reference/dequantize.ts";
import { ReferenceModel } from "../reference/model.ts";
import { hasShared } from "../reference/vectors.ts";
import { compareZoo, loadZooCase, type ZooCase, zooNames } from "../reference/zoo.ts";

// Cases that must be found where the shared data is, so that a renamed folder cannot pass for a
// green run.
const REQUIRED = [
  "llama-f32", "llama-f16", "llama-bf16", "llama-q4_0", "llama-q4_1", "llama-q5_0", "llama-q8_0",
  "llama-q2_k", "llama-q3_k_m", "llama-q4_k_m", "llama-q5_k_m", "llama-q6_k", "llama-iq4_xs",
  "llama-tied", "llama-rope-freqs", "llama-rope-linear", "llama-rope-yarn", "llama-moe-mixtral",
  "qwen2", "qwen3", "qwen3moe", "gemma2", "phi3-plain", "phi3-long", "gpt2",
]; // prettier-ignore

// Tensors of a case that its run does not need.
const UNUSED: Record<string, string[]> = {
  // n_ctx is above the original context: the long factors hold.
  "phi3-long": ["rope_factors_short.weight"],
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
  it.skipIf(!shared)("the shared zoo covers the first seven", () => {
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
});
