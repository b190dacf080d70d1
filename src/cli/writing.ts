// What `run` and `chat` share: options about the text that a model writes, the loop that shows it, and its timings.

import { type Command, Option } from "commander";
import { type GenerateOptions, type Generation, type Model, RunError } from "../index.ts";
import { note } from "./errors.ts";
import { interrupted } from "./interrupt.ts";
import { listOption, wholeOption } from "./options.ts";
import { print } from "./output.ts";
import { unescape } from "./text.ts";

export interface WritingValues {
  readonly nPredict?: number;
  readonly escape: boolean;
  readonly reversePrompt?: readonly string[];
  readonly ignoreEos?: boolean;
  readonly special?: boolean;
  readonly contextShift?: boolean;
  readonly keep?: number;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Why the text ends: as in the API, or the context is full, or Ctrl-C. */
export type WritingStopReason = "end" | "stop" | "length" | "context" | "interrupted";

export interface Written {
  readonly generation: Generation;
  readonly text: string;
  readonly reason: WritingStopReason;
}

export function addEscapeOptions(command: Command): Command {
  return command
    .option("--no-escape", "take \\n, \\t, \\xHH ... in -p and -r as they are")
    .addOption(new Option("-e, --escape", "the default").hideHelp());
}

export function addWritingOptions(command: Command): Command {
  return command
    .addOption(
      wholeOption(
        "-n, --n-predict <N>",
        "most tokens; -1: until the model ends the text or the context is full, " +
          "-2: the same, and no context shift (default: -1)",
        -2,
        2 ** 31 - 1,
      ),
    )
    .addOption(listOption("-r, --reverse-prompt <TEXT>", "stop before this text; may be repeated"))
    .option("--ignore-eos", "write on when the model ends the text")
    .option("--special", "show special tokens")
    .option("--context-shift", "when the context is full, forget its older half and go on")
    .addOption(
      wholeOption(
        "--keep <N>",
        "tokens of the prompt that a context shift keeps; -1: all (default: 0)",
        -1,
        2 ** 31 - 1,
      ),
    );
}

export function addReportOptions(command: Command): Command {
  return command
    .option("--json", "one JSON object at the end instead of the text")
    .option("-v, --verbose", "timings on standard error (always on a terminal)");
}

/** The options of a generation; how a session, a signal and the samplers join them is the caller's. */
export function generateOptions(
  values: WritingValues,
  { nCtx, tokenizer, hasEncoder }: Model,
  prompt: readonly number[],
): GenerateOptions {
  const { nPredict = -1, contextShift = false, keep = 0, reversePrompt = [] } = values;
  // The last token that is written needs no place in the context.
  const room = Math.max(nCtx - (hasEncoder ? 1 : prompt.length) + 1, 1);
  const bos = tokenizer.addBos && prompt[0] === tokenizer.bosToken ? 1 : 0;
  return {
    maxTokens: nPredict >= 0 ? nPredict : contextShift && nPredict === -1 ? Infinity : room,
    stop: reversePrompt.map((text) => (values.escape ? unescape(text) : text)),
    special: values.special,
    ignoreEos: values.ignoreEos,
    onContextFull: contextShift ? "shift" : "error",
    nKeep: keep < 0 ? prompt.length : Math.min(keep + bos, prompt.length),
  };
}

/** Writes `before` and what follows the prompt to standard output, unless a report in JSON is wanted. */
export async function write(
  model: Model,
  prompt: readonly number[],
  values: WritingValues,
  more: GenerateOptions,
  before = "",
): Promise<Written> {
  const generation = model.generate(prompt, {
    ...generateOptions(values, model, prompt),
    ...more,
  });
  if (!values.json) await print(before);
  let text = "";
  const written = (reason: WritingStopReason): Written => ({ generation, text, reason });
  try {
    for await (const piece of generation) {
      text += piece;
      if (!values.json) await print(piece);
    }
  } catch (error) {
    if (interrupted() && error instanceof RunError && error.failure === "cancelled")
      return written("interrupted");
    if (!values.json && process.stdout.isTTY) await print("\n"); // the error begins a line
    throw error;
  }
  const { stopReason = "end" } = generation;
  return written(stopReason === "length" && (values.nPredict ?? -1) < 0 ? "context" : stopReason);
}

/** Says on standard error what the text itself does not. */
export function remark(
  model: Model,
  { generation, reason }: Written,
  { verbose }: WritingValues,
): void {
  if (reason === "context")
    note(
      `the context of ${model.nCtx} tokens is full; ` +
        "-c makes it larger, --context-shift forgets old text",
    );
  if (verbose || process.stderr.isTTY) process.stderr.write(`${timingsLine(model, generation)}\n`);
}

export function timings(
  { loadSeconds }: Model,
  { promptTokens, cachedTokens, tokens, promptSeconds, generateSeconds }: Generation,
) {
  // The first token comes out of the prompt's evaluation.
  const generated = Math.max(tokens.length - 1, 0);
  const evaluated = promptTokens.length - cachedTokens;
  return {
    load_seconds: loadSeconds,
    prompt_tokens: evaluated,
    prompt_seconds: promptSeconds,
    prompt_tokens_per_second: rate(evaluated, promptSeconds),
    generated_tokens: tokens.length,
    generate_seconds: generateSeconds,
    generate_tokens_per_second: rate(generated, generateSeconds),
  };
}

function rate(n: number, seconds: number): number {
  return seconds > 0 ? n / seconds : 0;
}

function timingsLine(model: Model, generation: Generation): string {
  const t = timings(model, generation);
  return (
    `samebit: load ${t.load_seconds.toFixed(2)} s, ` +
    `prompt ${speed(t.prompt_tokens, t.prompt_seconds, t.prompt_tokens_per_second)}, ` +
    `text ${speed(t.generated_tokens, t.generate_seconds, t.generate_tokens_per_second)}, ` +
    `seed ${generation.seed}, ${model.threads} threads, kernels ${model.kernelBuild}`
  );
}

function speed(tokens: number, seconds: number, perSecond: number): string {
  return `${tokens} tokens in ${seconds.toFixed(2)} s (${perSecond.toFixed(1)}/s)`;
}
