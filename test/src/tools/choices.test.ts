import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model } from "../../../src/index.ts";
import { meanLogProbs, measureChoices, sharedTokens } from "../../../src/tools/choices.ts";
import { drawHellaswag, parseHellaswag } from "../../../src/tools/hellaswag.ts";
import { multipleChoiceTasks } from "../../../src/tools/multiple-choice.ts";
import { parseWinogrande, trailingLogProbs } from "../../../src/tools/winogrande.ts";
import { built, EMBEDDED } from "../../built.ts";

let model: Model;
beforeAll(async () => {
  model = (await built.loadModel(EMBEDDED, {
    threads: 1,
    nCtx: 128,
    nSequences: 2,
  })) as unknown as Model;
});
afterAll(() => model.close());

/** ln p of every token of a text after the first, by whole rows of logits and JavaScript's own functions. */
async function slowLogProbs(tokens: readonly number[]): Promise<number[]> {
  const rows = await model.logits(tokens);
  return tokens.slice(1).map((token, i) => logProb(rows[i], token));
}

function logProb(row: Float32Array, token: number): number {
  return row[token] - Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

const HELLASWAG = [
  "# git stash: Stash local Git changes in a temporary",
  "1",
  "banana and an apple.",
  "area.",
  "of the house.",
  "quickly run the dog.",
  "# ls: List",
  "0",
  "directory contents.",
  "the sky in green.",
  "my old hat.",
  "no thing at all.",
].join("\n");

describe("sharedTokens", () => {
  it("counts what all begin with, and leaves a token of each", () => {
    expect(
      sharedTokens([
        [1, 2, 3, 4],
        [1, 2, 5],
        [1, 2, 3],
      ]),
    ).toBe(2);
    expect(
      sharedTokens([
        [1, 2],
        [1, 2, 3],
      ]),
    ).toBe(1);
    expect(sharedTokens([[1], [2]])).toBe(0);
  });
});

describe("HellaSwag", () => {
  const tasks = parseHellaswag(`${HELLASWAG}\n`);

  it("reads six lines a task", () => {
    expect(tasks.length).toBe(2);
    expect(tasks[0].texts[1]).toBe("# git stash: Stash local Git changes in a temporary area.");
    expect(tasks.map(({ right }) => right.indexOf(true))).toEqual([1, 0]);
  });

  it("draws every task once", () => {
    const many = Array.from({ length: 20 }, (_, i) => ({ texts: [String(i)], right: [true] }));
    const drawn = drawHellaswag(many, 0).map(({ texts }) => texts[0]);
    expect(drawn.slice(0, 2)).toEqual(["8", "19"]); // 0.417 of 20; 0.997 of the 19 left, without 8
    expect(new Set(drawn).size).toBe(20);
    expect(drawHellaswag(many, 3).map(({ texts }) => texts[0])).toEqual(drawn.slice(0, 3));
  });

  it("scores endings by their mean log-probability, and finds the likely ones", async () => {
    const outcomes = await measureChoices(model, tasks, meanLogProbs(model));
    expect(outcomes.map(({ right, nRight }) => [right, nRight])).toEqual([
      [true, 1],
      [true, 2],
    ]);
    for (const [t, { texts }] of tasks.entries()) {
      const sequences = texts.map((text) => model.tokenize(text)),
        shared = sharedTokens(sequences);
      for (const [i, tokens] of sequences.entries()) {
        const slow = mean((await slowLogProbs(tokens)).slice(shared - 1));
        expect(outcomes[t].scores[i]).toBeCloseTo(slow, 5);
      }
    }
  });

  it("says what is wrong with a file or a task", async () => {
    expect(() => parseHellaswag("one\ntwo")).toThrow("expected 6 lines a task");
    expect(() => parseHellaswag(HELLASWAG.replace("\n1\n", "\n4\n"))).toThrow(
      'HellaSwag, line 2: expected the number of the right ending, 0 to 3, found "4"',
    );
    const long = { texts: ["a ".repeat(200), "b ".repeat(200)], right: [true, false] };
    await expect(measureChoices(model, [long], meanLogProbs(model))).rejects.toThrow(
      /task 1: expected at most 128 tokens, found \d+; use a larger context/,
    );
  });
});

describe("Winogrande", () => {
  const CSV = [
    '0,"Stash local Git changes, then list the _ in a temporary area.",files,houses,1',
    "1,Archive the _.,files,cat,2",
    "2,Archive the _,files,cat,1",
  ].join("\n");
  const tasks = parseWinogrande(CSV);

  it("reads sentences with commas in quotes", () => {
    expect(tasks[0].texts).toEqual([
      "Stash local Git changes, then list the files in a temporary area.",
      "Stash local Git changes, then list the houses in a temporary area.",
    ]);
    expect(tasks.map(({ right }) => right)).toEqual([
      [true, false],
      [false, true],
      [true, false],
    ]);
  });

  it("scores the words after the choice, without the last token", async () => {
    const [{ scores, chosen }] = await measureChoices(model, tasks, trailingLogProbs(model));
    for (const [i, text] of tasks[0].texts.entries()) {
      const head = model.tokenize(tasks[0].heads[i]).length;
      const slow = (await slowLogProbs(model.tokenize(text))).slice(head - 1, -1);
      expect(scores[i]).toBeCloseTo(mean(slow), 5);
    }
    expect(chosen).toBe(scores[0] > scores[1] ? 0 : 1);
  });

  it("scores short endings whole, with llama.cpp's first term of the second", async () => {
    const outcomes = await measureChoices(model, tasks, trailingLogProbs(model));
    const [first, second] = tasks[1].texts.map((text) => model.tokenize(text)),
      shared = sharedTokens([first, second]);
    expect(Math.min(first.length, second.length) - shared).toBeLessThanOrEqual(3);
    const slow = [await slowLogProbs(first), await slowLogProbs(second)].map((all) =>
      all.slice(shared - 1),
    );
    slow[1][0] = logProb((await model.logits(first)).at(-1)!, second[shared]);
    const expected = slow.map((tail) => mean(tail.length > 1 ? tail.slice(0, -1) : tail));
    outcomes[1].scores.forEach((score, i) => expect(score).toBeCloseTo(expected[i], 5));
  });

  it("names the line that is wrong", () => {
    expect(() => parseWinogrande("0,no gap,a,b,1")).toThrow("Winogrande, line 1: expected index,");
    expect(() => parseWinogrande(`${CSV}\n3,a _ b,c,d,3`)).toThrow("Winogrande, line 4");
    expect(() => parseWinogrande("0,too few")).toThrow("Winogrande, line 1");
  });
});

describe("multiple choice", () => {
  it("takes any number of answers, several of them right", async () => {
    const tasks = multipleChoiceTasks([
      { question: "List directory", answers: ["contents", "hats", "dogs"], labels: [1, 1, 0] },
    ]);
    expect(tasks[0].texts[2]).toBe("List directory dogs");
    const [{ chosen, right, scores }] = await measureChoices(model, tasks, meanLogProbs(model));
    expect(scores[chosen]).toBe(Math.max(...scores));
    expect(right).toBe(chosen < 2);
  });
});
