// Zoo cases: tiny models with llama.cpp's numbers (README of ../shared/reference/zoo), and one
// function that holds any runtime against all of them. A few small cases are committed in
// test/fixtures/zoo.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SHARED } from "./vectors.ts";

/** The fields of NAME.json that the comparison reads. */
export interface ZooCase {
  readonly name: string;
  readonly arch: string;
  readonly kind: "causal" | "encdec" | "embedding";
  /** Path of the GGUF file. */
  readonly path: string;
  readonly n_ctx: number;
  readonly n_vocab: number;
  /** Tensors per ggml type. */
  readonly weight_types: Readonly<Record<string, number>>;
  readonly tokens: readonly number[];
  /** kind `encdec`: the prompt of the decoder, to which everything below belongs; `tokens` are the encoder's. */
  readonly decoder_tokens?: readonly number[];
  readonly logprobs: readonly number[];
  readonly logits_f32: readonly number[];
  readonly logprobs_f32: readonly number[];
  readonly argmax: readonly number[];
  readonly argmax_f32: readonly number[];
  readonly argmax_logprob_f32: readonly number[];
  readonly margin_f32: readonly number[];
  readonly next_token_logprob_f32?: readonly number[];
  readonly greedy: {
    readonly tokens: readonly number[];
    readonly tokens_f32_agree: boolean;
    readonly logprobs: readonly number[];
    readonly logprobs_f32: readonly number[];
    readonly margins_f32: readonly number[];
    readonly last_logits_f32: readonly number[];
  };
  readonly suggested_tol: { readonly f32: number; readonly native: number };
}

/** The fields of a case of kind `embedding`; vectors are not normalised. */
export interface EmbeddingCase extends ZooCase {
  readonly pooling: string;
  readonly embedding: readonly number[];
  readonly embedding_f32: readonly number[];
  /** The final state of every token. */
  readonly token_embeddings_f32: readonly (readonly number[])[];
}

/** Largest |difference| of two vectors; NaN if anything is NaN or missing. */
export function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return NaN;
  return Array.from(found, (x, i) => Math.abs(x - expected[i])).reduce((a, b) =>
    Number.isNaN(b) || b > a ? b : a,
  );
}

/**
 * `f32`: the precise mode, against the f32 run. `native`: quantised activations, against both runs.
 */
export type ZooMode = "f32" | "native";

/** Logits after each of `tokens`, which continue the sequence fed so far. */
export type Feed = (
  tokens: readonly number[],
) => readonly ArrayLike<number>[] | Promise<readonly ArrayLike<number>[]>;

/** What a comparison found. */
export interface ZooReport {
  readonly name: string;
  readonly mode: ZooMode;
  /** Largest |log-probability difference| allowed. */
  readonly tolerance: number;
  /**
   * Largest difference of each check; for argmax checks the number of positions that had to agree.
   */
  readonly differences: Readonly<Record<string, number>>;
  /** What was out of tolerance, in words. Empty: passed. */
  readonly violations: readonly string[];
}

export const FIXTURES = fileURLToPath(new URL("../fixtures/zoo/", import.meta.url));
export const ZOO = `${SHARED}zoo/`;

/** The committed case of this name, or the shared one. */
export function loadZooCase(name: string): ZooCase {
  const folder = existsSync(`${FIXTURES}${name}.json`) ? FIXTURES : ZOO;
  // Python writes NaN, which JSON has not; it stands only in `sensitivity`, which nothing here
  // reads.
  const json = readFileSync(`${folder}${name}.json`, "utf8").replace(/\bNaN\b/g, "null");
  return { ...JSON.parse(json), path: `${folder}${name}.gguf` };
}

/** Names of all cases here: committed ones and, where the shared data is, all others. */
export function zooNames(): string[] {
  const names = new Set<string>();
  for (const folder of [FIXTURES, ZOO]) {
    if (!existsSync(folder)) continue;
    for (const file of readdirSync(folder)) {
      if (file.endsWith(".gguf")) names.add(file.slice(0, -".gguf".length));
    }
  }
  return [...names].sort();
}

/**
 * Feeds the prompt (of an encoder-decoder model: the decoder's) at once and the greedy tokens one by one, and compares everything that the zoo's
 * README says about a causal model: log-probabilities at every prompt position, the whole
 * vocabulary at the last one, every greedy step, and the logits after the last.
 */
