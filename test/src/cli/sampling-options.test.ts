import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addSamplingOptions, samplingOf } from "../../../src/cli/sampling-options.ts";
import { defaultSamplingOptions } from "../../../src/sampling/index.ts";

function parse(line: string) {
  const command = addSamplingOptions(new Command());
  command.parse(
    line.split(" ").filter((arg) => arg !== ""),
    { from: "user" },
  );
  return samplingOf(command.opts());
}

describe("sampling options", () => {
  it("leaves the defaults to the sampler", () => {
    expect(parse("")).toEqual({});
  });

  it("gives every number its place", () => {
    const given = parse(
      "--seed 7 --temp 0.5 --top-k 9 --top-p 0.4 --min-p 0.1 --typical 0.9 --top-nsigma 2 " +
        "--xtc-probability 0.3 --xtc-threshold 0.2 --repeat-penalty 1.1 --presence-penalty -0.5 " +
        "--frequency-penalty .25 --repeat-last-n -1 --dry-multiplier 0.8 --dry-base 1.5 " +
        "--dry-allowed-length 3 --dry-penalty-last-n 32 --dynatemp-range 0.1 --dynatemp-exp 1.2 " +
        "--mirostat 2 --mirostat-lr 0.2 --mirostat-ent 4e0",
    );
    expect(given).toEqual({
      seed: 7,
      temperature: 0.5,
      topK: 9,
      topP: 0.4,
      minP: 0.1,
      typicalP: 0.9,
      topNSigma: 2,
      xtcProbability: 0.3,
      xtcThreshold: 0.2,
      repeatPenalty: 1.1,
      presencePenalty: -0.5,
      frequencyPenalty: 0.25,
      repeatLastN: -1,
      dryMultiplier: 0.8,
      dryBase: 1.5,
      dryAllowedLength: 3,
      dryPenaltyLastN: 32,
      dynatempRange: 0.1,
      dynatempExponent: 1.2,
      mirostat: 2,
      mirostatEta: 0.2,
      mirostatTau: 4,
    });
    // minKeep is the only number that llama.cpp's command line does not set with a flag of its own
    const left = Object.keys(defaultSamplingOptions).filter((name) => !(name in given));
    expect(left.sort()).toEqual(["drySequenceBreakers", "logitBias", "minKeep", "samplers"]);
  });

  it("collects what may be repeated", () => {
    const { logitBias, drySequenceBreakers } = parse(
      "-l 5+1.5 -l 6-inf -l 7-2 --dry-sequence-breaker \\n --dry-sequence-breaker x",
    );
    expect(logitBias).toEqual(
      new Map([
        [5, 1.5],
        [6, -Infinity],
        [7, -2],
      ]),
    );
    expect(drySequenceBreakers).toEqual(["\n", "x"]);
    expect(parse("--dry-sequence-breaker none").drySequenceBreakers).toEqual([]);
  });

  it("reads llama.cpp's names of samplers", () => {
    expect(parse("--samplers top-k;typical;temp").samplers).toEqual([
      "top_k",
      "typ_p",
      "temperature",
    ]);
    expect(() => parse("--samplers top_k;magic")).toThrow(
      "samplers: expected names out of penalties",
    );
  });

  it.each(["--top-p 2", "--xtc-threshold -1", "--repeat-penalty 0", "--temp 1e40"])(
    "refuses %s at once",
    (line) => {
      expect(() => parse(line)).toThrow(/expected a number/);
    },
  );
});
