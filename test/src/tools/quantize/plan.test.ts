// The mixes of models that llama.cpp's table has none of: many experts, grouped queries, 70B, falcon, odd widths; the types of
// ik_llama.cpp; and which option is stronger.

import { describe, expect, it } from "vitest";
import { Metadata, type TypeName } from "../../../../formats/index.ts";
import { FTYPES, findFtype, ftypeCalled } from "../../../../src/tools/quantize/ftypes.ts";
import { planQuantization, type PlanOptions } from "../../../../src/tools/quantize/plan.ts";
import { ALL_TYPES, flatImatrix, ggufOf, model, type Shape } from "./models.ts";

/** Types by the tensors' names without `.weight`. */
function planned(shape: Shape, ftype: string, options: Partial<PlanOptions> = {}) {
  const gguf = model(shape),
    imatrix = flatImatrix(gguf);
  const plan = planQuantization(gguf, ALL_TYPES, {
    ftype: ftypeCalled(ftype),
    imatrix,
    ...options,
  });
  return Object.fromEntries(
    plan.map(({ source, type }) => [source.name.replace(".weight", ""), type.name]),
  );
}

/** Layers whose `part` has the type. */
function layersWith(types: Record<string, string>, part: string, type: TypeName): number[] {
  return Object.keys(types)
    .filter((name) => name.endsWith(`.${part}`) && types[name] === type)
    .map((name) => Number(name.split(".")[1]))
    .sort((a, b) => a - b);
}

describe("mixes of llama.cpp", () => {
  it("give the first and last eighth, and every third layer between, more bits", () => {
    const types = planned({ nLayer: 16 }, "Q4_K_M");
    const more = [0, 1, 4, 7, 10, 13, 14, 15];
    expect(layersWith(types, "attn_v", "Q6_K")).toEqual(more);
    expect(layersWith(types, "ffn_down", "Q6_K")).toEqual(more);
    expect(types["token_embd"]).toBe("Q4_K");
    expect(types["output"]).toBe("Q6_K");
    expect(layersWith(planned({ nLayer: 16 }, "Q3_K_M"), "ffn_down", "Q5_K")).toEqual([0]);
    expect(layersWith(planned({ nLayer: 16 }, "Q3_K_M"), "attn_v", "Q5_K")).toEqual([0, 1]);
    expect(layersWith(planned({ nLayer: 16 }, "Q4_K_S"), "attn_v", "Q5_K")).toEqual([0, 1, 2, 3]);
    expect(layersWith(planned({ nLayer: 16 }, "Q4_K_S"), "ffn_down", "Q5_K")).toEqual([0, 1]);
  });

  it("depend on importance weights", () => {
    const without = { imatrix: undefined };
    expect(layersWith(planned({ nLayer: 8 }, "Q4_0"), "ffn_down", "Q4_1")).toEqual([0]);
    expect(layersWith(planned({ nLayer: 8 }, "Q4_0", without), "ffn_down", "Q4_1")).toEqual([]);
    expect(layersWith(planned({ nLayer: 8 }, "IQ4_XS"), "ffn_down", "Q5_K")).toEqual([]);
    expect(layersWith(planned({ nLayer: 8 }, "IQ4_XS", without), "ffn_down", "Q5_K")).toEqual([0]);
  });

  it("spend more on values that many queries share", () => {
    const grouped = { nLayer: 1, nHead: 8, nHeadKv: 2 };
    for (const [ftype, type] of [
      ["Q2_K", "Q4_K"],
      ["Q2_K_S", "Q4_K"],
      ["IQ3_XS", "Q4_K"],
      ["IQ4_XS", "Q5_K"],
      ["IQ2_S", "Q4_K"],
    ])
      expect(planned(grouped, ftype)["blk.0.attn_v"], ftype).toBe(type);
    const large = { nLayer: 80, nHead: 64, nHeadKv: 8 };
    expect(planned(large, "Q4_K_S")["blk.79.attn_v"]).toBe("Q5_K");
    expect(planned(large, "Q3_K_S")["blk.79.attn_v"]).toBe("Q5_K");
    expect(planned({ ...large, nLayer: 79 }, "Q3_K_S")["blk.78.attn_v"]).toBe("Q3_K");
  });

  it("leave routers alone and spend more on what experts share", () => {
    const types = planned({ nLayer: 2, nExpert: 8 }, "Q4_K_M");
    expect(types["blk.0.ffn_gate_inp"]).toBe("F16");
    expect(types["blk.0.attn_v"]).toBe("Q8_0");
    expect(types["blk.0.attn_k"]).toBe("Q8_0");
    expect(types["blk.0.attn_output"]).toBe("Q5_K");
    expect(types["blk.0.ffn_up_exps"]).toBe("Q4_K");
    const mxfp4 = planned({ nLayer: 1, nExpert: 4 }, "MXFP4_MOE");
    expect(mxfp4["blk.0.ffn_up_exps"]).toBe("MXFP4");
    expect([mxfp4["blk.0.attn_q"], mxfp4["token_embd"], mxfp4["output"]]).toEqual(
      Array(3).fill("Q8_0"),
    );
  });

  it("know falcon", () => {
    const falcon = planned({ nLayer: 16, architecture: "falcon" }, "Q4_K_M");
    expect(falcon["output"]).toBe("Q8_0");
    expect(layersWith(falcon, "ffn_down", "Q6_K")).toEqual([0]);
    expect(layersWith(falcon, "ffn_down", "Q5_K")).toEqual([1, 4, 7, 10, 13, 14, 15]);
  });
});

