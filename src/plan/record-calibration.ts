// Observation in the recorder (record.ts): tensors kept under a name for tests and tools, and the sums of squares of the
// products' inputs, which weigh columns when a model is quantised.

import type { Routing, Tensor } from "../../models/ops.ts";
import { ExpertSumSquaresWord, Op, SumSquaresWord, Word } from "../memory/abi.generated.ts";
import type { Ref } from "./instruction.ts";
import { type Recorded, type RecordedRouting, ref } from "./recorded.ts";
import { align, type RecordingContext } from "./recording-context.ts";

/** Begins the names of states that hold sums of squares. */
const CALIBRATION = "sums:";

export function tap(r: RecordingContext, x: Tensor, name: string): Tensor {
  const a = x as Recorded;
  r.taps.set(name, a);
  if (r.options.keepTaps?.has(name)) a.value.keep = true;
  return x;
}

export function sumSquaresByColumn(
  r: RecordingContext,
  x: Tensor,
  name: string,
  routing?: Routing,
): void {
  if (!r.options.calibrate) return;
  const a = x as Recorded;
  if (routing) return sumSquaresByExpert(r, a, name, routing as RecordedRouting);
  const { dst, count } = calibrated(r, name, a.width, 1);
  r.emit(
    Op.sumSquares,
    `sum of squares ${name}`,
    a.rows,
    [
      [Word.dst, dst],
      [Word.a, ref(a)],
      [Word.aStride, a.stride],
      [Word.width, a.width],
      [SumSquaresWord.count, count],
    ],
    [ref(a), dst],
    [dst],
  );
}

function sumSquaresByExpert(
  r: RecordingContext,
  a: Recorded,
  name: string,
  { nExpert, nUsed, ids, stride }: RecordedRouting,
): void {
  // the weight's own row length tells whether each slot has its part of a row
  const width = r.options.tensor(name)!.shape[0],
    { dst, count, dstStride } = calibrated(r, name, width, nExpert);
  const idsRef: Ref = { kind: "value", value: ids, offset: 0 };
  r.emit(
    Op.expertSumSquares,
    `sum of squares ${name}`,
    a.rows,
    [
      [Word.dst, dst],
      [Word.dstStride, dstStride],
      [Word.a, ref(a)],
      [Word.aStride, a.stride],
      [Word.width, width],
      [ExpertSumSquaresWord.counts, count],
      [ExpertSumSquaresWord.ids, idsRef],
      [ExpertSumSquaresWord.idsStride, stride],
      [ExpertSumSquaresWord.nUsed, nUsed],
      [ExpertSumSquaresWord.perSlot, a.width === width ? 0 : 1],
    ],
    [ref(a), idsRef, dst],
    [dst],
  );
}

/** Sums f32 [nMatrices, width] with rows of dstStride bytes, then counts u32 [nMatrices]. */
function calibrated(
  r: RecordingContext,
  name: string,
  width: number,
  nMatrices: number,
): { dst: Ref; count: Ref; dstStride: number } {
  const dstStride = align(width * 4, 64),
    offset = nMatrices * dstStride;
  const state = r.placedState(`${CALIBRATION}${name}`, offset + align(nMatrices * 4, 64), 0);
  r.calibrations.set(name, {
    state,
    width,
    nMatrices,
    rowBytes: dstStride,
    countsOffset: offset,
  });
  return {
    dst: { kind: "state", state, offset: 0 },
    count: { kind: "state", state, offset },
    dstStride,
  };
}
