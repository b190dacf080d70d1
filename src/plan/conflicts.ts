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

/** What an operand is a part of: a value, half of a layer's cache, a state; undefined for weights. */
export function regionOf(r: Ref): string | undefined {
  switch (r.kind) {
    case "value":
      return `value ${r.value.id}`;
    case "cache":
      return `cache ${r.cache.layer} ${r.part}`;
    case "state":
      return `state ${r.state.name}`;
    case "weight":
      return undefined;
  }
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
  if (r.kind === "value" && offsetOf) {
    const start = offsetOf(r.value);
    return [{ region: "arena", start, end: start + r.value.bytes }];
  }
  const region = regionOf(r);
  return region === undefined ? [] : [{ region, start: 0, end: 1 }];
}

function meet(a: readonly Range[], b: readonly Range[]): boolean {
  return a.some((x) => b.some((y) => x.region === y.region && x.start < y.end && y.start < x.end));
}
