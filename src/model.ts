// A loaded model: text in, logits or text out. It joins the tokenizer, the engine and the sampling maths.

import { closeGguf, type Gguf } from "../formats/gguf.ts";
import { describeModel, type Hparams, type Pooling, POOLINGS } from "../models/index.ts";
import { checkCancelled } from "./cancellation.ts";
import { ChatFormat, type ChatMessage } from "./chat/index.ts";
import { ChatAnswer, type ChatOptions } from "./chat-answer.ts";
import { Engine, type BatchPart, type CalibrationSums, type EngineOptions } from "./engine.ts";
import { OptionError } from "./errors.ts";
import { Generation, type GenerateOptions } from "./generate.ts";
import type { KernelExports } from "./kernels/exports.ts";
import type { KernelBuild } from "./kernels/module.ts";
import { type ModelSource, openUnlessAborted } from "./model-source.ts";
import { rerankTokens } from "./rerank.ts";
import type { SamplerMath } from "./sampling/index.ts";
import { Session } from "./session.ts";
import { createTokenizer, type EncodeOptions, type Tokenizer } from "./tokenizer/index.ts";

export interface LoadModelOptions extends EngineOptions {
  /** Load a causal model for `embed`. Models that are made for embeddings need no word. */
  readonly embeddings?: boolean;
  /** How an embedding is made of the tokens; default: what the file says, otherwise `none`. */
  readonly pooling?: Pooling;
  /** `KEY=TYPE:VALUE` as in llama.cpp's --override-kv (TYPE: int, float, bool, str). */
  readonly overrideKv?: string | readonly string[];
}

/**
 * Reads a GGUF file and makes it ready to run. Throws GgufError (the file), ModelError (what it asks for),
 * PlanError (what the kernels lack), MemoryError, OptionError, RunError "cancelled". What a Source or an onProgress of yours
 * throws passes through; the Source is yours to close, then as always.
 */
export async function loadModel(
  source: ModelSource,
  options: LoadModelOptions = {},
): Promise<Model> {
  const start = performance.now();
  checkCancelled(options.signal);
  const { embeddings, pooling } = options;
  if (pooling !== undefined && !POOLINGS.includes(pooling))
    throw new OptionError(`pooling: expected ${POOLINGS.join(", ")}, found ${String(pooling)}`);
  const gguf = await openUnlessAborted(source, options.overrideKv, options.signal);
  try {
    const { hparams } = describeModel(gguf.metadata);
    const tokenizer = createTokenizer(gguf);
    const describe = (nCtx: number) => describeModel(gguf.metadata, { nCtx, embeddings, pooling });
    const engine = await Engine.load(gguf, describe, hparams.contextLength, options);
    return new Model(
      gguf,
      hparams,
      tokenizer,
      engine,
      samplerMath(engine.maths),
      (performance.now() - start) / 1000,
    );
  } finally {
    await closeGguf(gguf);
  }
}

/** The samplers' transcendental functions: the kernels' own, so that they agree on every engine. */
function samplerMath({ exp64, log64, pow64 }: KernelExports): SamplerMath {
  return {
    log64,
    pow64,
    expF64(values) {
      for (let i = 0; i < values.length; i++) values[i] = exp64(values[i]);
    },
  };
}

/** The vector scaled to length 1, in f64; zeros stay. */
function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0)); // exact enough in f64, and the same everywhere
  return length === 0 ? vector : vector.map((x) => x / length);
}

export interface LogitsOptions {
  /** Default `all`: one row per token; `last`: the last one only. */
  readonly outputs?: "all" | "last";
  /** Encoder-decoder models: the decoder's tokens, to which the logits belong. Default: the start token. */
  readonly decoderTokens?: ArrayLike<number>;
  readonly signal?: AbortSignal;
}

export interface EmbedOptions {
  /** Scale every vector to length 1. */
  readonly normalize?: boolean;
  readonly signal?: AbortSignal;
}

export class Model {
  private format: ChatFormat | undefined;