describe("mixes of ik_llama.cpp", () => {
  it.each([
    ["IQ2_K", "IQ4_K", "IQ2_K", "IQ3_K", "Q5_K"],
    ["IQ3_K", "IQ4_K", "IQ3_K", "IQ3_K", "Q5_K"],
    ["IQ4_K", "IQ5_K", "IQ4_K", "IQ4_K", "Q6_K"],
    ["IQ4_KS", "IQ5_K", "IQ4_KS", "IQ4_KS", "Q6_K"],
    ["IQ3_KS", "IQ4_KS", "IQ3_KS", "IQ3_KS", "Q5_K"],
    ["IQ2_KL", "IQ4_KS", "IQ2_KL", "IQ2_KL", "Q5_K"],
    ["IQ3_KL", "IQ5_K", "IQ4_KS", "IQ4_KS", "Q6_K"],
    ["IQ2_KS", "IQ3_K", "IQ2_KS", "IQ2_KS", "Q5_K"],
    ["IQ2_KT", "IQ3_K", "IQ2_KT", "IQ3_K", "Q5_K"],
    ["IQ4_KT", "IQ4_K", "IQ4_KT", "IQ4_KT", "Q6_K"],
    ["IQ6_K", "IQ6_K", "IQ6_K", "IQ6_K", "IQ6_K"],
  ])("%s with two queries for a key", (ftype, attnV, ffnDown, attnOutput, output) => {
    const types = planned({ nLayer: 6, nHead: 8, nHeadKv: 4 }, ftype);
    expect([
      types["blk.5.attn_v"],
      types["blk.5.ffn_down"],
      types["blk.5.attn_output"],
      types["output"],
    ]).toEqual([attnV, ffnDown, attnOutput, output]);
  });

  it("keep more where the embeddings serve as output", () => {
    expect(planned({ nLayer: 1, tied: true }, "IQ3_K")["token_embd"]).toBe("IQ4_K");
    expect(planned({ nLayer: 1, tied: true }, "IQ4_KS")["token_embd"]).toBe("IQ5_K");
  });

  it("know Llama 3 and models of experts", () => {
    const llama3 = planned({ nLayer: 32, nVocab: 128_256 }, "IQ5_K");
    expect([llama3["blk.9.attn_v"], llama3["blk.9.attn_q"]]).toEqual(["IQ6_K", "IQ4_K"]);
    const experts = planned({ nLayer: 1, nExpert: 8 }, "IQ4_K");
    expect([
      experts["blk.0.attn_v"],
      experts["blk.0.attn_k"],
      experts["blk.0.attn_output"],
    ]).toEqual(["Q8_0", "Q8_0", "Q5_K"]);
  });
});

describe("rows that do not fit", () => {
  it.each([
    [96, "Q4_K_S", "Q5_0"],
    [96, "Q5_K_S", "Q5_1"],
    [96, "Q6_K", "Q8_0"],
    [96, "Q3_K_S", "Q4_0"],
    [96, "IQ3_S", "IQ4_NL"],
    [96, "IQ4_K", "Q5_0"],
    [96, "IQ2_K", "IQ4_NL"],
    [40, "Q4_K_S", "F16"],
    [40, "Q8_0", "F16"],
    [96, "Q8_0", "Q8_0"],
  ])("of %i weights, %s: %s", (width, ftype, expected) => {
    const gguf = model({ nLayer: 1, width, type: "F32" }),
      options = { ftype: ftypeCalled(ftype), imatrix: flatImatrix(gguf) };
    const up = planQuantization(gguf, ALL_TYPES, options).find(({ source }) =>
      source.name.includes("ffn_up"),
    )!;
    expect(up.type.name).toBe(expected);
    const type = ftypeCalled(ftype).type;
    expect(up.wanted).toBe(type === expected ? undefined : type);
  });
});

