// Gives every value an address in the arena of each bank that holds it. A value's memory is reused when the stage of its
// last reader is over; which instructions need a barrier follows from the addresses, so reuse stays safe.

import type { Banked } from "./banks.ts";
import { type Access, accessOf, conflict } from "./conflicts.ts";
import type { Instr, Value } from "./instruction.ts";
import type { Staged } from "./stages.ts";

/** Offsets in the arena of each bank: offsets[bank].get(value.id). */
export interface Allocation {
  readonly offsets: readonly ReadonlyMap<number, number>[];
  readonly arenaBytes: readonly number[];
}

interface Interval {
  readonly value: Value;
  first: number;
  last: number;
}

export function allocateArena(staged: Staged, banked: Banked): Allocation {
  const offsets: Map<number, number>[] = [],
    arenaBytes: number[] = [];
  banked.banks.forEach((_, bank) => {
    const { placed, bytes } = pack(intervals(staged, banked, bank));
    offsets.push(placed);
    arenaBytes.push(bytes);
  });
  return { offsets, arenaBytes };
}

/** From which stage to which each value must stay in `bank`. */
function intervals(
  { recording: { instrs }, stageOf }: Staged,
  banked: Banked,
  bank: number,
): Interval[] {
  const found = new Map<number, Interval>(),
    end = instrs.length;
  const touch = (value: Value, stage: number) => {
    const interval = found.get(value.id);
    if (!interval) found.set(value.id, { value, first: stage, last: stage });
    else if (stage > interval.last) interval.last = stage;
  };
  const head = instrs.findIndex((i) => i.head),
    headStage = head < 0 ? end : stageOf[head];
  for (const segment of banked.segments) {
    for (const { value, from, to } of segment.transfers) {
      if (from === bank || to === bank) touch(value, stageOf[segment.start]);
      // the head runs again for every chunk of outputs: what it fetches must still be there
      if (from === bank && segment.head) touch(value, end);
    }
    if (segment.bank !== bank) continue;
    for (let i = segment.start; i < segment.end; i++) {
      for (const r of instrs[i].reads) {
        if (r.kind !== "value") continue;
        const definedInBody =
          segment.head && (found.get(r.value.id)?.first ?? stageOf[i]) < headStage;
        touch(r.value, stageOf[i]);
        if (definedInBody) touch(r.value, end);
      }
      for (const w of instrs[i].writes) if (w.kind === "value") touch(w.value, stageOf[i]);
    }
  }
  for (const interval of found.values()) {
    if (interval.value.keep || interval.value.hostWritten) interval.last = end;
    if (interval.value.hostWritten) interval.first = 0;
  }
  return [...found.values()].sort((a, b) => a.first - b.first);
}

/** First fit, in order of birth. A value never shares memory with another one alive in the same stage. */
function pack(values: readonly Interval[]): { placed: Map<number, number>; bytes: number } {
  const placed = new Map<number, number>();
  let alive: { offset: number; bytes: number; last: number }[] = [],
    total = 0;
  for (const { value, first, last } of values) {
    alive = alive.filter((block) => block.last >= first);
    let offset = 0;
    for (const block of alive) {
      if (offset + value.bytes <= block.offset) break;
      offset = Math.max(offset, block.offset + block.bytes);
    }
    placed.set(value.id, offset);
    alive.push({ offset, bytes: value.bytes, last });
    alive.sort((a, b) => a.offset - b.offset);
    total = Math.max(total, offset + value.bytes);
  }
  return { placed, bytes: total };
}

/**
 * For instructions [start, end) of one segment: whether a barrier must stand before each, because it conflicts with one since the
 * last barrier.
 */
export function barriers(
  instrs: readonly Instr[],
  start: number,
  end: number,
  offsets: ReadonlyMap<number, number>,
): boolean[] {
  let sinceBarrier: Access[] = [];
  return instrs.slice(start, end).map((instr) => {
    const access = accessOf(instr, (value) => offsets.get(value.id)!),
      isNeeded = sinceBarrier.some((other) => conflict(other, access));
    sinceBarrier = isNeeded ? [access] : [...sinceBarrier, access];
    return isNeeded;
  });
}
