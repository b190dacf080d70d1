// From a row of logits to the next token: logit bias, the samplers in order, the choice. Options
// say which samplers exist; the order and meaning are llama.cpp's (its common/sampling.cpp), the
// arithmetic and the generator are ours (README.md). Sits between the model's logits and generate.

import { argmax, Candidates } from "./candidates.ts";
import { drawn, greedy } from "./draw.ts";
import { Dry, dryIsActive } from "./dry.ts";
import { type Breakers, dryBreakers, type SamplingVocabulary } from "./dry-breakers.ts";
import { SamplingError } from "./error.ts";
import type { SamplerMath } from "./math.ts";
import { Mirostat } from "./mirostat.ts";
import { type ResolvedOptions, resolveOptions, type SamplingOptions } from "./options.ts";
import { Penalties, penaltiesAreActive } from "./penalties.ts";
import { Random, randomSeed, randomStateWords } from "./random.ts";
import { maxVocabularySize } from "./ranking.ts";
import { StateReader, StateWriter } from "./state.ts";
import type { Choice, Memory, Step } from "./step.ts";
import { temperature, temperatureIsActive } from "./temperature.ts";
import { minP, topK, topNSigma, topP, typical } from "./truncation.ts";
import { xtc, xtcIsActive } from "./xtc.ts";

/** Draws the tokens of one sequence. */
export interface Sampler {
  /** The seed in use, also where the options asked for a random one. */
  readonly seed: number;
  /**
   * Chooses a token from a row of logits, [vocabulary], which is not changed. Does not accept it:
   * a grammar may reject it, forbid it with -Infinity and call again. Advances the generator.
   * Throws SamplingError for NaN, +Infinity or nothing but -Infinity.
   */
  sample(logits: Float32Array): number;
  /** Appends a token, of the prompt or chosen, to what penalties and DRY look back at. */
  accept(token: number): void;
  /** Back to the state after creation, the same seed included. */
  reset(): void;
  /** An independent copy that goes on identically. */
  clone(): Sampler;
  /** All that a sequence adds to the options, as bytes (layout in state.ts). */
  state(): Uint8Array;
  /**
   * Goes on from a state saved by a sampler with the same options. Throws SamplingError if it does
   * not fit; the sampler is unchanged then.
   */
  restore(state: Uint8Array): void;
  /** What the last sample() drew from, in candidate order; empty before. Copies. */
  lastProbabilities(): { tokens: Int32Array; probabilities: Float64Array };
}

/**
 * Makes a sampler. `options` override llama.cpp's defaults. `vocabulary` is needed only for DRY
 * with sequence breakers. Throws SamplingError for an option that makes no sense.
 */
export function createSampler(
  options: Partial<SamplingOptions>,
  math: SamplerMath,
  vocabulary?: SamplingVocabulary,
): Sampler {
  const resolved = resolveOptions(options);
  const seed = isRandomSeed(resolved.seed) ? randomSeed() : resolved.seed;
  const breakers = breakersFor(resolved, vocabulary);
  return new ChainSampler({ options: resolved, seed, math, breakers });
}

/** What does not change while a sampler runs; clones share it. */
interface Setup {
  options: ResolvedOptions;
  seed: number;
  math: SamplerMath;
  breakers: Breakers;
}

/** The changing half: built anew for reset and restore. */
interface Chain {
  random: Random;
  steps: Step[];
  choice: Choice;
  /** Memories of steps and choice, in chain order. */
  memories: Memory[];
}

function buildChain(setup: Setup): Chain {
  const { options, math } = setup;
  const random = new Random(setup.seed);
  let steps: Step[] = [];
  let choice: Choice;
  if (options.mirostat !== 0) {
    if (options.temperature > 0) {
      // Mirostat replaces the other samplers; of temperature only the plain one is left.
      if (options.temperature !== 1)
        steps.push(temperature({ ...options, dynatempRange: 0 }, math));
      choice = new Mirostat(options, math, random);
    } else {
      choice = greedy;
    }
  } else {
    const names = options.samplers;
    const cold = options.temperature <= 0 ? names.indexOf("temperature") : -1;
    for (const name of cold < 0 ? names : names.slice(0, cold)) {
      const step = buildStep(name, setup, random);
      if (step !== undefined) steps.push(step);
    }
    choice = drawn(math, random);
    if (cold >= 0) {
      // At temperature 0 only the best candidate matters: the samplers after it have nothing left
      // to do, and those just before it that keep the best need not run.
      choice = greedy;
      steps = steps.slice(0, steps.findLastIndex((step) => !step.keepsBest) + 1);
    }
  }
  const memories = [...steps, choice].flatMap(({ memory }) => (memory ? [memory] : []));
  return { random, steps, choice, memories };
}

