// samebit perplexity --hellaswag, --winogrande, --multiple-choice: how many tasks of a file the model solves. Lines and figures
// are llama-perplexity's, apart from Winogrande's last task, which llama.cpp leaves out.

import type { Command } from "commander";
import { readMultipleChoice } from "../../formats/multiple-choice.ts";
import type { Model } from "../index.ts";
import { platform } from "../platform/index.ts";
import { writeFileWhole } from "../platform/output-file.ts";
import {
  type ChoiceOutcome,
  type ChoiceScorer,
  type ChoiceTask,
  meanLogProbs,
  measureChoices,
} from "../tools/choices.ts";
import { drawHellaswag, parseHellaswag } from "../tools/hellaswag.ts";
import { drawTasks } from "../tools/mersenne-twister.ts";
import { multipleChoiceTasks } from "../tools/multiple-choice.ts";
import { parseWinogrande, trailingLogProbs } from "../tools/winogrande.ts";
import {
  accuracyOf,
  choicesCsv,
  choicesJson,
  HELLASWAG,
  MULTIPLE_CHOICE,
  type TaskForm,
  WINOGRANDE,
} from "./choice-report.ts";
import { chunkProgress } from "./chunk-progress.ts";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { modelPath, openDecoder } from "./load.ts";
import { type EngineValues, type ModelValues, wholeOption } from "./options.ts";
import { print, printJson } from "./output.ts";
import { readText, type TextValues } from "./text.ts";

export interface TaskValues {
  readonly hellaswag?: boolean;
  readonly hellaswagTasks: number;
  readonly winogrande?: boolean;
  readonly winograndeTasks: number;
  readonly multipleChoice?: boolean;
  readonly multipleChoiceTasks: number;
  readonly binaryFile?: string;
}

interface Values extends ModelValues, EngineValues, TextValues, TaskValues {
  readonly csv?: string;
  readonly json?: boolean;
}

const MOST_TASKS = 2 ** 31 - 1;
/** One history for what the alternatives share, one for the alternative. */
const N_SEQUENCES = 2;

export function addTaskOptions(command: Command): Command {
  const count = (flag: string, byDefault: number) =>
    wholeOption(`${flag} <N>`, "tasks, drawn at random; 0: all", 0, MOST_TASKS).default(byDefault);
  return command
    .optionsGroup("Tasks instead of a text, from llama.cpp's files:")
    .option("--hellaswag", "-f is a HellaSwag file: six lines a task")
    .addOption(count("--hellaswag-tasks", 400))
    .option("--winogrande", "-f is a Winogrande file: CSV")
    .addOption(count("--winogrande-tasks", 0))
    .option("--multiple-choice", "-f is a binary file of tasks: ARC, MMLU, TruthfulQA ...")
    .addOption(count("--multiple-choice-tasks", 0))
    .option("--binary-file <FILE>", "-bf; the same as -f, for --multiple-choice");
}

/** The task flags that were given. */
export function taskFlags(values: TaskValues): string[] {
  const { hellaswag, winogrande, multipleChoice } = values;
  return [
    ...(hellaswag ? ["--hellaswag"] : []),
    ...(winogrande ? ["--winogrande"] : []),
    ...(multipleChoice ? ["--multiple-choice"] : []),
  ];
}

export async function measureTasks(values: Values): Promise<void> {
  if (values.multipleChoice) {
    const tasks = multipleChoiceTasks(await readTaskFile(values));
    const drawn = drawTasks(tasks, values.multipleChoiceTasks);
    return measure(values, MULTIPLE_CHOICE, drawn, meanLogProbs);
  }
  const text = await readText(values);
  if (values.hellaswag) {
    const tasks = drawHellaswag(parseHellaswag(text), values.hellaswagTasks);
    return measure(values, HELLASWAG, tasks, meanLogProbs);
  }
  const tasks = drawTasks(parseWinogrande(text), values.winograndeTasks);
  return measure(values, WINOGRANDE, tasks, trailingLogProbs);
}

async function readTaskFile({ file, binaryFile }: Values) {
  const path = binaryFile ?? file;
  if (path === undefined || path === "-")
    throw new UsageError("--multiple-choice: expected -f FILE, found none");
  const source = await platform.openFile(path);
  try {
    return readMultipleChoice(await source.read(0, source.size), path);
  } finally {
    await source.close?.();
  }
}

async function measure<T extends ChoiceTask>(
  values: Values,
  form: TaskForm,
  tasks: readonly T[],
  scorer: (model: Model) => ChoiceScorer<T>,
): Promise<void> {
  const signal = interruptSignal(),
    model = await openDecoder(values, signal, { nSequences: N_SEQUENCES });
  const progress = chunkProgress(tasks.length, "task");
  try {
    if (!values.json) await print(form.title);
    const outcomes = await measureChoices<T>(model, tasks, scorer(model), {
      signal,
      async onTask(outcome: ChoiceOutcome) {
        progress.update(outcome.task, `right ${(100 * accuracyOf(outcome).value).toFixed(2)}%`);
        if (!values.json) await print(form.line(outcome, tasks[outcome.task - 1]));
      },
    });
    progress.stop();
    if (values.csv !== undefined) writeFileWhole(values.csv, choicesCsv(outcomes));
    const about = { model: modelPath(values), nCtx: model.nCtx };
    await (values.json
      ? printJson(choicesJson(form.name, about, outcomes, tasks))
      : print(form.end(outcomes, tasks)));
  } finally {
    progress.stop();
    await model.close();
  }
}
