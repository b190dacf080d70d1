// What a caller may ask of the sampler: names in camelCase of llama.cpp's, defaults and meaning as
// there (common_params_sampling in its common/common.h; facts in shared/reference/LLAMACPP.md).
// resolveOptions is the boundary: after it, no sampler checks anything again.

import { SamplingError } from "./error.ts";
import { maxVocabularySize } from "./ranking.ts";

/** Names as llama.cpp's `--samplers` has them. */
export type SamplerName =
  | "penalties"
  | "dry"
  | "top_n_sigma"
  | "top_k"
  | "typ_p"
  | "top_p"
  | "min_p"
  | "xtc"
  | "temperature";

export interface SamplingOptions {
  /** Divides the logits. 0 or less: greedy, the best candidate is taken and no number drawn. */
  temperature: number;
  /** Half-width of the dynamic temperature's range; 0 switches it off. */
  dynatempRange: number;
  /** Maps normalised entropy to that range: temperature = min + (max - min) * entropy^exponent. */
  dynatempExponent: number;
  /** Keep the k best candidates; 0 or -1 keeps all. */
  topK: number;
  /** Keep the smallest set of best candidates whose probability reaches p; 1 keeps all. */
  topP: number;
  /** Keep candidates with probability >= p * the best one's; 0 keeps all. */
  minP: number;
  /** Keep the most typical candidates until their probability exceeds p; 1 keeps all. */
  typicalP: number;
  /** Keep logits within n standard deviations of the best; 0 or less keeps all. */
  topNSigma: number;
  /** Chance per token that XTC acts; 0 switches it off. */
  xtcProbability: number;
  /** XTC drops all but the least of the candidates at or above it; over 0.5 switches it off. */
  xtcThreshold: number;
  /** DRY penalty = multiplier * base^(repeated length - allowed length); 0 switches it off. */
  dryMultiplier: number;
  /** Below 1 switches DRY off. */
  dryBase: number;
  /** Repeats shorter than this cost nothing, in tokens. */
  dryAllowedLength: number;
  /** Tokens that DRY looks back; 0 switches it off, -1 looks at all accepted tokens. */
  dryPenaltyLastN: number;
  /** Texts that end a repeat. */
  drySequenceBreakers: readonly string[];
  /** 0, 1 or 2. With 1 or 2 the chain is logit bias, temperature, mirostat. */
  mirostat: 0 | 1 | 2;
  /** Mirostat's target surprise, in bits. */
  mirostatTau: number;
  /** Mirostat's learning rate. */
  mirostatEta: number;
  /** Divides positive and multiplies other logits of recent tokens; 1 changes nothing. */
  repeatPenalty: number;
  /** Tokens that the three penalties look back; 0 switches them off, -1 looks at all accepted. */
  repeatLastN: number;
  /** Subtracted from a recent token's logit once per occurrence. */
  frequencyPenalty: number;
  /** Subtracted from a recent token's logit once. */
  presencePenalty: number;
  /** Added to the logits of these tokens; -Infinity forbids a token. */
  logitBias: ReadonlyMap<number, number> | Readonly<Record<number, number>>;
  /** 0 to 2^53 - 1; -1 or 2^32 - 1 draws one (`Sampler.seed` tells which). */
  seed: number;
  /** Top-p, min-p, typical and XTC leave at least this many candidates. */
  minKeep: number;
  /** The chain between logit bias and the draw, in order. A name that is absent does not run. */
  samplers: readonly SamplerName[];
}

/** llama.cpp's defaults. */
export const defaultSamplingOptions: Readonly<SamplingOptions> = Object.freeze({
  temperature: 0.8,
  dynatempRange: 0,
  dynatempExponent: 1,
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
  drySequenceBreakers: Object.freeze(["\n", ":", '"', "*"]),
  mirostat: 0,
  mirostatTau: 5,
  mirostatEta: 0.1,
  repeatPenalty: 1,
  repeatLastN: 64,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: new Map<number, number>(),
  seed: -1,
  minKeep: 0,
  samplers: Object.freeze([
    "penalties",
    "dry",
    "top_n_sigma",
    "top_k",
    "typ_p",
    "top_p",
    "min_p",
    "xtc",
    "temperature",
  ] as const),
});

/** Checked options: reals are rounded to f32, as llama.cpp holds them; the bias is a private Map. */
export interface ResolvedOptions extends Omit<SamplingOptions, "logitBias"> {
  logitBias: ReadonlyMap<number, number>;
}

