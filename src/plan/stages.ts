// Orders a plan in stages: instructions that need nothing of each other stand side by side, so that few barriers are left
// (a bias and the next product of the same input; the two products of a gate). Which order the results are computed in changes
// none of their bits.

import type { Segment } from "./banks.ts";
import { accessOf, conflict } from "./conflicts.ts";
import type { Instr, Recording } from "./instruction.ts";

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
    let waiting = recording.instrs
      .slice(start, end)
      .map((instr) => ({ instr, access: accessOf(instr) }));
    for (; waiting.length > 0; stage++) {
      const taken: typeof waiting = [],
        left: typeof waiting = [];
      for (const next of waiting.slice(0, REACH)) {
        const isFree = [...taken, ...left].every((other) => !conflict(other.access, next.access));
        (isFree ? taken : left).push(next);
      }
      for (const { instr } of taken) {
        instrs.push(instr);
        stageOf.push(stage);
      }
      waiting = [...left, ...waiting.slice(REACH)];
    }
  }
  return { recording: { ...recording, instrs }, stageOf };
}
