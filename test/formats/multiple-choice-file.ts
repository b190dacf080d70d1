// Writes files of multiple-choice tasks for tests, from the layout in formats/multiple-choice.ts.

import type { MultipleChoiceTask } from "../../formats/multiple-choice.ts";

export function encodeTasks(tasks: readonly MultipleChoiceTask[]): Uint8Array {
  const bodies = tasks.map(({ question, answers, labels }) => {
    const choices = [u32(answers.length), ...answers.map(text), ...labels.map(u32)];
    return Buffer.concat([text(question), ...choices, u32(0)]);
  });
  let at = 4 + 4 * tasks.length;
  const positions = bodies.map((body) => {
    at += body.length;
    return u32(at - body.length);
  });
  return new Uint8Array(Buffer.concat([u32(tasks.length), ...positions, ...bodies]));
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)]);
}
