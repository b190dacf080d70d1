// What samebit perplexity prints and writes about multiple-choice tasks: llama-perplexity's lines, JSON, and CSV with a row
// per task.

import type { ChoiceOutcome, ChoiceTask } from "../tools/choices.ts";
import type { Estimate } from "../tools/uncertainty.ts";

export interface TaskForm {
  readonly name: string;
  readonly title: string;
  readonly line: (outcome: ChoiceOutcome, task: ChoiceTask) => string;
  readonly end: (outcomes: readonly ChoiceOutcome[], tasks: readonly ChoiceTask[]) => string;
}

/** Two-sided 95% of the normal distribution. */
const Z = 1.95996398454;

export const HELLASWAG: TaskForm = {
  name: "hellaswag",
  title: "\ntask\tacc_norm\t95% confidence interval\n",
  line(outcome) {
    const [low, high] = wilsonInterval(outcome);
    return (
      `${outcome.task}\t${percent(accuracyOf(outcome).value, 8)}%\t` +
      `[${percent(low, 4)}%, ${percent(high, 4)}%]\n`
    );
  },
  end: () => "\n",
};

export const WINOGRANDE: TaskForm = {
  name: "winogrande",
  title: "",
  line(outcome, { right }) {
    const [first, second] = outcome.scores.map((score) => score.toFixed(6).padStart(10));
    return (
      `${outcome.task}\t${percent(accuracyOf(outcome).value, 4)}\t${first}  ${second}  ` +
      `${outcome.chosen + 1}  ${right.indexOf(true) + 1}\n`
    );
  },
  end(outcomes) {
    const { value, error } = accuracyOf(outcomes.at(-1)!);
    return `\nFinal Winogrande score(${outcomes.length} tasks): ${percent(value, 4)} +/- ${percent(error, 4)}\n`;
  },
};

export const MULTIPLE_CHOICE: TaskForm = {
  name: "multiple_choice",
  title: "\ntask\tacc_norm\n",
  line: (outcome) => `${outcome.task}\t${percent(accuracyOf(outcome).value, 8)}\n`,
  end(outcomes, tasks) {
    const line = (what: string, { value, error }: Estimate) =>
      `${what}: ${percent(value, 4)} +/- ${percent(error, 4)}\n`;
    return `\n${line("Final result", accuracyOf(outcomes.at(-1)!))}${line("Random chance", chanceOf(tasks))}\n`;
  },
};

/** The part of the tasks so far that was right. */
export function accuracyOf({ nRight, task }: Pick<ChoiceOutcome, "nRight" | "task">): Estimate {
  return proportion(nRight / task, task);
}

/** What guessing would give: tasks for each answer. */
function chanceOf(tasks: readonly ChoiceTask[]): Estimate {
  const answers = tasks.reduce((sum, { texts }) => sum + texts.length, 0);
  return proportion(tasks.length / answers, tasks.length);
}

function proportion(p: number, n: number): Estimate {
  return { value: p, error: n > 1 ? Math.sqrt((p * (1 - p)) / (n - 1)) : 0 };
}

/** Wilson's score interval: 95% confidence, right for small numbers too. */
function wilsonInterval({ nRight, task: n }: ChoiceOutcome): [low: number, high: number] {
  const p = nRight / n,
    z = (Z * Z) / n;
  const half = (z * Math.sqrt(n * (4 * p * (1 - p) + z))) / (2 * Z);
  return [(p + z / 2 - half) / (1 + z), (p + z / 2 + half) / (1 + z)];
}

export function choicesJson(
  name: string,
  { model, nCtx }: { readonly model: string; readonly nCtx: number },
  outcomes: readonly ChoiceOutcome[],
  tasks: readonly ChoiceTask[],
) {
  const last = outcomes.at(-1)!,
    accuracy = accuracyOf(last);
  return {
    model,
    n_ctx: nCtx,
    tasks: name,
    n_tasks: outcomes.length,
    n_right: last.nRight,
    accuracy: accuracy.value,
    accuracy_error: accuracy.error,
    confidence_interval: wilsonInterval(last),
    random_chance: chanceOf(tasks).value,
    outcomes: outcomes.map(({ task, scores, chosen, right }) => ({ task, scores, chosen, right })),
  };
}

export function choicesCsv(outcomes: readonly ChoiceOutcome[]): string {
  const rows = outcomes.map((o) => [o.task, o.chosen, Number(o.right), o.nRight / o.task]);
  return [["task", "chosen", "right", "accuracy"], ...rows]
    .map((row) => `${row.join(",")}\n`)
    .join("");
}

function percent(part: number, digits: number): string {
  return (100 * part).toFixed(digits);
}
