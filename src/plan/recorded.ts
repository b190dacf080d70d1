// The handles that the recorder gives to an architecture. Every Tensor is a Recorded: which columns of which value; a part
// of a weight, a routing and a layer's cache have handles of their own.

import type { KvCache, Routing, Rows, Tensor, Weight } from "../../models/ops.ts";
import type { PlacedCache } from "../memory/placed.ts";
import type { Ref, Value } from "./instruction.ts";

export class Recorded implements Tensor {
  constructor(
    readonly value: Value,
    readonly rows: Rows,
    readonly width: number,
    /** Bytes from row to row, and from the value's first row to this tensor's. */
    readonly stride: number,
    readonly offset = 0,
  ) {}
}

/** The tensor as an operand of an instruction. */
export function ref(t: Recorded): Ref {
  return { kind: "value", value: t.value, offset: t.offset };
}

/** Elements of a weight from `start` on. */
export class WeightPart implements Weight {
  readonly name: string;
  readonly shape: readonly number[];
  constructor(
    readonly whole: Weight,
    readonly start: number,
    width: number,
  ) {
    this.name = `${whole.name}[${start}..]`;
    this.shape = [width];
  }
}

/** The experts of every row: ids u32 and weights f32, nUsed of each in rows of `stride` bytes. */
export class RecordedRouting implements Routing {
  constructor(
    readonly rows: Rows,
    readonly nUsed: number,
    readonly nExpert: number,
    readonly ids: Value,
    readonly weights: Value,
    readonly stride: number,
  ) {}
}

/** A layer's keys and values. */
export class RecordedCache implements KvCache {
  constructor(readonly placed: PlacedCache) {}
  get layer() {
    return this.placed.layer;
  }
  get nHeadKv() {
    return this.placed.nHeadKv;
  }
  get headDimK() {
    return this.placed.headDimK;
  }
  get headDimV() {
    return this.placed.headDimV;
  }
  get window() {
    return this.placed.window;
  }
}
