// llama.cpp's multiple-choice files as tasks: an answer continues its question after a blank.

import type { MultipleChoiceTask } from "../../formats/multiple-choice.ts";
import type { ChoiceTask } from "./choices.ts";

export function multipleChoiceTasks(tasks: readonly MultipleChoiceTask[]): ChoiceTask[] {
  return tasks.map(({ question, answers, labels }) => ({
    texts: answers.map((answer) => `${question} ${answer}`),
    right: labels.map((label) => label === 1),
  }));
}
