// Mixtures of experts in the recorder (record.ts): a routing, the list of its (row, slot) pairs by expert, products with the
// experts' matrices and the sum of their results. matmulByRun uses the same machinery with a fixed routing.

import type { RouteParams, Routing, Rows, Tensor, Weight } from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import {
  BinaryKind,
  ExpertMatmulWord,
  ExpertRowWord,
  ExpertSortWord,
  ExpertSumWord,
  Gating,
  Limit,
  Op,
  PackRowsWord,
  RouteWord,
  Word,
} from "../memory/abi.generated.ts";
import type { Ref } from "./instruction.ts";
import { matmul } from "./record-matmul.ts";
import { runLength } from "./record-runs.ts";
import { Recorded, RecordedRouting, ref } from "./recorded.ts";
import { align, f32Bits, type RecordingContext, ROW_ROUND } from "./recording-context.ts";

function checkExpertCount(label: string, n: number): void {
  if (n > Limit.experts)
    throw new PlanError(`${label}: expected at most ${Limit.experts} experts, found ${n}`);
}

export function route(r: RecordingContext, x: Tensor, params: RouteParams): Routing {
  const a = x as Recorded,
    nExpert = a.width,
    { nUsed, selectionBias } = params;
  if (nUsed < 1 || nUsed > nExpert)
    throw new PlanError(`route: expected 1 to ${nExpert} experts per token, found ${nUsed}`);
  checkExpertCount("route", nExpert);
  const stride = align(nUsed, 4) * 4,
    bytes = align(r.maxRows(a.rows), ROW_ROUND) * stride;
  const ids = r.value("expert ids", a.rows, bytes, stride),
    weights = r.value("expert weights", a.rows, bytes, stride);
  const idsRef: Ref = { kind: "value", value: ids, offset: 0 },
    weightsRef: Ref = { kind: "value", value: weights, offset: 0 };
  r.emit(
    Op.route,
    "route",
    a.rows,
    [
      [Word.dst, idsRef],
      [Word.dstStride, stride],
      [Word.a, ref(a)],
      [Word.aStride, a.stride],
      [Word.width, nExpert],
      [RouteWord.nUsed, nUsed],
      [RouteWord.gating, Gating[params.gating]],
      [RouteWord.bias, selectionBias ? r.vector(selectionBias) : 0],
      [RouteWord.normalise, params.normalise ? 1 : 0],
      [RouteWord.scale, f32Bits(params.scale ?? 1)],
      [RouteWord.nGroup, params.nGroup ?? 0],
      [RouteWord.nGroupUsed, params.nGroupUsed ?? 0],
      [RouteWord.weights, weightsRef],
    ],
    [ref(a)],
    [idsRef, weightsRef],
  );
  return new RecordedRouting(a.rows, nUsed, nExpert, ids, weights, stride);
}

/** The (row, slot) pairs of a routing by expert, for tiles of `columns`. */
function sorted(
  r: RecordingContext,
  routing: RecordedRouting,
  columns: number,
): { list: Ref; maxTiles: number } {
  const key = `${routing.ids.id}:${columns}`,
    maxTiles = r.maxRows(routing.rows) * routing.nUsed;
  let value = r.sorts.get(key);
  if (!value) {
    value = r.value("expert list", routing.rows, 8 + maxTiles * 4 * (1 + columns));
    const dst: Ref = { kind: "value", value, offset: 0 },
      ids: Ref = { kind: "value", value: routing.ids, offset: 0 };
    r.emit(
      Op.expertSort,
      "expert list",
      routing.rows,
      [
        [Word.dst, dst],
        [Word.a, ids],
        [Word.aStride, routing.stride],
        [ExpertSortWord.nUsed, routing.nUsed],
        [ExpertSortWord.nExpert, routing.nExpert],
        [ExpertSortWord.tileColumns, columns],
        [ExpertSortWord.maxTiles, maxTiles],
      ],
      [ids],
      [dst],
    );
    r.sorts.set(key, value);
  }
  return { list: { kind: "value", value, offset: 0 }, maxTiles };
}