  constructor(
    private readonly gguf: Gguf,
    /** Numbers that shape the model. */
    readonly hparams: Hparams,
    readonly tokenizer: Tokenizer,
    private readonly engine: Engine,
    readonly samplerMath: SamplerMath,
    /** Seconds from the call of loadModel to now. */
    readonly loadSeconds: number,
  ) {}

  get metadata(): Gguf["metadata"] {
    return this.gguf.metadata;
  }

  get kernelBuild(): KernelBuild {
    return this.engine.kernelBuild;
  }

  get threads(): number {
    return this.engine.threads;
  }

  /** Whether the calling thread computes: the option `inline`, or nothing else being possible here. */
  get inline(): boolean {
    return this.engine.inline;
  }

  /** Most tokens of a sequence. */
  get nCtx(): number {
    return this.engine.nCtx;
  }

  get nVocab(): number {
    return this.engine.nVocab;
  }

  /** Memory banks that hold the model. */
  get nBanks(): number {
    return this.engine.nBanks;
  }

  /** Bytes of the KV cache. */
  get cacheBytes(): number {
    return this.engine.cacheBytes;
  }

  /** Text to token ids. By default special tokens are added (BOS) as the model wants, and not parsed in the text. */
  tokenize(text: string, options: EncodeOptions = {}): number[] {
    if (typeof text !== "string")
      throw new OptionError(
        `text: expected a string, found ${text === null ? "null" : typeof text}`,
      );
    return Array.from(
      this.tokenizer.encode(text, { addSpecial: true, parseSpecial: false, ...options }),
    );
  }

  /** Token ids to text. Control tokens are left out unless `special` is true. */
  detokenize(tokens: ArrayLike<number>, options: { special?: boolean } = {}): string {
    return this.tokenizer.decode(Array.from(tokens), options);
  }

  /** A history in the KV cache, to evaluate token by token. Close it to give its memory back. */
  createSession(): Session {
    return new Session(this.engine, this.engine.createSequence());
  }

  /** Whether the session is one that this model made. */
  owns(session: Session): boolean {
    return session instanceof Session && session.isOf(this.engine);
  }

  /**
   * Continues a prompt (text, or token ids used as they are): iterate over the pieces of text.
   * `signal` stops it within one instruction of a run.
   */
  generate(prompt: string | ArrayLike<number>, options: GenerateOptions = {}): Generation {
    return new Generation(this, prompt, options);
  }

  /** How the model wants conversations written: its chat template, or its family's format. */
  get chatFormat(): ChatFormat {
    return (this.format ??= new ChatFormat(this.gguf, this.tokenizer));
  }

