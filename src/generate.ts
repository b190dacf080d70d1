// Generation: prompt -> evaluate -> sample -> accept -> text, until an end token, a stop text or a limit. This loop is
// the one place where the parts meet; README's "follow one token" walks through it.

import { ContextFullError, OptionError, RunError } from "./errors.ts";
import {
  createSampler,
  type Sampler,
  type SamplerMath,
  type SamplingOptions,
} from "./sampling/index.ts";
import type { Session } from "./session.ts";
import type { EncodeOptions, Tokenizer } from "./tokenizer/index.ts";

/** What a generation needs of a model (model.ts). */
export interface GeneratingModel {
  readonly hasEncoder: boolean;
  readonly decoderStartToken: number;
  readonly tokenizer: Tokenizer;
  readonly samplerMath: SamplerMath;
  readonly nVocab: number;
  readonly nCtx: number;
  tokenize(text: string, options?: EncodeOptions): number[];
  createSession(): Session;
  /** Whether it made the session. */
  owns(session: Session): boolean;
}

export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Most tokens to write; default: until the model ends the text. A full context is then what `onContextFull` says. */
  readonly maxTokens?: number;
  /** Texts that end the generation; they are not part of the output. */
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal;
  /** Parse special tokens in a text prompt; default true. */
  readonly parseSpecial?: boolean;
  /** Render control tokens in the output; default false. */
  readonly special?: boolean;
  /** Never draw an end-of-generation token: the text goes on until another limit. */
  readonly ignoreEos?: boolean;
  /**
   * What to do when the context is full. `error` (default): throw ContextFullError. `shift`: keep the first `nKeep`
   * tokens and the later half of the rest, and evaluate them anew as a history of their own.
   */
  readonly onContextFull?: "error" | "shift";
  /** Default: the BOS token, where the model has one. */
  readonly nKeep?: number;
  /**
   * Go on from this session, which keeps what its history and the prompt have in common, and is left open with the prompt
   * and the text as its history. The result is the same; it comes sooner. Default: a session for this generation alone.
   */
  readonly session?: Session;
}

export type StopReason = "end" | "stop" | "length";

/** An iterable over pieces of text; the fields fill as it goes. Iterate once. */
export class Generation implements AsyncIterable<string> {
  /** Tokens of the prompt. */
  readonly promptTokens: readonly number[];
  /** Tokens written so far. */
  readonly tokens: number[] = [];
  /** Tokens of the prompt that the given session had already. */
  cachedTokens = 0;
  /** Undefined while it runs. */
  stopReason: StopReason | undefined;
  /** Seconds spent on the prompt, and on the tokens after it. */
  promptSeconds = 0;
  generateSeconds = 0;
  /** The seed in use. */
  readonly seed: number;
  private readonly sampler: Sampler;
  private begun = false;

  /** Made by Model.generate. Throws OptionError and SamplingError for options that make no sense. */
  constructor(
    private readonly model: GeneratingModel,
    prompt: string | ArrayLike<number>,
    private readonly options: GenerateOptions,
  ) {
    const { tokenizer } = model;
    if (prompt === null || prompt === undefined)
      throw new OptionError(`prompt: expected a text or token ids, found ${String(prompt)}`);
    this.promptTokens =
      typeof prompt === "string"
        ? model.tokenize(prompt, { addSpecial: true, parseSpecial: options.parseSpecial ?? true })
        : Array.from(prompt);
    if (this.promptTokens.length === 0)
      throw new OptionError("prompt: expected at least one token, found none; give some text");
    const { maxTokens = Infinity, nKeep = 0, onContextFull = "error" } = options;
    if (!((Number.isInteger(maxTokens) && maxTokens >= 0) || maxTokens === Infinity)) {
      throw new OptionError(`maxTokens: expected an integer from 0, found ${maxTokens}`);
    }
    const { stop = [], session } = options;
    if (!Array.isArray(stop))
      throw new OptionError("stop: expected an array of texts, found one that is none");
    for (const text of stop as readonly unknown[]) {
      if (typeof text !== "string")
        throw new OptionError(`stop: expected texts, found ${String(text)}`);
    }
    if (session !== undefined && !model.owns(session))
      throw new OptionError("session: expected one of this model, found another");
    for (const token of this.promptTokens) {
      if (!(Number.isInteger(token) && token >= 0 && token < model.nVocab)) {
        throw new OptionError(
          `prompt: expected token ids from 0 to ${model.nVocab - 1}, found ${token}`,
        );
      }
    }
    if (!(Number.isInteger(nKeep) && nKeep >= 0))
      throw new OptionError(`nKeep: expected an integer from 0, found ${nKeep}`);
    if (onContextFull !== "error" && onContextFull !== "shift") {
      throw new OptionError(
        `onContextFull: expected "error" or "shift", found ${String(onContextFull)}`,
      );
    }
    this.sampler = createSampler(samplingOf(options, tokenizer), model.samplerMath, {
      nTokens: model.nVocab,
      tokenBytes: (token) => tokenizer.tokenBytes(token, { special: true }),
      tokenize: (bytes) =>
        tokenizer.encode(new TextDecoder().decode(bytes), {
          addSpecial: false,
          parseSpecial: false,
        }),
    });
    this.seed = this.sampler.seed;
  }

