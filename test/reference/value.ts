// What the slow reference computes with: tensors as arrays of rows, and weights dequantised to f32.
// Sums may run in f64; whatever is stored is f32 (a Float32Array rounds on assignment).
import type { Rows, Tensor, Weight } from "../../models/ops.ts";
import { PlanError } from "../../src/errors.ts";

/** A computed tensor: `data[row][column]`. Values are never changed after they were made. */
export interface Value extends Tensor {
  readonly data: readonly Float32Array[];
}

/** A dequantised tensor of the file, first dimension fastest. */
export interface ReferenceWeight extends Weight {
  readonly data: Float32Array;
}

/** The tensor seen as what this implementation made of it. */
export function valueOf(x: Tensor): Value {
  return x as Value;
}

export function weightOf(w: Weight): ReferenceWeight {
  return w as ReferenceWeight;
}

/** A tensor like `x` in rows, whose rows are `row(x.data[i], i)`. */
export function mapRows(
  x: Tensor,
  width: number,
  row: (x: Float32Array, index: number) => Float32Array | number[],
): Value {
  const data = valueOf(x).data.map((r, i) => Float32Array.from(row(r, i)));
  return { rows: x.rows, width, data };
}

/** Applies `f` to every element. */
export function mapElements(x: Tensor, f: (x: number) => number): Value {
  return mapRows(x, x.width, (row) => row.map(f));
}

/** Row `index` (along ne0) of a weight. */
export function weightRow(w: Weight, index: number): Float32Array {
  const width = w.shape[0];
  return weightOf(w).data.subarray(index * width, (index + 1) * width);
}

/** Sum of products in f64. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const x of values) total += x;
  return total;
}

/** Throws PlanError unless `found` is `expected`; `what` names the operand. */
export function expectSize(what: string, expected: number, found: number): void {
  if (expected !== found) throw new PlanError(`${what}: expected ${expected}, found ${found}`);
}

/** Throws PlanError unless both have the same kind of rows. */
export function expectSameRows(op: string, a: Rows, b: Rows): void {
  if (a !== b)
    throw new PlanError(`${op}: expected two tensors with the same rows, found ${a} and ${b}`);
}

/** Elements of a vector weight. */
export function vectorLength(w: Weight): number {
  return w.shape.reduce((product, n) => product * n, 1);
}
