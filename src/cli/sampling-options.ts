// llama.cpp's sampling flags, as a table: option of the API, flag, meaning. Ranges are checked in
// one place, by src/sampling; errors.ts gives its messages the flags' names.

import { type Command, Option } from "commander";
import { defaultSamplingOptions, type SamplingOptions } from "../index.ts";
import { resolveOptions, type SamplerName } from "../sampling/options.ts";
import { UsageError } from "./errors.ts";
import { realOption, wholeOption } from "./options.ts";
import { unescape } from "./text.ts";

const I32 = 2 ** 31 - 1;

/** Option, flag, meaning, and for whole numbers the range. */
const FLAGS: readonly (readonly [
  keyof SamplingOptions,
  flag: string,
  meaning: string,
  least?: number,
  most?: number,
])[] = [
  ["seed", "-s, --seed <N>", "start of the random numbers; -1: any", -1, Number.MAX_SAFE_INTEGER],
  ["temperature", "--temp <N>", "0 takes the best token always"],
  ["topK", "--top-k <N>", "keep the N best tokens; 0 keeps all", -1, I32],
  ["topP", "--top-p <N>", "keep the best tokens up to this probability; 1 keeps all"],
  ["minP", "--min-p <N>", "keep tokens this likely relative to the best; 0 keeps all"],
  ["typicalP", "--typical <N>", "keep the most typical tokens up to this probability; 1 keeps all"],
  [
    "topNSigma",
    "--top-nsigma <N>",
    "keep logits within N standard deviations of the best; -1: off",
  ],
  ["xtcProbability", "--xtc-probability <N>", "chance of leaving the likeliest tokens out; 0: off"],
  ["xtcThreshold", "--xtc-threshold <N>", "what counts as likely for that; above 0.5: off"],
  ["repeatPenalty", "--repeat-penalty <N>", "divides the logits of recent tokens; 1: off"],
  ["presencePenalty", "--presence-penalty <N>", "subtracted once from recent tokens; 0: off"],
  ["frequencyPenalty", "--frequency-penalty <N>", "subtracted for each occurrence; 0: off"],
  [
    "repeatLastN",
    "--repeat-last-n <N>",
    "tokens that these penalties look back; 0: off, -1: all",
    -1,
    I32,
  ],
  ["dryMultiplier", "--dry-multiplier <N>", "strength of the penalty on repeats (DRY); 0: off"],
  ["dryBase", "--dry-base <N>", "growth of that penalty with the repeat's length"],
  ["dryAllowedLength", "--dry-allowed-length <N>", "longest repeat that costs nothing", 0, I32],
  [
    "dryPenaltyLastN",
    "--dry-penalty-last-n <N>",
    "tokens that DRY looks back; 0: off, -1: all",
    -1,
    I32,
  ],
  ["dynatempRange", "--dynatemp-range <N>", "half-width of the dynamic temperature; 0: off"],
  ["dynatempExponent", "--dynatemp-exp <N>", "how entropy maps to the temperature"],
  ["mirostat", "--mirostat <N>", "1 or 2: mirostat instead of the other samplers", 0, 2],
  ["mirostatEta", "--mirostat-lr <N>", "mirostat's learning rate"],
  ["mirostatTau", "--mirostat-ent <N>", "mirostat's target surprise in bits"],
];

const NUMBERS: readonly (readonly [keyof SamplingOptions, Option])[] = FLAGS.map(
  ([name, flag, meaning, least, most]) => {
    const text = `${meaning} (default: ${String(defaultSamplingOptions[name])})`;
    return [
      name,
      least === undefined || most === undefined
        ? realOption(flag, text)
        : wholeOption(flag, text, least, most),
    ];
  },
);

export function addSamplingOptions(command: Command): Command {
  command.optionsGroup("Sampling:");
  for (const [, option] of NUMBERS) command.addOption(option);
  return command
    .addOption(
      new Option(
        "-l, --logit-bias <TOKEN+BIAS>",
        "add to a token's logit: 15043+1, 15043-1, 15043-inf; may be repeated",
      ).argParser(addBias),
    )
    .addOption(
      new Option(
        "--dry-sequence-breaker <TEXT>",
        "ends a repeat; may be repeated and replaces the defaults; none: no breakers",
      ).argParser(addBreaker),
    )
    .addOption(
      new Option(
        "--samplers <NAMES>",
        `the chain, in order (default: ${defaultSamplingOptions.samplers.join(";")})`,
      ).argParser(samplerNames),
    );
}

/** The sampling options among a command's values, checked. Throws SamplingError. */
export function samplingOf(values: Readonly<Record<string, unknown>>): Partial<SamplingOptions> {
  const given: Record<string, unknown> = {};
  for (const [name, option] of NUMBERS) {
    const value = values[option.attributeName()];
    if (value !== undefined) given[name] = value;
  }
  for (const [name, value] of [
    ["logitBias", values.logitBias],
    ["drySequenceBreakers", values.drySequenceBreaker],
    ["samplers", values.samplers],
  ] as const)
    if (value !== undefined) given[name] = value;
  resolveOptions(given); // now, not after a minute of loading
  return given;
}

function addBias(
  text: string,
  earlier: ReadonlyMap<number, number> = new Map(),
): ReadonlyMap<number, number> {
  const match = /^(\d{1,9})([+-])(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|inf)$/i.exec(text);
  if (match === null) {
    throw new UsageError(
      `--logit-bias: expected TOKEN+BIAS or TOKEN-BIAS, found ${JSON.stringify(text)}`,
    );
  }
  const [, token, sign, amount] = match;
  const size = amount.toLowerCase() === "inf" ? Infinity : Number(amount);
  return new Map([...earlier, [Number(token), sign === "-" ? -size : size]]);
}

function addBreaker(text: string, earlier: readonly string[] = []): readonly string[] {
  return text === "none" ? [] : [...earlier, unescape(text)];
}

/** llama.cpp's other spellings of two names. */
const SAMPLER_ALIASES: Readonly<Record<string, string>> = {
  typical: "typ_p",
  typical_p: "typ_p",
  temp: "temperature",
};

function samplerNames(text: string): readonly SamplerName[] {
  const names = text
    .split(/[;,]/)
    .map((name) => name.trim().replaceAll("-", "_"))
    .filter((name) => name !== "");
  // resolveOptions checks them
  return names.map((name) => (SAMPLER_ALIASES[name] ?? name) as SamplerName);
}