export async function compareZoo(zoo: ZooCase, feed: Feed, mode: ZooMode): Promise<ZooReport> {
  const tolerance = zoo.suggested_tol[mode];
  const checks = new Checks(tolerance);
  const tokens = zoo.decoder_tokens ?? zoo.tokens;
  const prompt = await feed(tokens);
  if (prompt.length !== tokens.length) {
    throw new Error(
      `${zoo.name}: expected logits for ${tokens.length} tokens, found ${prompt.length}`,
    );
  }
  const steps = prompt.map((logits) => logProbabilities(logits));
  for (const [i, logprobs] of steps.entries()) {
    const where = `at position ${i}`;
    checks.close(
      "argmax_logprob_f32",
      where,
      logprobs[zoo.argmax_f32[i]],
      zoo.argmax_logprob_f32[i],
    );
    if (zoo.next_token_logprob_f32 && i + 1 < steps.length) {
      const next = logprobs[tokens[i + 1]];
      checks.close("next_token_logprob_f32", where, next, zoo.next_token_logprob_f32[i]);
    }
    checks.best("argmax_f32", where, logprobs, zoo.argmax_f32[i], zoo.margin_f32[i]);
  }
  checks.allClose("logprobs_f32", steps.at(-1)!, zoo.logprobs_f32);
  if (mode === "f32") checks.allClose("logits_f32", prompt.at(-1)!, zoo.logits_f32);
  if (mode === "native") checks.allClose("logprobs", steps.at(-1)!, zoo.logprobs);

  const { greedy } = zoo;
  let logits = prompt.at(-1)!;
  for (const [i, token] of greedy.tokens.entries()) {
    const logprobs = logProbabilities(logits);
    const where = `at greedy step ${i}`;
    checks.close("greedy.logprobs_f32", where, logprobs[token], greedy.logprobs_f32[i]);
    if (mode === "native")
      checks.close("greedy.logprobs", where, logprobs[token], greedy.logprobs[i]);
    // Where the f32 run chose other tokens, its margins are about those.
    if (greedy.tokens_f32_agree) {
      checks.best("greedy.tokens", where, logprobs, token, greedy.margins_f32[i]);
    }
    logits = (await feed([token]))[0];
  }
  const last = logProbabilities(greedy.last_logits_f32);
  checks.allClose("greedy.last_logits_f32", logProbabilities(logits), last);
  if (mode === "f32") checks.allClose("greedy.last_logits_f32 raw", logits, greedy.last_logits_f32);
  return { name: zoo.name, mode, tolerance, ...checks.result() };
}

/** logits - ln(sum(exp(logits))), in f64. */
export function logProbabilities(logits: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(logits);
  const max = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = x.reduce((sum, v) => sum + Math.exp(v - max), 0);
  return x.map((v) => v - max - Math.log(total));
}

/** The index of the largest value; the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** Collects the largest difference of each check, and the violations. */
class Checks {
  readonly #tolerance: number;
  readonly #differences: Record<string, number> = {};
  readonly #violations: string[] = [];

  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  close(check: string, where: string, found: number, expected: number): void {
    const difference = Math.abs(found - expected);
    // A NaN is no maximum and no violation by comparison: both are written so that it counts.
    if (!(difference <= (this.#differences[check] ?? 0))) this.#differences[check] = difference;
    if (!(difference <= this.#tolerance)) {
      this.#violations.push(
        `${check} ${where}: expected ${expected} +- ${this.#tolerance}, found ${found}`,
      );
    }
  }

  allClose(check: string, found: ArrayLike<number>, expected: ArrayLike<number>): void {
    if (found.length !== expected.length) {
      this.#violations.push(`${check}: expected ${expected.length} values, found ${found.length}`);
    }
    for (let i = 0; i < expected.length; i++)
      this.close(check, `for token ${i}`, found[i], expected[i]);
  }

  /**
   * The most likely token must be `expected` where the margin is beyond what both sides may differ
   * by.
   */
  best(
    check: string,
    where: string,
    logprobs: ArrayLike<number>,
    expected: number,
    margin: number,
  ): void {
    this.#differences[check] ??= 0;
    if (margin <= 2 * this.#tolerance) return;
    this.#differences[check]++;
    const found = argmax(logprobs);
    if (found !== expected) {
      this.#violations.push(`${check} ${where}: expected token ${expected}, found ${found}`);
    }
  }

  result(): { differences: Record<string, number>; violations: string[] } {
    return { differences: this.#differences, violations: this.#violations };
  }
}