/** Fills in the defaults and checks every option. Throws SamplingError naming the first bad one. */
export function resolveOptions(options: Partial<SamplingOptions>): ResolvedOptions {
  const given = <K extends keyof SamplingOptions>(name: K): SamplingOptions[K] =>
    options[name] === undefined ? defaultSamplingOptions[name] : options[name];
  const real = (name: RealOption, least: number, most: number): number =>
    checkedReal(name, given(name), least, most);
  const whole = (name: WholeOption, least: number, most: number): number =>
    checkedWhole(name, given(name), least, most);

  const repeatPenalty = real("repeatPenalty", 0, f32Max);
  if (repeatPenalty === 0) {
    throw new SamplingError("repeatPenalty", "a number above 0", "0", "1 switches it off");
  }
  return {
    temperature: real("temperature", -f32Max, f32Max),
    dynatempRange: real("dynatempRange", 0, f32Max),
    dynatempExponent: real("dynatempExponent", 0, f32Max),
    topK: whole("topK", -1, i32Max),
    topP: real("topP", 0, 1),
    minP: real("minP", 0, 1),
    typicalP: real("typicalP", 0, 1),
    topNSigma: real("topNSigma", -1, f32Max),
    xtcProbability: real("xtcProbability", 0, 1),
    xtcThreshold: real("xtcThreshold", 0, 1),
    dryMultiplier: real("dryMultiplier", 0, f32Max),
    dryBase: real("dryBase", 0, f32Max),
    dryAllowedLength: whole("dryAllowedLength", 0, i32Max),
    dryPenaltyLastN: whole("dryPenaltyLastN", -1, i32Max),
    drySequenceBreakers: checkedBreakers(given("drySequenceBreakers")),
    mirostat: whole("mirostat", 0, 2) as 0 | 1 | 2,
    mirostatTau: real("mirostatTau", 0, f32Max),
    mirostatEta: real("mirostatEta", 0, f32Max),
    repeatPenalty,
    repeatLastN: whole("repeatLastN", -1, i32Max),
    frequencyPenalty: real("frequencyPenalty", -f32Max, f32Max),
    presencePenalty: real("presencePenalty", -f32Max, f32Max),
    logitBias: checkedBias(given("logitBias")),
    seed: whole("seed", -1, Number.MAX_SAFE_INTEGER),
    minKeep: whole("minKeep", 0, i32Max),
    samplers: checkedSamplers(given("samplers")),
  };
}

/** The largest finite f32. */
export const f32Max = 3.4028234663852886e38;
const i32Max = 0x7fff_ffff;

type OptionOf<T> = { [K in keyof SamplingOptions]: SamplingOptions[K] extends T ? K : never };
type NumberOption = OptionOf<number>[keyof SamplingOptions];
type WholeOption =
  | "topK"
  | "dryAllowedLength"
  | "dryPenaltyLastN"
  | "mirostat"
  | "repeatLastN"
  | "seed"
  | "minKeep";
type RealOption = Exclude<NumberOption, WholeOption>;

function checkedReal(name: string, value: unknown, least: number, most: number): number {
  const rounded = typeof value === "number" ? Math.fround(value) : NaN;
  // Written so that NaN fails.
  if (!(rounded >= least && rounded <= most)) {
    throw new SamplingError(name, rangeText("a number", least, most), String(value));
  }
  return rounded;
}

function checkedWhole(name: string, value: unknown, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw new SamplingError(name, rangeText("an integer", least, most), String(value));
  }
  return value as number;
}

function rangeText(kind: string, least: number, most: number): string {
  if (least === -f32Max) return `${kind} that fits in f32`;
  if (most === f32Max) return `${kind} of at least ${least} that fits in f32`;
  return `${kind} from ${least} to ${most}`;
}

function checkedBreakers(value: unknown): readonly string[] {
  if (!Array.isArray(value)) {
    throw new SamplingError("drySequenceBreakers", "a list of texts", String(value));
  }
  for (const text of value) {
    if (typeof text !== "string" || text === "") {
      const found = JSON.stringify(text) ?? String(text);
      throw new SamplingError("drySequenceBreakers", "texts that are not empty", found);
    }
  }
  return [...value];
}

function checkedBias(value: SamplingOptions["logitBias"]): ReadonlyMap<number, number> {
  const bias = new Map<number, number>();
  if (value === null || typeof value !== "object") {
    throw new SamplingError("logitBias", "a Map or an object of token ids", String(value));
  }
  const entries: Iterable<[number, number]> =
    value instanceof Map ? value : Object.entries(value).map(([key, b]) => [Number(key), b]);
  for (const [token, amount] of entries) {
    if (!Number.isInteger(token) || token < 0 || token >= maxVocabularySize) {
      throw new SamplingError("logitBias", "token ids as keys", String(token));
    }
    const rounded = typeof amount === "number" ? Math.fround(amount) : NaN;
    if (!(rounded <= f32Max)) {
      const expected = "a number that fits in f32, or -Infinity";
      throw new SamplingError("logitBias", expected, `${amount} for token ${token}`);
    }
    bias.set(token, rounded);
  }
  return bias;
}

function checkedSamplers(value: unknown): readonly SamplerName[] {
  if (!Array.isArray(value)) {
    throw new SamplingError("samplers", "a list of sampler names", String(value));
  }
  const known: readonly string[] = defaultSamplingOptions.samplers;
  for (const name of value) {
    if (!known.includes(name)) {
      throw new SamplingError("samplers", `names out of ${known.join(", ")}`, String(name));
    }
  }
  return [...value];
}
