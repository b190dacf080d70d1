// Winogrande as llama.cpp measures it: which of two words fits the gap of a sentence, judged by the words after the gap. A
// file has a line a task: index,sentence with a _,choice 1,choice 2,answer (1 or 2); the sentence may be in quotes.

import { OptionError } from "../errors.ts";
import type { Model } from "../model.ts";
import { type ChoiceScorer, type ChoiceTask, sharedTokens } from "./choices.ts";

/** Tokens after the shared ones from which on the choice itself is left out of the score. */
const MIN_TRAILING = 3;

export interface WinograndeTask extends ChoiceTask {
  /** The texts up to and with the choice. */
  readonly heads: readonly string[];
}

/** Throws OptionError for a line of another form, with its number. */
export function parseWinogrande(text: string): WinograndeTask[] {
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line, i) => {
      const fields = splitLine(line),
        [, sentence = "", choice1, choice2, answer = ""] = fields ?? [];
      const gap = sentence.indexOf("_");
      if (fields === undefined || gap < 0 || !/^\s*[12]\s*$/.test(answer)) {
        throw new OptionError(
          `Winogrande, line ${i + 1}: expected index,sentence with a _,choice 1,choice 2,answer 1 or 2, ` +
            `found ${JSON.stringify(line.slice(0, 80))}; use the CSV form of llama.cpp`,
        );
      }
      const heads = [choice1, choice2].map((choice) => sentence.slice(0, gap) + choice);
      return {
        heads,
        texts: heads.map((head) => head + sentence.slice(gap + 1)),
        right: [1, 2].map((number) => number === Number(answer)),
      };
    });
}

/**
 * The mean over the tokens after the choice without the last one, or over all tokens that are not shared where there are
 * few of them. In that case llama.cpp takes the first token of the second text from the logits after the end of the first;
 * its published scores have it so, and these have it too.
 */
export function trailingLogProbs(model: Model): ChoiceScorer<WinograndeTask> {
  return async ({ texts, heads }, logProbs) => {
    const sequences = texts.map((text) => model.tokenize(text)),
      shared = sharedTokens(sequences);
    const [first, second] = sequences;
    const tails = await logProbs([[...first, second[shared]], second], shared);
    const afterFirst = tails[0].pop()!;
    const skipChoice = sequences.every((s) => s.length - shared > MIN_TRAILING);
    if (!skipChoice) tails[1][0] = afterFirst;
    const starts = skipChoice ? heads.map((head) => model.tokenize(head).length - shared) : [0, 0];
    const scores = tails.map((tail, i) => {
      const rest = tail.slice(Math.max(starts[i], 0));
      if (rest.length > 1) rest.pop();
      return rest.reduce((a, b) => a + b, 0) / rest.length;
    });
    // a draw goes to the second, as does a gap at the very end, after which there is nothing to score
    return { scores, chosen: scores[0] > scores[1] ? 0 : 1 };
  };
}

/** Five fields of which the second may hold commas in quotes; undefined for fewer. */
function splitLine(line: string): string[] | undefined {
  const commas: number[] = [];
  let quoted = false;
  for (let i = 0; i < line.length && commas.length < 4; i++) {
    if (line[i] === '"') quoted = !quoted;
    else if (line[i] === "," && !quoted) commas.push(i);
  }
  if (commas.length < 4) return undefined;
  const fields = [0, ...commas.map((c) => c + 1)].map((from, i) => line.slice(from, commas[i]));
  if (fields[1].startsWith('"')) fields[1] = fields[1].slice(1, -1);
  return fields;
}
