// The recorder's tensor handle: which columns of which value. Every Tensor that the recorder gives out is one.

import type { Rows, Tensor } from "../../models/ops.ts";
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
