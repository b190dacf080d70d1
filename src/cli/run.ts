// samebit run: continues a text. The words appear as the model finds them.

import { type Command, Option } from "commander";
import { type GenerateOptions, type Generation, type Model, RunError } from "../index.ts";
import { EXIT_INTERRUPTED, note } from "./errors.ts";
import { interrupted, interruptSignal } from "./interrupt.ts";
import { openModel } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  listOption,
  type ModelValues,
  wholeOption,
} from "./options.ts";
import { print, printJson } from "./output.ts";
import { addSamplingOptions, samplingOf } from "./sampling-options.ts";
import { addTextOptions, readText, type TextValues, unescape } from "./text.ts";

interface RunValues extends ModelValues, EngineValues, TextValues {
  readonly nPredict?: number;
  readonly displayPrompt: boolean;
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
type RunStopReason = "end" | "stop" | "length" | "context" | "interrupted";

export function addRunCommand(program: Command): void {
  const command = program.command("run").description("continue a text");
  addTextOptions(command)
    .option("--no-escape", "take \\n, \\t, \\xHH ... in -p and -r as they are")
    .addOption(new Option("-e, --escape", "the default").hideHelp());
  command
    .optionsGroup("Output:")
    .addOption(
      wholeOption(
        "-n, --n-predict <N>",
        "most tokens; -1: until the model ends the text or the context is full, " +
          "-2: the same, and no context shift (default: -1)",
        -2,
        2 ** 31 - 1,
      ),
    )
    .option("--no-display-prompt", "write the continuation only")
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
    )
    .option("--json", "one JSON object at the end instead of the text")
    .option("-v, --verbose", "timings on standard error (always on a terminal)");
  addSamplingOptions(command);
  addModelOptions(command);
  addEngineOptions(command);
  command.action((values: RunValues) => run(values));
}

async function run(values: RunValues): Promise<void> {
  const sampling = samplingOf(values as unknown as Record<string, unknown>);
  const prompt = await readPrompt(values);
  const signal = interruptSignal();
  const model = await openModel(values, signal);
  try {
    const tokens = model.tokenize(prompt, { parseSpecial: true });
    const generation = model.generate(tokens, {
      ...sampling,
      ...generateOptions(values, model, tokens),
      signal,
    });
    let text = "";
    const show = async (piece: string): Promise<void> => {
      text += piece;
      if (!values.json) await print(piece);
    };
    if (!values.json && values.displayPrompt) await print(prompt);
    const reason = await write(generation, show, values);
    if (values.json) {
      await printJson({
        text,
        prompt_tokens: generation.promptTokens,
        tokens: generation.tokens,
        seed: generation.seed,
        stop_reason: reason,
        timings: timings(model, generation),
      });
    } else if (process.stdout.isTTY) await print("\n");
    if (reason === "context")
      note(
        `the context of ${model.nCtx} tokens is full; ` +
          "-c makes it larger, --context-shift forgets old text",
      );
    if (values.verbose || process.stderr.isTTY)
      process.stderr.write(`${timingsLine(model, generation)}\n`);
    if (reason === "interrupted") process.exitCode = EXIT_INTERRUPTED;
  } finally {
    await model.close();
  }
}

/** Takes one line break off the end of a file, as llama.cpp does: editors and echo put it there. */
async function readPrompt(values: RunValues): Promise<string> {
  const text = await readText(values);
  return values.prompt === undefined ? text.replace(/\r?\n$/, "") : text;
}

function generateOptions(
  values: RunValues,
  { nCtx, tokenizer }: Model,
  prompt: readonly number[],
): GenerateOptions {
  const { nPredict = -1, contextShift = false, keep = 0, reversePrompt = [] } = values;
  // The last token that is written needs no place in the context.
  const room = Math.max(nCtx - prompt.length + 1, 1);
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

async function write(
  generation: Generation,
  show: (piece: string) => Promise<void>,
  values: RunValues,
): Promise<RunStopReason> {
  try {
    for await (const piece of generation) await show(piece);
  } catch (error) {
    if (interrupted() && error instanceof RunError && error.failure === "cancelled")
      return "interrupted";
    if (!values.json && process.stdout.isTTY) await print("\n"); // the error begins a line
    throw error;
  }
  const { stopReason = "end" } = generation;
  return stopReason === "length" && (values.nPredict ?? -1) < 0 ? "context" : stopReason;
}

function timings(
  { loadSeconds }: Model,
  { promptTokens, tokens, promptSeconds, generateSeconds }: Generation,
) {
  // The first token comes out of the prompt's evaluation.
  const generated = Math.max(tokens.length - 1, 0);
  return {
    load_seconds: loadSeconds,
    prompt_tokens: promptTokens.length,
    prompt_seconds: promptSeconds,
    prompt_tokens_per_second: rate(promptTokens.length, promptSeconds),
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
