// Records one call of an architecture's `forward` as a list of instructions. The recorder implements the op
// vocabulary (models/ops.ts): every method checks shapes, lowers the op (a matmul becomes a packing of its input,
// shared by all that read it, and a product) and notes what is read and written. Addresses come later. The methods
// are in the files of their family (record-*.ts), what they note in recording-context.ts.

import type {
  Activation,
  AttentionParams,
  GatedDeltaParams,
  KvCache,
  KvShape,
  NormParams,
  Ops,
  RopeParams,
  RouteParams,
  Routing,
  SsmScanParams,
  State,
  TemperatureParams,
  Tensor,
  Weight,
  Wkv7Params,
} from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import type { Recording } from "./instruction.ts";
import type { Recorded } from "./recorded.ts";
import * as adapters from "./record-adapters.ts";
import * as attention from "./record-attention.ts";
import * as calibration from "./record-calibration.ts";
import * as elementwise from "./record-elementwise.ts";
import * as experts from "./record-experts.ts";
import * as products from "./record-matmul.ts";
import * as recurrent from "./record-recurrent.ts";
import * as rowOps from "./record-rows.ts";
import * as runs from "./record-runs.ts";
import * as states from "./record-state.ts";
import { RecordingContext, type RecordOptions } from "./recording-context.ts";

export type { FileTensor, RecordOptions } from "./recording-context.ts";
export { f32Bits } from "./recording-context.ts";

export class Recorder implements Ops {
  private readonly context: RecordingContext;
  private readonly lowering: recurrent.Lowering;

  constructor(options: RecordOptions) {
    this.context = new RecordingContext(options);
    this.lowering = states.recurrentLowering(this.context);
  }

  /** The finished recording. Call once, after forward. */
  finish(): Recording {
    if (!this.context.result || !this.context.nanFlag) {
      throw new PlanError(
        "plan: expected forward to end with ops.logits or ops.embedding, found neither; add it to the architecture",
      );
    }
    const taps = new Map(
      [...this.context.taps].map(([name, t]) => [
        name,
        { value: t.value, offset: t.offset, rows: t.rows, width: t.width, stride: t.stride },
      ]),
    );
    return {
      instrs: this.context.instrs.map((instr, i) => ({
        ...instr,
        encoder: i < this.context.encoderInstrs,
      })),
      weights: [...this.context.placed.values()],
      caches: [...this.context.caches.values()].map((c) => c.placed),
      states: [...this.context.states.values()],
      calibrations: this.context.calibrations,
      taps,
      nanFlag: this.context.nanFlag,
      result: this.context.result,
    };
  }

  // ---- weights

  weight(name: string, shape: readonly number[]): Weight {
    return this.context.weight(name, shape);
  }

  optionalWeight(name: string, shape: readonly number[]): Weight | undefined {
    return this.context.optionalWeight(name, shape);
  }

  weightPart(w: Weight, start: number, width: number): Weight {
    return this.context.weightPart(w, start, width);
  }

  // ---- embedding and products

  embed(w: Weight): Tensor {
    return products.embed(this.context, w);
  }

  embedAt(w: Weight, index: "position" | "zero" | "tokenOrZero"): Tensor {
    return products.embedAt(this.context, w, index);
  }

  matmul(w: Weight, input: Tensor): Tensor {
    return products.matmul(this.context, w, input);
  }

  // ---- elementwise

  add(a: Tensor, b: Tensor): Tensor {
    return elementwise.add(this.context, a, b);
  }

  sub(a: Tensor, b: Tensor): Tensor {
    return elementwise.sub(this.context, a, b);
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return elementwise.mul(this.context, a, b);
  }

  addWeight(x: Tensor, w: Weight): Tensor {
    return elementwise.addWeight(this.context, x, w);
  }

  mulWeight(x: Tensor, w: Weight): Tensor {
    return elementwise.mulWeight(this.context, x, w);
  }

  scale(x: Tensor, factor: number): Tensor {
    return elementwise.scale(this.context, x, factor);
  }

  clamp(x: Tensor, limit: number): Tensor {
    return elementwise.clamp(this.context, x, limit);
  }

  softcap(x: Tensor, cap: number): Tensor {
    return elementwise.softcap(this.context, x, cap);
  }

  activation(kind: Activation, x: Tensor): Tensor {
    return elementwise.activation(this.context, kind, x);
  }

  gated(kind: Activation, gate: Tensor, up: Tensor): Tensor {
    return elementwise.gated(this.context, kind, gate, up);
  }

  clampedGate(gate: Tensor, up: Tensor, limit: number): Tensor {
    return elementwise.clampedGate(this.context, gate, up, limit);
  }

  gaussianTopK(x: Tensor, multiplier: number): Tensor {
    return elementwise.gaussianTopK(this.context, x, multiplier);
  }

  softmax(x: Tensor, group?: number): Tensor {
    return elementwise.softmax(this.context, x, group);
  }

  rmsNorm(x: Tensor, params: NormParams): Tensor {
    return elementwise.rmsNorm(this.context, x, params);
  }

