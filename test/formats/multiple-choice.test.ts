import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import { readMultipleChoice } from "../../formats/multiple-choice.ts";
import { encodeTasks } from "./multiple-choice-file.ts";

const TASKS = [
  { question: "Two and two are", answers: ["four", "fünf"], labels: [1, 0] },
  { question: "Water is", answers: ["dry", "wet", "loud"], labels: [0, 1, 0] },
];

describe("readMultipleChoice", () => {
  it("reads questions, answers and labels", () => {
    expect(readMultipleChoice(encodeTasks(TASKS))).toEqual(TASKS);
  });

  it("follows the positions", () => {
    const bytes = encodeTasks(TASKS),
      view = new DataView(bytes.buffer);
    const [first, second] = [view.getUint32(4, true), view.getUint32(8, true)];
    view.setUint32(4, second, true);
    view.setUint32(8, first, true);
    expect(readMultipleChoice(bytes)).toEqual([TASKS[1], TASKS[0]]);
  });

  it("refuses a file cut anywhere", () => {
    const bytes = encodeTasks(TASKS);
    for (let length = 0; length < bytes.length; length++)
      expect(() => readMultipleChoice(bytes.slice(0, length), "cut")).toThrow(GgufError);
  });

  it("says what is wrong", () => {
    expect(() => readMultipleChoice(encodeTasks([]), "none")).toThrow(
      "number of tasks: expected one or more, found 0 (none",
    );
    expect(() =>
      readMultipleChoice(encodeTasks([{ question: "q", answers: [""], labels: [1] }])),
    ).toThrow("task 1: expected a question and answers that are not empty");
    const many = { question: "q", answers: Array(101).fill("a"), labels: Array(101).fill(1) };
    expect(() => readMultipleChoice(encodeTasks([many]))).toThrow("expected at most 100");
  });

  it("ends on any bytes, with tasks or a GgufError", () => {
    const file = encodeTasks(TASKS);
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = file.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          expect(readMultipleChoice(bytes).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(GgufError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
