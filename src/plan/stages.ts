// Orders a plan in stages: instructions that need nothing of each other stand side by side, so that few barriers are left
// (a bias and the next product of the same input; the two products of a gate). Which order the results are computed in changes
// none of their bits.

import type { Segment } from "./banks.ts";
import { regionOf } from "./conflicts.ts";
import type { Instr, Recording, Ref } from "./instruction.ts";

export interface Staged {
  /** The recording in its new order. */
  readonly recording: Recording;
  /** The stage of each instruction: 0, 0, 1 ..; a segment begins with a new one. */
  readonly stageOf: readonly number[];
}

/** How far an instruction may come forward: further ahead, values would live longer and the arena would grow. */
const REACH = 16;

/** Instructions stay in their segments; each goes to the first stage in which nothing is written that it needs. */
export function inStages(recording: Recording, segments: readonly Segment[]): Staged {
  const instrs: Instr[] = [],
    stageOf: number[] = [];
  let stage = 0;
  for (const { start, end } of segments) {
    const own = recording.instrs.slice(start, end),
      needs = predecessors(own),
      over = new Set<number>();
    let waiting: number[] = [],
      next = 0;
    for (; over.size < own.length; stage++) {
      while (waiting.length < REACH && next < own.length) waiting.push(next++);
      const taken = waiting.filter((i) => needs[i].every((j) => over.has(j)));
      for (const i of taken) {
        instrs.push(own[i]);
        stageOf.push(stage);
        over.add(i);
      }
      waiting = waiting.filter((i) => !over.has(i));
    }
  }
  return { recording: { ...recording, instrs }, stageOf };
}

/**
 * For each instruction those before it that must be over first: the last one that wrote what it reads or writes, and those that have
 * read since what it writes. Whatever else it conflicts with must be over before these.
 */
function predecessors(instrs: readonly Instr[]): number[][] {
  const writer = new Map<string, number>(),
    readers = new Map<string, number[]>();
  return instrs.map(({ reads, writes }, i) => {
    const read = regionsOf(reads),
      written = regionsOf(writes);
    const found = [...read, ...written].flatMap((region) => writer.get(region) ?? []);
    for (const region of written) found.push(...(readers.get(region) ?? []));
    for (const region of read) readers.set(region, [...(readers.get(region) ?? []), i]);
    for (const region of written) {
      writer.set(region, i);
      readers.delete(region);
    }
    return found;
  });
}

const regionsOf = (refs: readonly Ref[]) => refs.flatMap((r) => regionOf(r) ?? []);