  /**
   * Answers a conversation: iterate over the pieces of text. Special tokens in messages are text. Iterating throws
   * ChatTemplateError and OptionError for conversations that cannot be written, before anything is evaluated.
   */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): ChatAnswer {
    return new ChatAnswer(this, this.chatFormat, messages, options);
  }

  /** Raw logits, f32 [nVocab] per token (or for the last one), from an empty history. */
  async logits(
    tokens: ArrayLike<number>,
    { outputs = "all", decoderTokens, signal }: LogitsOptions = {},
  ): Promise<Float32Array[]> {
    if (!this.hasEncoder && decoderTokens)
      throw new OptionError(
        "decoderTokens: expected a model with a decoder of its own, found one without",
      );
    const session = this.createSession(),
      rows: Float32Array[] = [];
    let input = tokens;
    try {
      if (this.hasEncoder) {
        await session.encode(tokens, { signal });
        input = decoderTokens ?? [this.decoderStartToken];
      }
      await session.evaluate(input, {
        outputs,
        signal,
        onLogits: (row) => void rows.push(row.slice()),
      });
    } finally {
      session.close();
    }
    return rows;
  }

  /** What the model gives: logits (generate, logits, sessions) or embeddings (embed). */
  get result(): "logits" | "embedding" {
    return this.engine.result;
  }

  /** Whether sessions begin with tokens for an encoder (Session.encode). */
  get hasEncoder(): boolean {
    return this.engine.hasEncoder;
  }

  /** The token with which a decoder begins. */
  get decoderStartToken(): number {
    const key = `${this.hparams.architecture}.decoder_start_token_id`;
    return this.metadata.getU32(key, this.tokenizer.bosToken ?? this.tokenizer.padToken ?? 0);
  }

  /** How an embedding is made of the tokens. */
  get pooling(): Pooling {
    return this.engine.pooling;
  }

  /**
   * One vector for each text (or list of token ids, used as they are); a score of one number with pooling `rank`. Throws
   * OptionError for a model with pooling `none`: embedTokens gives its vectors.
   */
  async embed(
    inputs: readonly (string | ArrayLike<number>)[],
    options: EmbedOptions = {},
  ): Promise<Float32Array[]> {
    if (this.result === "embedding" && this.pooling === "none") {
      throw new OptionError(
        "pooling: expected mean, cls, last or rank, found none; load the model with one of them or use embedTokens",
      );
    }
    return (await this.embedRows(inputs, options)).map(([vector]) => vector);
  }

  /** A vector for every token of a text. Throws OptionError for a model whose pooling is not `none`. */
  async embedTokens(
    input: string | ArrayLike<number>,
    options: EmbedOptions = {},
  ): Promise<Float32Array[]> {
    if (this.result === "embedding" && this.pooling !== "none") {
      throw new OptionError(
        `pooling: expected none, found ${this.pooling}; load the model with pooling: "none" or use embed`,
      );
    }
    return (await this.embedRows([input], options))[0];
  }

  /**
   * How well each document answers the query: the score of the model's first label, comparable among documents of one
   * query. Needs a reranker, loaded with pooling `rank`. Throws ContextFullError for a pair longer than the context.
   */
  async rerank(
    query: string,
    documents: readonly string[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<number[]> {
    if (this.pooling !== "rank") {
      throw new OptionError(
        `pooling: expected rank, found ${this.pooling}; load a reranker with embeddings: true and pooling: "rank"`,
      );
    }
    if (!Array.isArray(documents))
      throw new OptionError(`documents: expected an array of texts, found ${typeof documents}`);
    const template = this.metadata.getString("tokenizer.chat_template.rerank", undefined);
    const pairs = documents.map((text) => rerankTokens(this.tokenizer, template, query, text));
    return (await this.embed(pairs, { signal })).map(([score]) => score);
  }

  private async embedRows(
    inputs: readonly (string | ArrayLike<number>)[],
    { normalize = false, signal }: EmbedOptions,
  ): Promise<Float32Array[][]> {
    if (!Array.isArray(inputs))
      throw new OptionError(
        `inputs: expected an array of texts or lists of token ids, found ${typeof inputs}`,
      );
    const texts = inputs.map((input) => (typeof input === "string" ? this.tokenize(input) : input));
    const rows = await this.engine.embed(texts, signal);
    return normalize && this.pooling !== "rank" ? rows.map((vectors) => vectors.map(unit)) : rows;
  }

  /** Appends tokens to several sessions in one batch; see Session.evaluate. */
  async evaluateBatch(
    parts: readonly {
      session: Session;
      tokens: ArrayLike<number>;
      outputs: BatchPart["outputs"];
    }[],
    onLogits: (logits: Float32Array, session: Session, index: number) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const bySequence = new Map(parts.map(({ session }) => [session.sequence, session]));
    await this.engine.evaluate(
      parts.map(({ session, tokens, outputs }) => ({
        sequence: session.sequence,
        tokens,
        outputs,
      })),
      (logits, part, index) => onLogits(logits, bySequence.get(part.sequence)!, index),
      signal,
    );
  }

  /**
   * What went into every weight's product since the last call, for importance matrices; sums begin again at 0. Only the
   * rows that reach the product count: ask for all outputs where the last layer matters. Empty unless loaded with `calibrate`.
   */
  takeCalibration(): Map<string, CalibrationSums> {
    return this.engine.takeCalibration();
  }

  /** Ends the threads and lets the memory go. A generation in progress fails. Calling it twice is harmless. */
  async close(): Promise<void> {
    await this.engine.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
