// The ops of the recorder (record.ts) that choose rows: which ones the head sees, those that the host lists, one for each
// sequence; and what ends an encoder or the pass, whose result is checked for NaN.

import type { Tensor } from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import { GatherWord, Op, PoolKind, PoolWord, UnaryKind, Word } from "../memory/abi.generated.ts";
import type { Ref } from "./instruction.ts";
import { unary } from "./record-elementwise.ts";
import { type Recorded, ref } from "./recorded.ts";
import { align, type RecordingContext } from "./recording-context.ts";

export function outputRows(r: RecordingContext, x: Tensor): Tensor {
  const a = x as Recorded;
  if (a.rows !== "tokens")
    throw new PlanError(`outputRows: expected one row per token, found ${a.rows}`);
  r.head = true;
  const dst = r.tensor("output rows", "outputs", a.width);
  r.emit(
    Op.gatherRows,
    "output rows",
    "outputs",
    [...r.common(dst, a), [GatherWord.index, 0]],
    [ref(a)],
    [ref(dst)],
  );
  return dst;
}

export function gather(r: RecordingContext, x: Tensor, index: string, rows: number): Tensor {
  const a = x as Recorded,
    dst = r.tensor(`gather ${index}`, rows, a.width),
    list = indexList(r, index, rows);
  r.emit(
    Op.gatherRows,
    `gather ${index}`,
    rows,
    [...r.common(dst, a), [GatherWord.index, list]],
    [ref(a), list],
    [ref(dst)],
  );
  return dst;
}

export function scatter(r: RecordingContext, base: Tensor, x: Tensor, index: string): Tensor {
  const a = x as Recorded,
    into = unary(r, UnaryKind.copy, "copy", base as Recorded);
  if (typeof a.rows !== "number")
    throw new PlanError(`scatter: expected a fixed number of rows, found ${a.rows}`);
  const list = indexList(r, index, a.rows);
  r.emit(
    Op.scatterRows,
    `scatter ${index}`,
    a.rows,
    [...r.common(into, a), [GatherWord.index, list]],
    [ref(a), list, ref(into)],
    [ref(into)],
  );
  return into;
}

export function pool(r: RecordingContext, x: Tensor, kind: "mean" | "cls" | "last"): Tensor {
  const a = x as Recorded,
    dst = r.tensor(`pool ${kind}`, "sequences", a.width);
  if (a.rows !== "tokens") throw new PlanError(`pool: expected one row per token, found ${a.rows}`);
  r.emit(
    Op.pool,
    `pool ${kind}`,
    "sequences",
    [...r.common(dst, a), [PoolWord.kind, PoolKind[kind]]],
    [ref(a)],
    [ref(dst)],
  );
  return dst;
}

export function endEncoder(r: RecordingContext): void {
  if (r.encoderInstrs > 0 || r.head)
    throw new PlanError("endEncoder: expected it once and before ops.outputRows, found it later");
  r.encoderInstrs = r.instrs.length;
  r.encoderValues = r.nValues;
  // What was computed for the encoder's tokens is not there for the decoder's.
  for (const made of [r.packs, r.sorts, r.ropeTables]) made.clear();
}

export function logits(r: RecordingContext, x: Tensor): void {
  const a = x as Recorded;
  if (a.rows !== "outputs")
    throw new PlanError(
      `logits: expected one row per output, found ${a.rows}; call ops.outputRows before`,
    );
  finishWith(r, "logits", a);
}

export function embedding(r: RecordingContext, x: Tensor): void {
  const a = x as Recorded;
  if (a.rows === "outputs")
    throw new PlanError("embedding: expected one row per token or sequence, found outputs");
  finishWith(r, "embedding", a);
}

function finishWith(r: RecordingContext, name: string, a: Recorded): void {
  if (r.result) throw new PlanError(`${name}: expected one result, found a second`);
  r.result = a;
  a.value.keep = true;
  r.nanFlag = r.value("nan flag", 1, 64);
  r.nanFlag.hostWritten = true;
  const flag: Ref = { kind: "value", value: r.nanFlag, offset: 0 };
  r.emit(
    Op.checkNan,
    `check ${name}`,
    a.rows,
    [
      [Word.dst, flag],
      [Word.a, ref(a)],
      [Word.aStride, a.stride],
      [Word.width, a.width],
    ],
    [ref(a)],
    [flag],
  );
}

/** The list of row numbers that the host writes before a run, u32 [rows]. */
function indexList(r: RecordingContext, name: string, rows: number): Ref {
  return {
    kind: "state",
    state: r.placedState(`index:${name}`, align(rows * 4, 64), 0),
    offset: 0,
  };
}