  /** The whole text. */
  async text(): Promise<string> {
    let text = "";
    for await (const piece of this) text += piece;
    return text;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (this.begun)
      throw new OptionError(
        "generation: expected to be iterated once, found a second time; call generate again",
      );
    this.begun = true;
    const { model, options, sampler } = this;
    const { maxTokens = Infinity, signal, special = false } = options;
    const session = options.session ?? model.createSession();
    const text = model.tokenizer.detokenizer({ special, continues: true }),
      stops = new StopTexts(options.stop ?? []);
    try {
      const started = performance.now();
      for (const token of this.promptTokens) sampler.accept(token);
      if (maxTokens === 0) return void (this.stopReason = "length");
      let next = await this.step(session, await this.prepare(session), signal);
      const prompted = performance.now();
      this.promptSeconds = (prompted - started) / 1000;
      for (;;) {
        sampler.accept(next);
        this.tokens.push(next);
        this.generateSeconds = (performance.now() - prompted) / 1000;
        if (model.tokenizer.eogTokens.has(next)) {
          this.stopReason = "end";
          break;
        }
        const piece = stops.push(text.push(next));
        if (piece !== "") yield piece;
        if (stops.found) return void (this.stopReason = "stop");
        if (this.tokens.length >= maxTokens) {
          this.stopReason = "length";
          break;
        }
        next = await this.step(session, [next], signal);
      }
      const rest = stops.push(text.flush()) + stops.flush();
      if (stops.found) this.stopReason = "stop";
      if (rest !== "") yield rest;
    } finally {
      if (options.session === undefined) session.close();
    }
  }

  /** Makes the session ready for the first step, and says what that has to evaluate. */
  private async prepare(session: Session): Promise<readonly number[]> {
    const { model, promptTokens } = this;
    if (model.hasEncoder) {
      if (session.length > 0) session.truncate(0);
      await session.encode(promptTokens, { signal: this.options.signal });
      return [model.decoderStartToken];
    }
    if (this.options.session !== undefined) this.cachedTokens = session.keepPrefix(promptTokens);
    return this.cachedTokens === 0 ? promptTokens : promptTokens.slice(this.cachedTokens);
  }

  /** Evaluates tokens and draws the next one. */
  private async step(
    session: Session,
    tokens: readonly number[],
    signal?: AbortSignal,
  ): Promise<number> {
    if (signal?.aborted)
      throw new RunError("cancelled", "generation: cancelled", { cause: signal.reason });
    let input = tokens;
    if (session.room < tokens.length) input = this.shift(session, tokens);
    let next = -1;
    await session.evaluate(input, {
      signal,
      onLogits: (logits) => void (next = this.sampler.sample(logits)),
    });
    return next;
  }

  /** The context is full: begins a new history of the tokens worth keeping, or throws. */
  private shift(session: Session, tokens: readonly number[]): readonly number[] {
    const { nKeep = this.model.tokenizer.addBos ? 1 : 0, onContextFull = "error" } = this.options;
    const { hasEncoder, decoderStartToken } = this.model;
    // a prompt that the encoder has is no part of the decoder's history
    const history = [...(hasEncoder ? [decoderStartToken] : this.promptTokens), ...this.tokens];
    if (onContextFull === "error" || this.tokens.length === 0 || nKeep >= this.model.nCtx - 1) {
      // a prompt must fit, whatever is forgotten later
      const shift =
        this.tokens.length === 0
          ? ""
          : onContextFull === "error"
            ? ', or onContextFull: "shift"'
            : ", or a smaller nKeep";
      throw new ContextFullError(
        `context: expected room for ${tokens.length} more tokens, found ${session.room} of ${this.model.nCtx}; ` +
          `use a larger context (nCtx, -c) or a shorter prompt${shift}`,
      );
    }
    const recent = Math.max(1, Math.floor((this.model.nCtx - nKeep) / 2));
    session.truncate(0);
    return [...history.slice(0, nKeep), ...history.slice(-recent)];
  }
}

/** Holds text back while it may be the beginning of a stop text. */
class StopTexts {
  found = false;
  private held = "";
  constructor(private readonly stops: readonly string[]) {}

  push(text: string): string {
    this.held += text;
    let at = -1;
    for (const stop of this.stops) {
      const index = stop === "" ? -1 : this.held.indexOf(stop);
      if (index >= 0 && (at < 0 || index < at)) at = index;
    }
    if (at >= 0) {
      const out = this.held.slice(0, at);
      this.found = true;
      this.held = "";
      return out;
    }
    let keep = 0;
    for (const stop of this.stops) {
      for (let n = Math.min(stop.length - 1, this.held.length); n > keep; n--)
        if (this.held.endsWith(stop.slice(0, n))) keep = n;
    }
    const out = this.held.slice(0, this.held.length - keep);
    this.held = this.held.slice(this.held.length - keep);
    return out;
  }

  flush(): string {
    return this.held;
  }
}

/** The sampling options among those of a generation, with end tokens forbidden where they are to be ignored. */
function samplingOf(options: GenerateOptions, tokenizer: Tokenizer): Partial<SamplingOptions> {
  const {
    maxTokens: _1,
    stop: _2,
    signal: _3,
    parseSpecial: _4,
    special: _5,
    ignoreEos,
    onContextFull: _7,
    nKeep: _8,
    session: _9,
    ...sampling
  } = options;
  if (!ignoreEos) return sampling;
  const given = sampling.logitBias ?? {};
  const logitBias = new Map(
    given instanceof Map
      ? given
      : Object.entries(given).map(([id, bias]) => [Number(id), bias as number]),
  );
  for (const token of tokenizer.eogTokens) logitBias.set(token, -Infinity);
  return { ...sampling, logitBias };
}
