// llama.cpp's files of multiple-choice tasks (ARC, MMLU, TruthfulQA ...; llama-perplexity --multiple-choice). Little-endian:
//
//   u32 nTasks  u32 position[nTasks]    byte where each task begins
//   per task: question, answers with one right, answers with several right
//     question: u32 nBytes, UTF-8      answers: u32 n, n times (u32 nBytes, UTF-8), i32 label[n], 1 where right

import { DOWNLOAD_AGAIN, GgufError } from "./errors.ts";

/** As many answers as llama.cpp takes. */
const MOST_ANSWERS = 100;

export interface MultipleChoiceTask {
  readonly question: string;
  readonly answers: readonly string[];
  /** 1 where the answer is right. */
  readonly labels: readonly number[];
}

/**
 * The tasks with their single-answer choices, in the file's order. Throws GgufError for anything that is not such a file
 * from its first byte to its last task.
 */
export function readMultipleChoice(bytes: Uint8Array, name = "bytes"): MultipleChoiceTask[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    utf8 = new TextDecoder();
  let at = 0;
  const fail = (subject: string, expected: string, found: string) =>
    new GgufError({ subject, expected, found, source: name, offset: at, remedy: DOWNLOAD_AGAIN });
  const need = (length: number, what: string) => {
    if (at + length > bytes.length)
      throw fail(what, `${length} bytes`, `${bytes.length - at} left`);
  };
  const u32 = (what: string) => {
    need(4, what);
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const text = (what: string) => {
    const length = u32(`length of ${what}`);
    need(length, what);
    at += length;
    return utf8.decode(bytes.subarray(at - length, at));
  };
  const answers = (task: string) => {
    const n = u32(`number of answers of ${task}`);
    if (n > MOST_ANSWERS)
      throw fail(`number of answers of ${task}`, `at most ${MOST_ANSWERS}`, String(n));
    const texts = Array.from({ length: n }, (_, i) => text(`answer ${i + 1} of ${task}`));
    const labels = texts.map((_, i) => u32(`label ${i + 1} of ${task}`) | 0);
    return { texts, labels };
  };

  const nTasks = u32("number of tasks");
  if (nTasks === 0) throw fail("number of tasks", "one or more", "0");
  need(nTasks * 4, `positions of ${nTasks} tasks`);
  const positions = at;
  return Array.from({ length: nTasks }, (_, i) => {
    at = view.getUint32(positions + i * 4, true);
    const task = `task ${i + 1}`,
      question = text(`question of ${task}`),
      single = answers(task);
    answers(task); // several right answers: nobody scores them
    if (question === "" || single.texts.length === 0 || single.texts.includes(""))
      throw fail(task, "a question and answers that are not empty", "an empty one");
    return { question, answers: single.texts, labels: single.labels };
  });
}
