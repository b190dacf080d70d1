import { describe, expect, it } from "vitest";
import { createSampler } from "../../../src/sampling/chain.ts";
import { SamplingError } from "../../../src/sampling/error.ts";
import { defaultSamplingOptions, resolveOptions } from "../../../src/sampling/options.ts";
import { testMath } from "./reference.ts";

describe("defaultSamplingOptions", () => {
  it("are llama.cpp's", () => {
    expect(defaultSamplingOptions).toMatchObject({
      temperature: 0.8,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      typicalP: 1,
      topNSigma: -1,
      xtcProbability: 0,
      xtcThreshold: 0.1,
      dryMultiplier: 0,
      dryBase: 1.75,
      dryAllowedLength: 2,
      dryPenaltyLastN: 64,
      drySequenceBreakers: ["\n", ":", '"', "*"],
      mirostat: 0,
      mirostatTau: 5,
      mirostatEta: 0.1,
      repeatPenalty: 1,
      repeatLastN: 64,
      frequencyPenalty: 0,
      presencePenalty: 0,
      minKeep: 0,
    });
    expect(defaultSamplingOptions.samplers.join(" ")).toBe(
      "penalties dry top_n_sigma top_k typ_p top_p min_p xtc temperature",
    );
  });

  it("stand in for options that are absent or undefined", () => {
    expect(resolveOptions({ topK: undefined })).toEqual(resolveOptions({}));
    expect(resolveOptions({}).topP).toBe(Math.fround(0.95));
  });
});

describe("resolveOptions", () => {
  const wrong: [string, unknown][] = [
    ["temperature", NaN],
    ["temperature", Infinity],
    ["temperature", "1"],
    ["temperature", 1e39],
    ["dynatempRange", -1],
    ["dynatempExponent", -1],
    ["topK", 1.5],
    ["topK", -2],
    ["topK", NaN],
    ["topP", -0.1],
    ["topP", 1.1],
    ["topP", NaN],
    ["minP", 2],
    ["typicalP", -1],
    ["topNSigma", NaN],
    ["topNSigma", -2],
    ["xtcProbability", 1.5],
    ["xtcThreshold", -0.5],
    ["dryMultiplier", -1],
    ["dryBase", -1],
    ["dryAllowedLength", -1],
    ["dryPenaltyLastN", -2],
    ["drySequenceBreakers", "\n"],
    ["drySequenceBreakers", [""]],
    ["drySequenceBreakers", [1]],
    ["mirostat", 3],
    ["mirostat", "2"],
    ["mirostatTau", -1],
    ["mirostatEta", NaN],
    ["repeatPenalty", 0],
    ["repeatPenalty", 1e-60],
    ["repeatPenalty", -1],
    ["repeatLastN", -2],
    ["frequencyPenalty", NaN],
    ["presencePenalty", Infinity],
    ["seed", -2],
    ["seed", 0.5],
    ["seed", 2 ** 53],
    ["minKeep", -1],
    ["samplers", "top_k"],
    ["samplers", ["top_q"]],
    ["logitBias", null],
    ["logitBias", { "-1": 0 }],
    ["logitBias", { a: 0 }],
    ["logitBias", { 1: NaN }],
    ["logitBias", { 1: Infinity }],
    ["logitBias", new Map([[2 ** 21, 0]])],
  ];
  it.each(wrong)("refuses %s = %s and says so", (name, value) => {
    const resolve = (): unknown => createSampler({ [name]: value }, testMath);
    expect(resolve).toThrow(SamplingError);
    try {
      resolve();
    } catch (error) {
      const { option, expected, found, message } = error as SamplingError;
      expect(option).toBe(name);
      expect(expected).not.toBe("");
      expect(found).not.toBe("");
      expect(message).toContain(`${name}: expected ${expected}, found ${found}`);
    }
  });

  it("takes the borders and what switches samplers off", () => {
    for (const options of [
      { temperature: -1 },
      { topK: -1 },
      { topK: 0 },
      { topP: 0 },
      { topP: 1 },
      { minP: 0 },
      { xtcThreshold: 1 },
      { repeatLastN: -1 },
      { seed: 2 ** 53 - 1 },
      { logitBias: { 5: -Infinity } },
      { logitBias: new Map([[5, 1]]) },
      { samplers: [] },
    ]) {
      expect(() => createSampler(options, testMath)).not.toThrow();
    }
  });

  it("wants a vocabulary for breakers only where DRY runs", () => {
    const make = (options: object) => () => createSampler(options, testMath);
    expect(make({ dryMultiplier: 1 })).toThrow(/drySequenceBreakers: expected a vocabulary/);
    expect(make({ dryMultiplier: 1, drySequenceBreakers: [] })).not.toThrow();
    expect(make({ dryMultiplier: 1, samplers: ["top_k"] })).not.toThrow();
    expect(make({ dryMultiplier: 1, mirostat: 2 })).not.toThrow();
  });

  it("copies what it is given", () => {
    const logitBias = new Map([[1, 5]]);
    const options = { logitBias, temperature: 0 };
    const sampler = createSampler(options, testMath);
    logitBias.set(2, 50);
    expect(sampler.sample(Float32Array.of(0, 0, 0))).toBe(1);
  });
});
