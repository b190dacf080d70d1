// samebit run: continues a text. The words appear as the model finds them.

import type { Command } from "commander";
import { EXIT_INTERRUPTED } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { openModel } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  type ModelValues,
} from "./options.ts";
import { print, printJson } from "./output.ts";
import { addSamplingOptions, samplingOf } from "./sampling-options.ts";
import { addTextOptions, readPrompt, type TextValues } from "./text.ts";
import {
  addEscapeOptions,
  addReportOptions,
  addWritingOptions,
  remark,
  timings,
  write,
  type WritingValues,
} from "./writing.ts";

interface RunValues extends ModelValues, EngineValues, TextValues, WritingValues {
  readonly displayPrompt: boolean;
  readonly escape: boolean;
}

export function addRunCommand(program: Command): void {
  const command = program.command("run").description("continue a text");
  addEscapeOptions(addTextOptions(command));
  addWritingOptions(command.optionsGroup("Output:"));
  addReportOptions(command.option("--no-display-prompt", "write the continuation only"));
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
    const before = values.displayPrompt ? prompt : "";
    const written = await write(model, tokens, values, { ...sampling, signal }, before);
    const { generation, text, reason } = written;
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
    remark(model, written, values);
    if (reason === "interrupted") process.exitCode = EXIT_INTERRUPTED;
  } finally {
    await model.close();
  }
}
