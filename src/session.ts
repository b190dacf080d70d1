// A session: one sequence of tokens in the KV cache, evaluated piece by piece.

import type { Engine } from "./engine.ts";
import { SamebitError } from "./errors.ts";
import type { CachedSequence } from "./kv-cache.ts";

export interface EvaluateOptions {
  /** Which tokens need logits; default `last`. */
  readonly outputs?: "none" | "last" | "all";
  /**
   * Called for each of them, in order: `logits` is a view of [nVocab] that the next evaluation overwrites, `index` the
   * place of its token among those given.
   */
  readonly onLogits?: (logits: Float32Array, index: number) => void;
  readonly signal?: AbortSignal;
}

export class Session {
  private open = true;

  /** Made by Model.createSession. */
  constructor(
    private readonly engine: Engine,
    readonly sequence: CachedSequence,
  ) {}

  /** Whether it is a session of this engine's model. */
  isOf(engine: Engine): boolean {
    return this.engine === engine;
  }

  /** Tokens in the history. */
  get length(): number {
    return this.sequence.length;
  }

  /** The history itself. */
  get tokens(): readonly number[] {
    return this.sequence.tokens;
  }

  /** How many more tokens fit. */
  get room(): number {
    return this.engine.room(this.sequence);
  }

  /**
   * Appends tokens to the history; none at all are fine, and give no logits. One evaluation at a time: until it is over,
   * the session may be closed but not truncated or copied. Evaluations of several sessions take turns.
   * Throws ContextFullError when the tokens do not fit, OptionError for ids out of range: nothing is evaluated then.
   * After another error the history holds the tokens of the runs that succeeded: `length` says how many.
   */
  async evaluate(tokens: ArrayLike<number>, options: EvaluateOptions = {}): Promise<void> {
    this.check();
    const { outputs = "last", onLogits = () => {}, signal } = options;
    await this.engine.evaluate(
      [{ sequence: this.sequence, tokens, outputs }],
      (logits, _, index) => onLogits(logits, index),
      signal,
    );
  }

  /** Gives the encoder of an encoder-decoder model its tokens, before the decoder's are evaluated. */
  async encode(
    tokens: ArrayLike<number>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    this.check();
    await this.engine.encode(this.sequence, tokens, signal);
  }

  /**
   * Whether `truncate(length)` is possible: recurrent models cannot go back, and layers with a sliding window only to where
   * they still hold all it reaches (the last evaluation's start at least). Always true for 0.
   */
  canTruncate(length: number): boolean {
    this.check();
    return this.engine.canTruncate(this.sequence, length);
  }

  /** Forgets every token from position `length` on. Throws SamebitError where that is impossible: see canTruncate. */
  truncate(length: number): void {
    this.check();
    this.engine.truncateSequence(this.sequence, length);
  }

  /**
   * Keeps the longest beginning of the history that `tokens` begin with, too, but not all of them: the last one is left
   * to be evaluated. Returns how many are kept. A history that cannot go back so far (canTruncate) is not kept at all.
   */
  keepPrefix(tokens: ArrayLike<number>): number {
    this.check();
    const most = Math.min(this.length, tokens.length - 1);
    let common = 0;
    while (common < most && this.tokens[common] === tokens[common]) common++;
    if (!this.canTruncate(common)) common = 0;
    this.truncate(common);
    return common;
  }

  /** A second session with the same history; pages are shared until one of them changes. */
  copy(): Session {
    this.check();
    return new Session(this.engine, this.engine.copySequence(this.sequence));
  }

  /** Gives the cache's pages back; an evaluation in progress ends with RunError "closed". Calling it twice is harmless. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.engine.removeSequence(this.sequence);
  }

  private check(): void {
    if (!this.open) throw new SamebitError("session: expected it open, found it closed");
  }
}