/** The sampler of that name, or undefined where the options switch it off. */
function buildStep(name: string, setup: Setup, random: Random): Step | undefined {
  const { options, math } = setup;
  const { minKeep } = options;
  switch (name) {
    case "penalties":
      return penaltiesAreActive(options) ? new Penalties(options) : undefined;
    case "dry":
      return dryIsActive(options) ? new Dry(options, setup.breakers) : undefined;
    case "top_n_sigma":
      return options.topNSigma > 0 ? topNSigma(options.topNSigma) : undefined;
    case "top_k":
      return options.topK > 0 ? topK(options.topK) : undefined;
    case "typ_p":
      return options.typicalP < 1 ? typical(options.typicalP, minKeep, math) : undefined;
    case "top_p":
      return options.topP < 1 ? topP(options.topP, minKeep, math) : undefined;
    case "min_p":
      return options.minP > 0 ? minP(options.minP, minKeep, math) : undefined;
    case "xtc":
      return xtcIsActive(options) ? xtc(options, math, random) : undefined;
    case "temperature":
      return temperatureIsActive(options) ? temperature(options, math) : undefined;
  }
  return undefined;
}

class ChainSampler implements Sampler {
  readonly #setup: Setup;
  readonly #candidates = new Candidates();
  #chain: Chain;
  /** The token of the greedy fast path, for lastProbabilities; -1 if the candidates hold it. */
  #onlyToken = -1;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#chain = buildChain(setup);
  }

  get seed(): number {
    return this.#setup.seed;
  }

  sample(logits: Float32Array): number {
    const { steps, choice } = this.#chain;
    const { logitBias } = this.#setup.options;
    if (choice === greedy && steps.length === 0 && logitBias.size === 0) {
      return (this.#onlyToken = argmax(logits));
    }
    const candidates = this.#candidates;
    this.#onlyToken = -1;
    candidates.load(logits, logitBias);
    for (const step of steps) step.apply(candidates);
    return candidates.ids[choice.choose(candidates)];
  }

  accept(token: number): void {
    if (!Number.isInteger(token) || token < 0 || token >= maxVocabularySize) {
      throw new SamplingError("token", "a token id", String(token));
    }
    for (const memory of this.#chain.memories) memory.accept(token);
  }

  reset(): void {
    this.#chain.random.seed(this.#setup.seed);
    for (const memory of this.#chain.memories) memory.reset();
  }

  clone(): Sampler {
    const copy = new ChainSampler(this.#setup);
    copy.restore(this.state());
    return copy;
  }

  state(): Uint8Array {
    const state = new StateWriter();
    for (const word of this.#chain.random.words) state.u32(word);
    for (const memory of this.#chain.memories) memory.write(state);
    return state.bytes();
  }

  restore(state: Uint8Array): void {
    const reader = new StateReader(state);
    const chain = buildChain(this.#setup);
    for (let i = 0; i < randomStateWords; i++) chain.random.words[i] = reader.u32();
    for (const memory of chain.memories) memory.read(reader);
    reader.end();
    this.#chain = chain;
  }

  lastProbabilities(): { tokens: Int32Array; probabilities: Float64Array } {
    if (this.#onlyToken >= 0) {
      return { tokens: Int32Array.of(this.#onlyToken), probabilities: Float64Array.of(1) };
    }
    const { ids, size, weightTotal } = this.#candidates;
    const tokens = ids.slice(0, size);
    if (this.#chain.choice === greedy)
      return { tokens, probabilities: new Float64Array(size).fill(1) };
    const weights = this.#candidates.weights.subarray(0, size);
    return { tokens, probabilities: weights.map((weight) => weight / weightTotal) };
  }
}

/** -1, and what it becomes as llama.cpp's unsigned default. */
function isRandomSeed(seed: number): boolean {
  return seed === -1 || seed === 0xffff_ffff;
}

function breakersFor(options: ResolvedOptions, vocabulary?: SamplingVocabulary): Breakers {
  const texts = options.drySequenceBreakers;
  const runs = options.mirostat === 0 && options.samplers.includes("dry") && dryIsActive(options);
  if (!runs || texts.length === 0) return new Map();
  if (vocabulary === undefined) {
    const remedy = "pass the vocabulary to createSampler, or an empty list";
    throw new SamplingError("drySequenceBreakers", "a vocabulary to find them in", "none", remedy);
  }
  return dryBreakers(texts, vocabulary);
}
