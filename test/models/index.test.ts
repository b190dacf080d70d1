// The registry and the hyperparameters: what is refused, with which words, and what defaults mean.
import { describe, expect, it } from "vitest";
import { Metadata, type MetadataValue } from "../../formats/metadata.ts";
import { ARCHITECTURES, describeModel, ModelError, ModelKeys } from "../../models/index.ts";
import { readHparams } from "../../models/hparams.ts";
import { readMixture } from "../../models/mixture.ts";

type Entries = Record<string, number | string | boolean | number[]>;

const LLAMA: Entries = {
  "general.architecture": "llama",
  "llama.block_count": 2,
  "llama.context_length": 512,
  "llama.embedding_length": 128,
  "llama.feed_forward_length": 96,
  "llama.attention.head_count": 4,
  "llama.attention.head_count_kv": 2,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
  "llama.vocab_size": 320,
};

function metadata(entries: Entries): Metadata {
  const value = (v: Entries[string]): MetadataValue => {
    if (typeof v === "string") return { type: "string", value: v };
    if (typeof v === "boolean") return { type: "bool", value: v };
    if (typeof v !== "number") {
      return { type: "array", value: { elementType: "u32", values: Uint32Array.from(v) } };
    }
    return Number.isInteger(v) ? { type: "u32", value: v } : { type: "f32", value: Math.fround(v) };
  };
  return new Metadata(
    "test.gguf",
    Object.entries(entries).map(([key, v]) => [key, value(v)] as const),
  );
}

function hparams(extra: Entries, nCtx?: number) {
  return readHparams(new ModelKeys(metadata({ ...LLAMA, ...extra }), "llama", nCtx), "rms");
}

describe("describeModel", () => {
  it("finds the architecture of a file and applies the run's context length", () => {
    const model = describeModel(metadata(LLAMA), { nCtx: 64 });
    expect(model.architecture.names).toContain("llama");
    expect(model.hparams).toMatchObject({
      nCtx: 64,
      contextLength: 512,
      blockCount: 2,
      vocabSize: 320,
    });
  });

  it("serves no name twice", () => {
    const names = ARCHITECTURES.flatMap((a) => a.names);
    expect(new Set(names).size).toBe(names.length);
  });

  it("refuses an unknown architecture and lists the known ones", () => {
    const error = caught(() => describeModel(metadata({ "general.architecture": "gpt9" })));
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toMatch(/general.architecture: expected one of llama, .*found "gpt9"; /);
  });

  it.each([
    [{ "general.architecture": "clip" }, "a multimodal projector"],
    [{ "general.architecture": "llama", "general.type": "mmproj" }, "a multimodal projector"],
    [{ "general.architecture": "llama", "general.type": "adapter" }, "a LoRA adapter"],
    [{ "general.architecture": "controlvector" }, "a control vector"],
    [{ "general.architecture": "llama", "general.type": "imatrix" }, "an importance matrix"],
  ])("refuses %o and says what to do", (entries, what) => {
    const error = caught(() => describeModel(metadata(entries)));
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toContain(`expected a language model, found ${what}; give`);
  });
});

