// samebit chat: answers messages, as the model's chat template wants them written. One message from -p, -f or a pipe, or
// a conversation line by line on a terminal.

import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import {
  type ChatMessage,
  type ChatPrompt,
  type ChatTemplateOptions,
  ContextFullError,
  type Model,
} from "../index.ts";
import { describeFailure, EXIT_INTERRUPTED, note, UsageError } from "./errors.ts";
import { interruptSignal, nextInterruptSignal } from "./interrupt.ts";
import { openModel } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  type ModelValues,
} from "./options.ts";
import { print, printJson } from "./output.ts";
import { addSamplingOptions, samplingOf } from "./sampling-options.ts";
import { addTextOptions, readPrompt, readText, type TextValues, unescape } from "./text.ts";
import {
  addEscapeOptions,
  addReportOptions,
  addWritingOptions,
  remark,
  timings,
  write,
  type WritingStopReason,
  type WritingValues,
  type Written,
} from "./writing.ts";

interface ChatValues extends ModelValues, EngineValues, TextValues, WritingValues {
  readonly escape: boolean;
  readonly system?: string;
  readonly interactive?: boolean;
  readonly chatTemplate?: string;
  readonly chatTemplateKwargs?: string;
  readonly date?: string;
}

export function addChatCommand(program: Command): void {
  const command = program.command("chat").description("answer messages");
  addTextOptions(command)
    .option("--system <TEXT>", "-sys; what the model is told before the conversation")
    .option(
      "-i, --interactive",
      "one message a line (the default on a terminal without -p and -f)",
    );
  addEscapeOptions(command);
  command
    .optionsGroup("Chat template:")
    .option(
      "--chat-template <NAME|FILE>",
      "one of the file's templates, a family's format (chatml, llama3 ...), or a file with a template",
    )
    .option(
      "--chat-template-kwargs <JSON>",
      'variables for the template: {"enable_thinking":false}',
    )
    .option("--date <YYYY-MM-DD>", "for templates that show the date (default: today, in UTC)");
  addReportOptions(addWritingOptions(command.optionsGroup("Output:")));
  addSamplingOptions(command);
  addModelOptions(command);
  addEngineOptions(command);
  command.action((values: ChatValues) => chat(values));
}

async function chat(values: ChatValues): Promise<void> {
  const sampling = samplingOf(values as unknown as Record<string, unknown>);
  const how = await templateOptions(values);
  const hasText = values.prompt !== undefined || values.file !== undefined;
  const interactive = values.interactive ?? (!hasText && process.stdin.isTTY === true);
  const first = hasText || !interactive ? await readPrompt(values) : undefined;
  const model = await openModel(values, interruptSignal());
  const messages: ChatMessage[] = [];
  if (values.system !== undefined)
    messages.push({
      role: "system",
      content: values.escape ? unescape(values.system) : values.system,
    });
  const said = new Set<string>();
  const session = model.createSession();
  const answer = async (content: string): Promise<WritingStopReason> => {
    messages.push({ role: "user", content });
    const signal = nextInterruptSignal();
    const prompt = await promptOf(model, messages, how, values.contextShift);
    for (const warning of prompt.warnings) if (!said.has(warning)) note(warning);
    prompt.warnings.forEach((warning) => said.add(warning));
    const written = await write(model, prompt.tokens, values, { ...sampling, signal, session });
    messages.push({ role: "assistant", content: written.text });
    await report(model, prompt, written, values);
    return written.reason;
  };
  try {
    if (first !== undefined && (await answer(first)) === "interrupted" && !interactive)
      process.exitCode = EXIT_INTERRUPTED;
    if (!interactive) return;
    for await (const line of lines()) {
      try {
        await answer(line);
      } catch (error) {
        if (!(error instanceof ContextFullError)) throw error;
        messages.pop();
        note(`${describeFailure(error).message}; the conversation goes on without this message`);
      }
    }
  } finally {
    await model.close();
  }
}

/** How much of the context a conversation may fill when old messages may be forgotten: the rest is for the answer. */
const MOST_OF_CONTEXT = 0.75;

/** The prompt of the messages, without the oldest ones (but for the system's) where `forget` says so and they leave no room. */
async function promptOf(
  model: Model,
  messages: ChatMessage[],
  how: ChatTemplateOptions,
  forget = false,
): Promise<ChatPrompt> {
  const first = messages[0].role === "system" ? 1 : 0,
    nMessages = messages.length;
  let prompt = await model.chatFormat.tokenize(messages, how);
  while (
    forget &&
    prompt.tokens.length > MOST_OF_CONTEXT * model.nCtx &&
    messages.length > first + 1
  ) {
    messages.splice(first, 2); // a message and its answer
    prompt = await model.chatFormat.tokenize(messages, how);
  }
  const nForgotten = nMessages - messages.length;
  if (nForgotten > 0) note(`the context is full: the ${nForgotten} oldest messages are forgotten`);
  return prompt;
}

async function report(
  model: Model,
  prompt: ChatPrompt,
  written: Written,
  values: ChatValues,
): Promise<void> {
  const { generation, text, reason } = written;
  if (values.json) {
    await printJson({
      text,
      prompt: prompt.text,
      template: prompt.template,
      warnings: prompt.warnings,
      prompt_tokens: prompt.tokens,
      cached_tokens: generation.cachedTokens,
      tokens: generation.tokens,
      seed: generation.seed,
      stop_reason: reason,
      timings: timings(model, generation),
    });
  } else await print("\n");
  remark(model, written, values);
}

/** The user's lines that are not blank, until the end of input or Ctrl-C. */
async function* lines(): AsyncGenerator<string> {
  if (process.stdin.isTTY) {
    const history: string[] = [];
    for (let line = await ask(history); line !== undefined; line = await ask(history)) {
      if (line.trim() === "") continue;
      history.unshift(line);
      yield line;
    }
    await print("\n");
    return;
  }
  const reader = createInterface({ input: process.stdin });
  const leaveOnInterrupt = (): void =>
    nextInterruptSignal().addEventListener("abort", () => reader.close());
  leaveOnInterrupt();
  for await (const line of reader) {
    if (line.trim() === "") continue;
    yield line;
    leaveOnInterrupt(); // the answer had a signal of its own
  }
}

/** One line from the terminal, edited as in a shell. Closed again before the answer, so that Ctrl-C is a signal then. */
function ask(history: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const reader = createInterface({
      input: process.stdin,
      output: process.stdout,
      history: [...history],
      prompt: "> ",
    });
    reader.once("line", (line) => {
      resolve(line);
      reader.close();
    });
    reader.once("close", () => resolve(undefined));
    reader.once("SIGINT", () => reader.close());
    reader.prompt();
  });
}

async function templateOptions(values: ChatValues): Promise<ChatTemplateOptions> {
  const { chatTemplate, chatTemplateKwargs, date } = values;
  const isFile = chatTemplate !== undefined && existsSync(chatTemplate);
  return {
    template: isFile ? await readText({ file: chatTemplate }) : chatTemplate,
    variables: chatTemplateKwargs === undefined ? undefined : parseVariables(chatTemplateKwargs),
    now: date === undefined ? undefined : parseDate(date),
  };
}

function parseVariables(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // said below
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new UsageError(
    `--chat-template-kwargs: expected a JSON object, found ${JSON.stringify(json)}`,
  );
}

function parseDate(text: string): Date {
  const date = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw new UsageError(`--date: expected YYYY-MM-DD, found ${JSON.stringify(text)}`);
}