  layerNorm(x: Tensor, params: NormParams): Tensor {
    return elementwise.layerNorm(this.context, x, params);
  }

  l2Norm(x: Tensor, params: NormParams): Tensor {
    return elementwise.l2Norm(this.context, x, params);
  }

  // ---- runs of a row

  slice(x: Tensor, start: number, width: number): Tensor {
    return runs.slice(this.context, x, start, width);
  }

  sliceRuns(x: Tensor, n: number, start: number, width: number): Tensor {
    return runs.sliceRuns(this.context, x, n, start, width);
  }

  repeat(x: Tensor, n: number): Tensor {
    return runs.repeat(this.context, x, n);
  }

  concat(parts: readonly Tensor[], n?: number): Tensor {
    return runs.concat(this.context, parts, n);
  }

  scaleRuns(x: Tensor, factors: Tensor): Tensor {
    return runs.scaleRuns(this.context, x, factors);
  }

  weightedSum(x: Tensor, weights: Tensor): Tensor {
    return runs.weightedSum(this.context, x, weights);
  }

  magnitude(x: Tensor, n?: number): Tensor {
    return runs.magnitude(this.context, x, n);
  }

  groupSum(x: Tensor, group: number): Tensor {
    return runs.groupSum(this.context, x, group);
  }

  // ---- position and attention

  temperature(params: TemperatureParams): Tensor {
    return attention.temperature(this.context, params);
  }

  rope(x: Tensor, params: RopeParams): Tensor {
    return attention.rope(this.context, x, params);
  }

  kvStore(layer: number, k: Tensor, v: Tensor, shape: KvShape): KvCache {
    return attention.kvStore(this.context, layer, k, v, shape);
  }

  attention(q: Tensor, params: AttentionParams): Tensor {
    return attention.attention(this.context, q, params);
  }

  // ---- experts

  route(x: Tensor, params: RouteParams): Routing {
    return experts.route(this.context, x, params);
  }

  expertMatmul(w: Weight, input: Tensor, routed: Routing): Tensor {
    return experts.expertMatmul(this.context, w, input, routed);
  }

  expertSum(input: Tensor, routed: Routing): Tensor {
    return experts.expertSum(this.context, input, routed);
  }

  expertAdd(x: Tensor, w: Weight, routing: Routing): Tensor {
    return experts.expertAdd(this.context, x, w, routing);
  }

  expertScale(x: Tensor, w: Weight, routing: Routing): Tensor {
    return experts.expertScale(this.context, x, w, routing);
  }

  routingWeights(routing: Routing): Tensor {
    return experts.routingWeights(routing);
  }

  matmulByRun(w: Weight, input: Tensor): Tensor {
    return experts.matmulByRun(this.context, w, input);
  }

  // ---- rows

  outputRows(x: Tensor): Tensor {
    return rowOps.outputRows(this.context, x);
  }

  gather(x: Tensor, index: string, rows: number): Tensor {
    return rowOps.gather(this.context, x, index, rows);
  }

  scatter(base: Tensor, x: Tensor, index: string): Tensor {
    return rowOps.scatter(this.context, base, x, index);
  }

  // ---- observation and change

  tap(x: Tensor, name: string): Tensor {
    return calibration.tap(this.context, x, name);
  }

  sumSquaresByColumn(x: Tensor, name: string, routing?: Routing): void {
    calibration.sumSquaresByColumn(this.context, x, name, routing);
  }

  addLowRank(y: Tensor, x: Tensor, target: string): Tensor {
    return adapters.addLowRank(this.context, y, x, target);
  }

  addVector(x: Tensor, layer: number): Tensor {
    return adapters.addVector(this.context, x, layer);
  }

  // ---- sequence state

  state(name: string, width: number): State {
    return states.state(this.context, name, width);
  }

  readState(state: State): Tensor {
    return states.readState(this.context, state);
  }

  writeState(state: State, x: Tensor): void {
    states.writeState(this.context, state, x);
  }

  tokenShift(x: Tensor, name: string): Tensor {
    return recurrent.tokenShift(this.lowering, x as Recorded, name);
  }

  shortConv(x: Tensor, w: Weight, name: string): Tensor {
    return recurrent.shortConv(this.lowering, x as Recorded, w, name);
  }

  ssmScan(x: Tensor, params: SsmScanParams): Tensor {
    return recurrent.ssmScan(this.lowering, x as Recorded, params);
  }

  wkv7(params: Wkv7Params): Tensor {
    return recurrent.wkv7(this.lowering, params);
  }

  gatedDelta(params: GatedDeltaParams): Tensor {
    return recurrent.gatedDelta(this.lowering, params);
  }

  // ---- the end

  endEncoder(): void {
    rowOps.endEncoder(this.context);
  }

  logits(x: Tensor): void {
    rowOps.logits(this.context, x);
  }

  pool(x: Tensor, kind: "mean" | "cls" | "last"): Tensor {
    return rowOps.pool(this.context, x, kind);
  }

  embedding(x: Tensor): void {
    rowOps.embedding(this.context, x);
  }
}