describe("options", () => {
  const shape = { nLayer: 16 },
    q8 = [{ pattern: /token_embd|ffn_down|output/, type: "Q8_0" as const }];

  it("are stronger the more they say", () => {
    const fixed = planned(shape, "Q4_K_M", { tensorTypes: q8, tokenEmbeddingType: "Q5_0" });
    expect(fixed["token_embd"]).toBe("Q5_0");
    expect(layersWith(fixed, "ffn_down", "Q8_0").length).toBe(16);
    const pure = planned(shape, "Q4_K_M", { pure: true, outputType: "F16" });
    expect(pure["output"]).toBe("F16");
    expect(new Set(Object.values(pure))).toEqual(new Set(["F16", "F32", "Q4_K"]));
    expect(planned(shape, "Q4_K_M", { tensorTypes: q8, leaveOutput: true })["output"]).toBe("F16");
    expect(planned({ ...shape, tied: true }, "Q4_K_M", { outputType: "Q8_0" })["token_embd"]).toBe(
      "Q8_0",
    );
  });

  it("do not count for the mix what they decide", () => {
    const first = [{ pattern: /blk\.0\.attn_v/, type: "Q8_0" as const }];
    expect(layersWith(planned(shape, "Q3_K_M", { tensorTypes: first }), "attn_v", "Q5_K")).toEqual([
      1, 2,
    ]);
  });

  it("leave what is not quantised, and everything for COPY", () => {
    const gguf = ggufOf(new Metadata("x"), {
      "token_embd.weight": [256, 4],
      "position_embd.weight": [256, 4],
      "blk.0.attn_q.bias": [256],
      "blk.0.ssm_conv1d.weight": [4, 256],
      "blk.0.time_mix_w1.weight": [256, 64],
      "blk.0.ssm_in.weight": [256, 64],
      "blk.0.one.weight": [256, 1],
    });
    const changed = (ftype: string | undefined) =>
      planQuantization(gguf, ALL_TYPES, { ftype: ftype === undefined ? ftype : ftypeCalled(ftype) })
        .filter(({ source, type }) => type !== source.type)
        .map(({ source }) => source.name);
    expect(changed("Q8_0")).toEqual(["token_embd.weight", "blk.0.ssm_in.weight"]);
    expect(changed(undefined)).toEqual([]);
  });

  it("are checked against the kernels and the matrix", () => {
    const plan = (
      options: Partial<PlanOptions>,
      types = ALL_TYPES,
      shapes: Shape = { nLayer: 1 },
    ) => planQuantization(model(shapes), types, { ftype: ftypeCalled("Q4_K_M"), ...options });
    expect(() => plan({}, { ...ALL_TYPES, written: new Set(["Q6_K"]) })).toThrow(
      "token_embd.weight: expected a type that can be written, found Q4_K; ",
    );
    expect(() => plan({}, { ...ALL_TYPES, read: new Set() })).toThrow("can be read, found F16");
    expect(() => plan({}, ALL_TYPES, { nLayer: 1, type: "Q8_0" })).toThrow("--allow-requantize");
    expect(plan({ allowRequantize: true }, ALL_TYPES, { nLayer: 1, type: "Q8_0" }).length).toBe(11);
    const other = flatImatrix(model({ nLayer: 1, width: 512 }));
    expect(() => plan({ imatrix: other })).toThrow(
      "output.weight: expected an importance matrix of 256 values, found 512; it belongs to another model",
    );
    const without = { ...other, entries: new Map() };
    expect(() => plan({ imatrix: without, ftype: ftypeCalled("IQ2_XS") })).toThrow(
      /blk\.0\.attn_k\.weight: expected importance weights, which IQ2_XS needs, found none for it/,
    );
    // the kernels cannot write it without weights, and the embeddings have none
    expect(() => plan({ tokenEmbeddingType: "IQ2_XXS" })).toThrow(
      "token_embd.weight: expected imp",
    );
  });
});

describe("file types", () => {
  it("are found by name, alias and number", () => {
    expect(findFtype("q4_k")?.name).toBe("Q4_K_M");
    expect(findFtype("15")?.name).toBe("Q4_K_M");
    expect(findFtype("Q4_K_X")).toBeUndefined();
    const numbers = FTYPES.map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});
