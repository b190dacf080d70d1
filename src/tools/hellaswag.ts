// HellaSwag as llama.cpp measures it: which of four endings continues a context best. A file has six lines a task: the
// context, the number of the right ending (0 to 3), the four endings.

import { OptionError } from "../errors.ts";
import type { ChoiceTask } from "./choices.ts";
import { MersenneTwister } from "./mersenne-twister.ts";

const LINES = 6,
  ENDINGS = 4;

/** Throws OptionError for a text that is not made of such tasks. */
export function parseHellaswag(text: string): ChoiceTask[] {
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length % LINES !== 0) {
    throw new OptionError(
      `HellaSwag: expected ${LINES} lines a task (context, number of the right ending, ${ENDINGS} endings), ` +
        `found ${lines.length} lines; use the text form of llama.cpp`,
    );
  }
  return Array.from({ length: lines.length / LINES }, (_, task) => {
    const [context, label, ...endings] = lines.slice(task * LINES, (task + 1) * LINES);
    if (!/^\s*[0-3]\s*$/.test(label)) {
      throw new OptionError(
        `HellaSwag, line ${task * LINES + 2}: expected the number of the right ending, 0 to ${ENDINGS - 1}, ` +
          `found ${JSON.stringify(label.slice(0, 40))}`,
      );
    }
    return {
      texts: endings.map((ending) => `${context} ${ending}`),
      right: endings.map((_ending, i) => i === Number(label)),
    };
  });
}

/** `count` tasks (0: all) in llama.cpp's random order, in which a partial score settles early. */
export function drawHellaswag(tasks: readonly ChoiceTask[], count: number): ChoiceTask[] {
  const random = new MersenneTwister(1),
    left = [...tasks],
    most = count === 0 ? tasks.length : Math.min(count, tasks.length);
  return Array.from({ length: most }, () => left.splice(random.below(left.length), 1)[0]);
}