export function expertMatmul(
  r: RecordingContext,
  w: Weight,
  input: Tensor,
  routed: Routing,
): Tensor {
  const x = input as Recorded,
    routing = routed as RecordedRouting,
    { kernels } = r.options,
    { nUsed } = routing;
  const [k, m, n] = w.shape;
  if (n !== routing.nExpert)
    throw new PlanError(`${w.name}: expected ${routing.nExpert} experts, found ${n}`);
  checkExpertCount(w.name, n);
  if (x.width !== k && x.width !== k * nUsed)
    throw new PlanError(
      `${w.name}: expected an input of width ${k} or ${k * nUsed}, found ${x.width}`,
    );
  const perSlot = nUsed > 1 && x.width === k * nUsed;
  const placed = r.matrix(w),
    format = kernels.packFormat(placed.type),
    columns = kernels.tileColumns(format);
  const tile1 = kernels.packTileBytes(format, 1, k),
    tile = kernels.packTileBytes(format, columns, k);
  const { list, maxTiles } = sorted(r, routing, columns);
  const key = `experts ${x.value.id}:${x.offset}:${routing.ids.id}:${format}`;
  let packedValue = r.packs.get(key);
  if (!packedValue) {
    const wide = Math.min(maxTiles, n + Math.ceil(maxTiles / columns));
    packedValue = r.value(
      `packed ${x.value.name}`,
      x.rows,
      Math.max(maxTiles * tile1, wide * tile),
    );
    const dst: Ref = { kind: "value", value: packedValue, offset: 0 };
    r.emit(
      Op.packRows,
      `pack ${x.value.name}`,
      x.rows,
      [
        [Word.dst, dst],
        [Word.a, ref(x)],
        [Word.aStride, x.stride],
        [Word.width, k],
        [PackRowsWord.format, format],
        [PackRowsWord.tileBytes1, tile1],
        [PackRowsWord.tileBytes, tile],
        [PackRowsWord.list, list],
        [PackRowsWord.maxTiles, maxTiles],
        [PackRowsWord.nUsed, nUsed],
        [PackRowsWord.perSlot, perSlot ? 1 : 0],
      ],
      [ref(x), list],
      [dst],
    );
    r.packs.set(key, packedValue);
  }
  const a: Ref = { kind: "value", value: packedValue, offset: 0 };
  const dst = r.tensor(w.name, x.rows, nUsed * m);
  r.emit(
    Op.expertMatmul,
    w.name,
    x.rows,
    [
      [Word.dst, ref(dst)],
      [Word.dstStride, dst.stride],
      [Word.a, a],
      [Word.width, k],
      [ExpertMatmulWord.type, placed.type],
      [ExpertMatmulWord.weight, { kind: "weight", weight: placed }],
      [ExpertMatmulWord.groupBytes, placed.groupBytes],
      [ExpertMatmulWord.nGroups, Math.ceil(m / 4)],
      [ExpertMatmulWord.missing, Math.ceil(m / 4) * 4 - m],
      [ExpertMatmulWord.tileBytes1, tile1],
      [ExpertMatmulWord.tileBytes, tile],
      [ExpertMatmulWord.list, list],
      [ExpertMatmulWord.maxTiles, maxTiles],
      [ExpertMatmulWord.nUsed, nUsed],
      [ExpertMatmulWord.expertBytes, placed.expertBytes],
    ],
    [a, list],
    [ref(dst)],
  );
  return dst;
}

export function expertSum(r: RecordingContext, input: Tensor, routed: Routing): Tensor {
  const x = input as Recorded,
    routing = routed as RecordedRouting,
    width = x.width / routing.nUsed;
  const dst = r.tensor("expert sum", x.rows, width);
  const weights: Ref = { kind: "value", value: routing.weights, offset: 0 };
  r.emit(
    Op.expertSum,
    "expert sum",
    x.rows,
    [
      ...r.common(dst, x),
      [ExpertSumWord.weights, weights],
      [ExpertSumWord.weightsStride, routing.stride],
      [ExpertSumWord.nUsed, routing.nUsed],
    ],
    [ref(x), weights],
    [ref(dst)],
  );
  return dst;
}

function expertRow(
  r: RecordingContext,
  kind: BinaryKind,
  input: Tensor,
  w: Weight,
  bWidth: number,
  routed: Routing,
): Tensor {
  const x = input as Recorded,
    routing = routed as RecordedRouting,
    n = w.shape.reduce((a, b) => a * b, 1);
  const slotWidth = runLength(w.name, x, routing.nUsed);
  if (n !== bWidth * routing.nExpert || (bWidth !== 1 && bWidth !== slotWidth)) {
    throw new PlanError(
      `${w.name}: expected ${bWidth} elements for each of ${routing.nExpert} experts, found ${n}`,
    );
  }
  const dst = r.tensor(w.name, x.rows, x.width),
    ids: Ref = { kind: "value", value: routing.ids, offset: 0 };
  r.emit(
    Op.expertRow,
    w.name,
    x.rows,
    [
      ...r.common(dst, x),
      [ExpertRowWord.kind, kind],
      [ExpertRowWord.b, r.vector(w)],
      [ExpertRowWord.bWidth, bWidth],
      [ExpertRowWord.slotWidth, slotWidth],
      [ExpertRowWord.ids, ids],
      [ExpertRowWord.idsStride, routing.stride],
    ],
    [ref(x), ids],
    [ref(dst)],
  );
  return dst;
}

export function expertAdd(r: RecordingContext, x: Tensor, w: Weight, routing: Routing): Tensor {
  return expertRow(r, BinaryKind.add, x, w, x.width / routing.nUsed, routing);
}

export function expertScale(r: RecordingContext, x: Tensor, w: Weight, routing: Routing): Tensor {
  return expertRow(r, BinaryKind.mul, x, w, 1, routing);
}

export function routingWeights(routing: Routing): Tensor {
  const { weights, rows, nUsed, stride } = routing as RecordedRouting;
  return new Recorded(weights, rows, nUsed, stride);
}

export function matmulByRun(r: RecordingContext, w: Weight, input: Tensor): Tensor {
  const x = input as Recorded,
    [k, , n = 1] = w.shape;
  if (x.width !== n * k)
    throw new PlanError(`${w.name}: expected an input of width ${n} * ${k}, found ${x.width}`);
  return n === 1 ? matmul(r, w, x) : expertMatmul(r, w, x, throughAll(r, x.rows, n));
}

/** Slot i of every row belongs to matrix i: the experts' machinery then multiplies runs by matrices of their own. */
function throughAll(r: RecordingContext, rows: Rows, n: number): RecordedRouting {
  const key = `${rows}:${n}`,
    stride = align(n, 4) * 4;
  let routing = r.allOf.get(key);
  if (!routing) {
    const ids = r.value("run ids", rows, align(r.maxRows(rows), ROW_ROUND) * stride, stride);
    const dst: Ref = { kind: "value", value: ids, offset: 0 };
    r.emit(
      Op.eachExpert,
      "run ids",
      rows,
      [
        [Word.dst, dst],
        [Word.dstStride, stride],
        [Word.width, n],
      ],
      [],
      [dst],
    );
    r.allOf.set(key, (routing = new RecordedRouting(rows, n, n, ids, ids, stride)));
  }
  return routing;
}