describe("readHparams", () => {
  it("fills in what a file may leave out", () => {
    const hp = hparams({});
    expect(hp).toMatchObject({
      nCtx: 512,
      headCount: [4, 4],
      headCountKv: [2, 2],
      feedForwardLength: [96, 96],
      keyLength: 32,
      valueLength: 32,
      attentionScale: 1 / Math.sqrt(32),
      expertCount: 0,
    });
    expect(hp.rope).toEqual({
      dimensionCount: 32,
      freqBase: 10000,
      scalingType: "linear",
      freqScale: 1,
      attnFactor: 1,
      originalContextLength: 512,
    });
  });

  it("takes one value for all layers or one for each", () => {
    expect(hparams({ "llama.attention.head_count_kv": [4, 1] }).headCountKv).toEqual([4, 1]);
    expect(() => hparams({ "llama.attention.head_count_kv": [4] })).toThrow(
      'key "llama.attention.head_count_kv": expected 2 integers, one per layer, found [4]',
    );
  });

  it("counts the vocabulary by the tokenizer's tokens", () => {
    const meta = metadata(LLAMA);
    const tokens = { elementType: "string", values: ["a", "b", "c"] } as const;
    meta.set("tokenizer.ggml.tokens", { type: "array", value: tokens });
    expect(readHparams(new ModelKeys(meta, "llama"), "rms").vocabSize).toBe(3);
  });

  it.each([
    ["linear", 4, 1 / 4],
    ["yarn", 8, 1 / 8],
    // The file's own word "none" wins over a factor that stands beside it.
    ["none", 4, 1],
    ["linear", 0, 1],
  ])("scales rotary angles: %s by %d", (type, factor, freqScale) => {
    const { rope } = hparams({
      "llama.rope.scaling.type": type,
      "llama.rope.scaling.factor": factor,
    });
    expect(rope).toMatchObject({ scalingType: type, freqScale });
  });

  it("knows the key that files of 2023 use for linear scaling", () => {
    expect(hparams({ "llama.rope.scale_linear": 2.5 }).rope.freqScale).toBe(1 / 2.5);
  });

  it.each([
    [{ "llama.block_count": 0 }, /block_count.*expected 1 to 4096, found 0; /],
    [{ "llama.block_count": 0xffffffff }, /block_count.*found 4294967295/],
    [{ "llama.embedding_length": 0 }, /embedding_length.*expected a positive integer, found 0/],
    [{ "llama.attention.head_count": 0 }, /head_count.*expected a positive integer, found 0/],
    [
      { "llama.attention.head_count_kv": 3 },
      /head_count_kv.*expected a divisor of the 4 heads of layer 0, found 3/,
    ],
    [{ "llama.rope.dimension_count": 33 }, /dimension_count.*expected an even number up to 32/],
    [
      { "llama.rope.scaling.type": "su" },
      /scaling.type.*expected none, linear, yarn or longrope, found "su"; /,
    ],
    [
      { "llama.expert_count": 4 },
      /expert_used_count.*expected 1 to 4, the number of experts, found 0/,
    ],
    [{ "llama.rope.freq_base": 0 }, /freq_base.*expected a positive number, found 0/],
  ])("refuses %o", (entries, message) => {
    const error = caught(() => hparams(entries as unknown as Entries));
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toMatch(message);
  });

  it.each([
    [8, 3, 2, /expert_group_count": expected a divisor of the 8 experts, found 3/],
    [8, 2 ** 32 - 1, 2, /expert_group_count": expected a divisor of the 8 experts/],
    [8, 4, 0, /expert_group_used_count": expected 2 to 4 groups.*the 3 experts.*found 0/],
    [8, 8, 2, /expert_group_used_count": expected 3 to 8 groups.*the 3 experts.*found 2/],
    [8, 4, 5, /expert_group_used_count": expected 2 to 4 groups.*the 3 experts.*found 5/],
  ])("refuses %i experts in %i groups, %i of them used", (experts, groups, used, message) => {
    const entries = {
      ...LLAMA,
      "llama.expert_count": experts,
      "llama.expert_used_count": 3,
      "llama.expert_group_count": groups,
      "llama.expert_group_used_count": used,
    };
    const keys = new ModelKeys(metadata(entries), "llama");
    const read = () =>
      readMixture(keys, readHparams(keys, "rms"), { gating: "softmax", normalise: true });
    const error = caught(read);
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toMatch(message);
  });

  it("knows that one group is none", () => {
    const entries = { ...LLAMA, "llama.expert_count": 8, "llama.expert_used_count": 3 };
    const keys = new ModelKeys(metadata({ ...entries, "llama.expert_group_count": 1 }), "llama");
    const hp = readMixture(keys, readHparams(keys, "rms"), {
      gating: "softmax",
      normalise: true,
    });
    expect(hp.expertRouting.nGroup).toBeUndefined();
  });

  it.each([
    [
      { "rwkv6.wkv.head_size": 48 },
      /wkv.head_size": expected heads of equal size in 128.*found 48/,
    ],
    [{ "rwkv6.wkv.head_size": 0 }, /wkv.head_size": expected heads of equal size.*found 0/],
    [
      { "rwkv6.wkv.head_size": 32, "rwkv6.attention.head_count_kv": 3 },
      /shared evenly by \[3, 3\] key heads, found 32/,
    ],
    [
      { "rwkv6.wkv.head_size": 32, "rwkv6.nextn_predict_layers": 2 },
      /nextn_predict_layers": expected less than 2 layers, found 2/,
    ],
  ])("refuses an RWKV with %o", (entries, message) => {
    const renamed = Object.entries(LLAMA).map(([k, v]) => [k.replace("llama.", "rwkv6."), v]);
    const rwkv = {
      ...Object.fromEntries(renamed),
      "general.architecture": "rwkv6",
      "rwkv6.attention.layer_norm_epsilon": 1e-5,
      "rwkv6.attention.head_count": 0,
      "rwkv6.attention.head_count_kv": 0,
      "rwkv6.time_mix_extra_dim": 8,
      "rwkv6.time_decay_extra_dim": 8,
      ...entries,
    } as unknown as Entries;
    const error = caught(() => describeModel(metadata(rwkv)));
    expect(error).toBeInstanceOf(ModelError);
    expect(error.message).toMatch(message);
  });

  it("names a key that is missing", () => {
    const { "llama.block_count": _, ...rest } = LLAMA;
    expect(() => describeModel(metadata(rest))).toThrow('key "llama.block_count": expected');
  });
});

function caught(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error, found none");
}
