// Multiple choice as llama.cpp scores it: every alternative is a whole text, the texts are evaluated after the tokens that
// they share, and the alternative whose own tokens are likeliest on average is the model's choice.

import { OptionError } from "../errors.ts";
import type { Model } from "../model.ts";
import { LogSoftmax } from "./log-softmax.ts";

/** Alternatives of which at least one is right. */
export interface ChoiceTask {
  /** Whole texts, two or more. */
  readonly texts: readonly string[];
  /** Whether alternative i is right. */
  readonly right: readonly boolean[];
}

export interface ChoiceOutcome extends ChoiceScore {
  /** From 1. */
  readonly task: number;
  readonly right: boolean;
  /** Tasks up to this one whose choice was right. */
  readonly nRight: number;
}

export interface ChoiceRun {
  readonly signal?: AbortSignal;
  readonly onTask?: (outcome: ChoiceOutcome) => void | Promise<void>;
}

export interface ChoiceScore {
  /** Mean log-probability per alternative. */
  readonly scores: readonly number[];
  /** Index of the alternative that the model prefers. */
  readonly chosen: number;
}

/** How the tasks of one benchmark are scored. */
export type ChoiceScorer<T extends ChoiceTask> = (
  task: T,
  logProbs: LogProbsAfterShared,
) => Promise<ChoiceScore>;

/**
 * Evaluates the tasks in order, with a model that was loaded with two sequences or more. Never depends on threads or
 * batch size. Throws OptionError for a task that does not fit the model's context or whose alternatives share no token.
 */
export async function measureChoices<T extends ChoiceTask>(
  model: Model,
  tasks: readonly T[],
  score: ChoiceScorer<T>,
  { signal, onTask }: ChoiceRun = {},
): Promise<ChoiceOutcome[]> {
  const softmax = new LogSoftmax(model.nVocab, model.samplerMath),
    outcomes: ChoiceOutcome[] = [];
  let nRight = 0;
  for (const [i, task] of tasks.entries()) {
    const where = `task ${i + 1}`;
    const { scores, chosen } = await score(task, (sequences, shared) =>
      logProbsAfterShared(model, softmax, { sequences, shared, where }, signal),
    );
    const right = task.right[chosen];
    if (right) nRight++;
    const outcome = { task: i + 1, scores, chosen, right, nRight };
    outcomes.push(outcome);
    await onTask?.(outcome);
  }
  return outcomes;
}

/** The scorer of HellaSwag and of llama.cpp's multiple-choice files: the mean over all tokens that are not shared. */
export function meanLogProbs<T extends ChoiceTask>(model: Model): ChoiceScorer<T> {
  return async ({ texts }, logProbs) => {
    const sequences = texts.map((text) => model.tokenize(text));
    const tails = await logProbs(sequences, sharedTokens(sequences));
    const scores = tails.map((tail) => tail.reduce((a, b) => a + b) / tail.length);
    return { scores, chosen: scores.indexOf(Math.max(...scores)) };
  };
}

/** How many first tokens all sequences have in common; at least one token of each is left over. */
export function sharedTokens(sequences: readonly (readonly number[])[]): number {
  const [first] = sequences,
    most = Math.min(...sequences.map((s) => s.length)) - 1;
  let shared = 0;
  while (shared < most && sequences.every((s) => s[shared] === first[shared])) shared++;
  return shared;
}

/** ln p of each sequence's tokens from position `shared` on. */
export type LogProbsAfterShared = (
  sequences: readonly (readonly number[])[],
  shared: number,
) => Promise<number[][]>;

interface Alternatives {
  readonly sequences: readonly (readonly number[])[];
  readonly shared: number;
  /** For errors. */
  readonly where: string;
}

async function logProbsAfterShared(
  model: Model,
  softmax: LogSoftmax,
  { sequences, shared, where }: Alternatives,
  signal: AbortSignal | undefined,
): Promise<number[][]> {
  const longest = Math.max(...sequences.map((s) => s.length));
  if (shared < 1)
    throw new OptionError(
      `${where}: expected alternatives that begin alike, found no shared token`,
    );
  if (longest > model.nCtx) {
    throw new OptionError(
      `${where}: expected at most ${model.nCtx} tokens, found ${longest}; use a larger context`,
    );
  }
  const logProbs: number[][] = sequences.map(() => []);
  const add = (logits: Float32Array, sequence: number, position: number) => {
    const { max, logSum } = softmax.of(logits);
    logProbs[sequence].push(logits[sequences[sequence][position]] - max - logSum);
  };
  const trunk = model.createSession();
  try {
    await trunk.evaluate(sequences[0].slice(0, shared), {
      signal,
      onLogits: (logits) => sequences.forEach((_, s) => add(logits, s, shared)),
    });
    for (const [s, tokens] of sequences.entries()) {
      const branch = trunk.copy();
      try {
        // the last token predicts nothing
        await branch.evaluate(tokens.slice(shared, -1), {
          outputs: "all",
          signal,
          onLogits: (logits, i) => add(logits, s, shared + i + 1),
        });
      } finally {
        branch.close();
      }
    }
  } finally {
    trunk.close();
  }
  return logProbs;
}
