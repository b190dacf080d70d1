// The ops of the recorder (record.ts) that take a row apart: columns of it, and runs or groups of equal length, which are
// copied, scaled and summed. A slice alone needs no instruction: it is another look at the same value.

import type { Tensor, Weight } from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import {
  CopyRunsWord,
  ExpertSumWord,
  GroupSumWord,
  MagnitudeWord,
  Op,
  ScaleRunsWord,
  Word,
} from "../memory/abi.generated.ts";
import type { Ref } from "./instruction.ts";
import { elements, Recorded, ref } from "./recorded.ts";
import type { RecordingContext } from "./recording-context.ts";

export function slice(r: RecordingContext, x: Tensor, start: number, width: number): Tensor {
  const a = x as Recorded;
  if (start % 4 !== 0 || start < 0 || start + width > a.width) {
    throw new PlanError(
      `slice: expected a start that is a multiple of 4 inside ${a.width} columns, found [${start}, ${start + width})`,
    );
  }
  return new Recorded(a.value, a.rows, width, a.stride, a.offset + start * 4);
}

/** Length of each of n runs of x. */
export function runLength(op: string, x: Recorded, n: number): number {
  if (n < 1 || x.width % n !== 0)
    throw new PlanError(`${op}: expected a width that is a multiple of ${n}, found ${x.width}`);
  return x.width / n;
}

/** Copies n runs of `run` elements; steps and starts in elements. */
function copyRuns(
  r: RecordingContext,
  dst: Recorded,
  toStart: number,
  toStep: number,
  a: Recorded,
  fromStart: number,
  fromStep: number,
  run: number,
  n: number,
): void {
  const to: Ref = { kind: "value", value: dst.value, offset: dst.offset + toStart * 4 };
  const from: Ref = { kind: "value", value: a.value, offset: a.offset + fromStart * 4 };
  r.emit(
    Op.copyRuns,
    dst.value.name,
    a.rows,
    [
      [Word.dst, to],
      [Word.dstStride, dst.stride],
      [Word.a, from],
      [Word.aStride, a.stride],
      [Word.width, n * run],
      [CopyRunsWord.run, run],
      [CopyRunsWord.fromStep, fromStep * 4],
      [CopyRunsWord.toStep, toStep * 4],
    ],
    [from],
    [to],
  );
}

export function sliceRuns(
  r: RecordingContext,
  x: Tensor,
  n: number,
  start: number,
  width: number,
): Tensor {
  const a = x as Recorded,
    run = runLength("sliceRuns", a, n);
  if (start < 0 || width < 1 || start + width > run) {
    throw new PlanError(
      `sliceRuns: expected columns inside runs of ${run}, found [${start}, ${start + width})`,
    );
  }
  const dst = r.tensor(`slice ${a.value.name}`, a.rows, n * width);
  copyRuns(r, dst, 0, width, a, start, run, width, n);
  return dst;
}

export function repeat(r: RecordingContext, x: Tensor, n: number): Tensor {
  const a = x as Recorded,
    dst = r.tensor(`repeat ${a.value.name}`, a.rows, n * a.width);
  copyRuns(r, dst, 0, a.width, a, 0, 0, a.width, n);
  return dst;
}

export function concat(r: RecordingContext, parts: readonly Tensor[], n = 1): Tensor {
  const all = parts as readonly Recorded[],
    lengths = all.map((part) => runLength("concat", part, n));
  for (const part of all) {
    if (part.rows !== all[0].rows)
      throw new PlanError(
        `concat: expected parts with the same rows, found ${all[0].rows} and ${part.rows}`,
      );
  }
  const run = lengths.reduce((a, b) => a + b, 0),
    dst = r.tensor("concat", all[0].rows, n * run);
  let start = 0;
  all.forEach((part, i) => {
    copyRuns(r, dst, start, run, part, 0, lengths[i], lengths[i], n);
    start += lengths[i];
  });
  return dst;
}

export function scaleRuns(r: RecordingContext, x: Tensor, factors: Tensor | Weight): Tensor {
  const a = x as Recorded;
  // A stride of 0: every row reads the same numbers.
  const isWeight = !(factors instanceof Recorded),
    f = isWeight ? r.vector(factors as Weight) : ref(factors),
    n = isWeight ? elements(factors as Weight) : factors.width,
    run = runLength("scaleRuns", a, n);
  if (!isWeight && a.rows !== factors.rows)
    throw new PlanError(
      `scaleRuns: expected factors with the same rows, found ${a.rows} and ${factors.rows}`,
    );
  const dst = r.tensor(`scaled ${a.value.name}`, a.rows, a.width);
  r.emit(
    Op.scaleRuns,
    "scale runs",
    a.rows,
    [
      ...r.common(dst, a),
      [ScaleRunsWord.run, run],
      [ScaleRunsWord.factors, f],
      [ScaleRunsWord.factorsStride, isWeight ? 0 : factors.stride],
    ],
    isWeight ? [ref(a)] : [ref(a), f],
    [ref(dst)],
  );
  return dst;
}

export function weightedSum(r: RecordingContext, x: Tensor, weights: Tensor): Tensor {
  const a = x as Recorded,
    w = weights as Recorded,
    run = runLength("weightedSum", a, w.width);
  if (a.rows !== w.rows)
    throw new PlanError(
      `weightedSum: expected weights with the same rows, found ${a.rows} and ${w.rows}`,
    );
  const dst = r.tensor("weighted sum", a.rows, run);
  r.emit(
    Op.expertSum,
    "weighted sum",
    a.rows,
    [
      ...r.common(dst, a),
      [ExpertSumWord.weights, ref(w)],
      [ExpertSumWord.weightsStride, w.stride],
      [ExpertSumWord.nUsed, w.width],
    ],
    [ref(a), ref(w)],
    [ref(dst)],
  );
  return dst;
}

export function magnitude(r: RecordingContext, x: Tensor, n = 1): Tensor {
  const a = x as Recorded,
    run = runLength("magnitude", a, n),
    dst = r.tensor("magnitude", a.rows, n);
  r.emit(
    Op.magnitude,
    "magnitude",
    a.rows,
    [...r.common(dst, a), [MagnitudeWord.run, run]],
    [ref(a)],
    [ref(dst)],
  );
  return dst;
}

export function groupSum(r: RecordingContext, x: Tensor, group: number): Tensor {
  const a = x as Recorded,
    dst = r.tensor("group sum", a.rows, groupsOf("groupSum", a, group));
  r.emit(
    Op.groupSum,
    "group sum",
    a.rows,
    [...r.common(dst, a), [GroupSumWord.group, group]],
    [ref(a)],
    [ref(dst)],
  );
  return dst;
}

function groupsOf(op: string, x: Recorded, group: number): number {
  if (!(Number.isInteger(group) && group > 0 && x.width % group === 0)) {
    throw new PlanError(`${op}: expected a width that is a multiple of ${group}, found ${x.width}`);
  }
  return x.width / group;
}
