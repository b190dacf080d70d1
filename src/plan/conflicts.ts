// Which instructions must not run at the same time: one that reads what another writes, or writes what it reads or writes.

import type { Instr, Ref, Value } from "./instruction.ts";

/** What an instruction reads and writes of the regions of memory; weights are only read, and left out. */
export interface Access {
  readonly reads: readonly Range[];
  readonly writes: readonly Range[];
}

interface Range {
  readonly region: string;
  readonly start: number;
  readonly end: number;
}

/** offsetOf: where a value lies in the arena; without it every value is a region of its own. */
export function accessOf(instr: Instr, offsetOf?: (value: Value) => number): Access {
  const ranges = (refs: readonly Ref[]) => refs.flatMap((r) => rangeOf(r, offsetOf));
  return { reads: ranges(instr.reads), writes: ranges(instr.writes) };
}

/** Whether one of the two must be done before the other begins. */
export function conflict(a: Access, b: Access): boolean {
  return meet(a.writes, b.reads) || meet(a.writes, b.writes) || meet(a.reads, b.writes);
}

function rangeOf(r: Ref, offsetOf?: (value: Value) => number): Range[] {
  switch (r.kind) {
    case "value": {
      if (!offsetOf) return [{ region: `value ${r.value.id}`, start: 0, end: 1 }];
      const start = offsetOf(r.value);
      return [{ region: "arena", start, end: start + r.value.bytes }];
    }
    case "cache":
      return [{ region: `cache ${r.cache.layer} ${r.part}`, start: 0, end: 1 }];
    case "state":
      return [{ region: `state ${r.state.name}`, start: 0, end: 1 }];
    case "weight":
      return [];
  }
}

function meet(a: readonly Range[], b: readonly Range[]): boolean {
  return a.some((x) => b.some((y) => x.region === y.region && x.start < y.end && y.start < x.end));
}
