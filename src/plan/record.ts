// Records one call of an architecture's `forward` as a list of instructions. The recorder implements the op
// vocabulary (models/ops.ts): every method checks shapes, lowers the op (a matmul becomes a packing of its input,
// shared by all that read it, and a product) and notes what is read and written. Addresses come later.

import type {
  Activation,
  AttentionParams,
  GatedDeltaParams,
  KvCache,
  NormParams,
  Ops,
  RopeParams,
  RouteParams,
  Routing,
  Rows,
  SsmScanParams,
  State,
  TemperatureParams,
  Tensor,
  Weight,
  Wkv7Params,
} from "../../models/ops.ts";
import { checkWeight } from "../../models/errors.ts";
import { PlanError } from "../errors.ts";
import {
  BinaryKind,
  BinaryWord,
  EmbedIndex,
  EmbedWord,
  ExpertMatmulWord,
  ExpertSortWord,
  ExpertSumSquaresWord,
  ExpertSumWord,
  GatedWord,
  GatherWord,
  Gating,
  GroupSumWord,
  MulGroupsWord,
  PoolKind,
  PoolWord,
  SliceGroupsWord,
  KvStoreWord,
  LowRankWord,
  MatmulWord,
  NormKind,
  NormWord,
  Op,
  PackRowsWord,
  PackWord,
  RopeMode,
  RopeTableWord,
  RopeWord,
  RouteWord,
  StateWord,
  SumSquaresWord,
  UnaryKind,
  UnaryWord,
  Word,
  AttentionWord,
  Kv,
  ClampedGateWord,
  CopyRunsWord,
  ExpertRowWord,
  GaussianTopKWord,
  MagnitudeWord,
  ScaleRunsWord,
  TemperatureWord,
} from "../memory/abi.generated.ts";
import type { KernelExports } from "../kernels/exports.ts";
import type { PlacedCache, PlacedState, PlacedWeight } from "../memory/placed.ts";
import type { CalibrationPlace, Instr, Recording, Ref, Value } from "./instruction.ts";
import * as recurrent from "./record-recurrent.ts";
import { Recorded, ref } from "./recorded.ts";
import { alibiSlopes, relativeBuckets, yarnCorrection, yarnMagnitude } from "./rope-constants.ts";

/** A tensor as the file has it. */
export interface FileTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly typeName: string;
  /** Where its bytes begin, for messages. */
  readonly offset: number;
}

export interface RecordOptions {
  readonly kernels: KernelExports;
  readonly tensor: (name: string) => FileTensor | undefined;
  /** `f32`: every matrix is dequantised at load. */
  readonly weights: "compact" | "f32";
  readonly kType: number;
  readonly vType: number;
  /** Most tokens, outputs and sequences of one run. */
  readonly nBatch: number;
  readonly nOutputs: number;
  readonly nSequences: number;
  /** Positions the cache can hold per sequence. */
  readonly nCtx: number;
  /** Decides how much memory is set aside to split long attention; never a bit. */
  readonly nThreads: number;
  /** Also accumulate sums of squares of every product's input. */
  readonly calibrate?: boolean;
  /** Names of tapped tensors that must stay readable after the run. */
  readonly keepTaps?: ReadonlySet<string>;
  /** Low-rank pairs by target tensor, in adapter-slot order: plain f32 [rank, K] and [M, rank]. */
  readonly adapters?: ReadonlyMap<
    string,
    readonly { down: Float32Array; up: Float32Array; rank: number; scale: number }[]
  >;
  /** Control vectors by layer, f32 [nEmbd]. */
  readonly controlVectors?: ReadonlyMap<number, Float32Array>;
}

const F32 = 0;
/** Begins the names of states that hold sums of squares. */
const CALIBRATION = "sums:";

/** Elements of a weight from `start` on. */
class WeightPart implements Weight {
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
class RecordedRouting implements Routing {
  constructor(
    readonly rows: Rows,
    readonly nUsed: number,
    readonly nExpert: number,
    readonly ids: Value,
    readonly weights: Value,
    readonly stride: number,
  ) {}
}
class RecordedCache implements KvCache {
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
}

const align = (n: number, to: number) => Math.ceil(n / to) * to;
/** Rows of a buffer are rounded up, so that kernels may write whole tiles (assembly/matmul). */
const ROW_ROUND = 8;

const bits = new DataView(new ArrayBuffer(4));
/** The u32 that holds the f32 nearest to x. */
export function f32Bits(x: number): number {
  bits.setFloat32(0, x);
  return bits.getUint32(0);
}

export class Recorder implements Ops {
  private readonly instrs: Instr[] = [];
  private readonly placed = new Map<string, PlacedWeight>();
  private readonly caches = new Map<number, RecordedCache>();
  private readonly states = new Map<string, PlacedState>();
  private readonly packs = new Map<string, Value>();
  private readonly sorts = new Map<string, Value>();
  private readonly ropeTables = new Map<string, Recorded>();
  /** Routings of every row through all of n matrices, by kind of rows and n. */
  private readonly allOf = new Map<string, RecordedRouting>();
  private readonly taps = new Map<string, Recorded>();
  private readonly calibrations = new Map<string, CalibrationPlace>();
  private result: Recorded | undefined;
  private nanFlag: Value | undefined;
  private nValues = 0;
  private head = false;
  /** Values below this id belong to the encoder; instructions below the other number too. */
  private encoderValues = 0;
  private encoderInstrs = 0;

  constructor(private readonly options: RecordOptions) {}

  /** The finished recording. Call once, after forward. */
  finish(): Recording {
    if (!this.result || !this.nanFlag) {
      throw new PlanError(
        "plan: expected forward to end with ops.logits or ops.embedding, found neither; add it to the architecture",
      );
    }
    const taps = new Map(
      [...this.taps].map(([name, t]) => [
        name,
        { value: t.value, offset: t.offset, rows: t.rows, width: t.width, stride: t.stride },
      ]),
    );
    return {
      instrs: this.instrs.map((instr, i) => ({ ...instr, encoder: i < this.encoderInstrs })),
      weights: [...this.placed.values()],
      caches: [...this.caches.values()].map((c) => c.placed),
      states: [...this.states.values()],
      calibrations: this.calibrations,
      taps,
      nanFlag: this.nanFlag,
      result: this.result,
    };
  }

  // ---- weights

  weight(name: string, shape: readonly number[]): Weight {
    checkWeight(name, shape, this.options.tensor(name));
    return { name, shape };
  }

  optionalWeight(name: string, shape: readonly number[]): Weight | undefined {
    return this.options.tensor(name) ? this.weight(name, shape) : undefined;
  }

  weightPart(w: Weight, start: number, width: number): Weight {
    const n = w.shape.reduce((a, b) => a * b, 1);
    if (start < 0 || start + width > n)
      throw new PlanError(
        `${w.name}: expected a part inside ${n} elements, found [${start}, ${start + width})`,
      );
    return new WeightPart(w, start, width);
  }

  private matrix(weight: Weight): PlacedWeight {
    const file = this.options.tensor(weight.name)!;
    const { kernels } = this.options;
    const type = this.options.weights === "f32" ? F32 : file.type;
    if (!kernels.isSupported(file.type)) {
      throw new PlanError(
        `${weight.name}: expected a tensor type that the kernels multiply, found ${file.typeName}; ` +
          "requantise the model to another type",
      );
    }
    const [k, m = 1, n = 1] = weight.shape;
    return this.place(weight.name, "matrix", () => {
      const groupBytes = kernels.groupBytes(type, k) >>> 0;
      const expertBytes = groupBytes * Math.ceil(m / 4);
      return {
        name: weight.name,
        shape: [k, m, n],
        layout: "matrix",
        type,
        groupBytes,
        expertBytes,
        bytes: expertBytes * n,
      };
    });
  }

  private vector(weight: Weight): Ref {
    if (weight instanceof WeightPart) {
      const whole = this.vector(weight.whole) as Ref & { kind: "weight" };
      return { ...whole, offset: weight.start * 4 };
    }
    const n = weight.shape.reduce((a, b) => a * b, 1);
    const placed = this.place(weight.name, "vector", () => ({
      name: weight.name,
      shape: [n],
      layout: "vector",
      type: F32,
      groupBytes: 0,
      expertBytes: 0,
      bytes: n * 4,
    }));
    return { kind: "weight", weight: placed };
  }

  private constant(name: string, data: Float32Array): Ref {
    const placed = this.place(`constant:${name}`, "vector", () => ({
      name: `constant:${name}`,
      shape: [data.length],
      layout: "vector",
      type: F32,
      groupBytes: 0,
      expertBytes: 0,
      bytes: data.byteLength,
      constant: data,
    }));
    return { kind: "weight", weight: placed };
  }

  private place(name: string, layout: string, make: () => PlacedWeight): PlacedWeight {
    const key = `${layout}:${name}`;
    let placed = this.placed.get(key);
    if (!placed) this.placed.set(key, (placed = make()));
    return placed;
  }

  // ---- values

  private maxRows(rows: Rows): number {
    const { nBatch, nOutputs, nSequences } = this.options;
    return rows === "tokens"
      ? nBatch
      : rows === "outputs"
        ? nOutputs
        : rows === "sequences"
          ? nSequences
          : rows;
  }

  private value(name: string, rows: Rows, bytes: number, rowBytes = 0): Value {
    return {
      id: this.nValues++,
      name,
      rows,
      bytes: align(bytes, 64),
      rowBytes,
      keep: false,
      hostWritten: false,
    };
  }

  private tensor(name: string, rows: Rows, width: number): Recorded {
    const stride = align(width, 4) * 4;
    return new Recorded(
      this.value(name, rows, align(this.maxRows(rows), ROW_ROUND) * stride, stride),
      rows,
      width,
      stride,
    );
  }

  private emit(
    op: Op,
    label: string,
    rows: Rows,
    words: [number, number | Ref][],
    reads: (Ref | undefined)[],
    writes: Ref[],
  ): void {
    const present = reads.filter((r) => r !== undefined);
    for (const r of present) {
      if (r.kind === "value" && r.value.id < this.encoderValues)
        throw new PlanError(`${label}: expected values of the decoder, found one of the encoder`);
    }
    this.instrs.push({
      op,
      label,
      rows,
      words: new Map(words),
      reads: present,
      writes,
      head: this.head,
      encoder: false,
    });
  }

  /** Words every f32 op has: dst, a, width. */
  private common(dst: Recorded, a: Recorded, width = dst.width): [number, number | Ref][] {
    return [
      [Word.dst, ref(dst)],
      [Word.dstStride, dst.stride],
      [Word.a, ref(a)],
      [Word.aStride, a.stride],
      [Word.width, width],
    ];
  }

  private sameShape(op: string, a: Recorded, b: Recorded): void {
    if (a.rows !== b.rows || a.width !== b.width) {
      throw new PlanError(
        `${op}: expected two tensors of one shape, found [${a.rows}, ${a.width}] and [${b.rows}, ${b.width}]`,
      );
    }
  }

  // ---- embedding and products

  embed(w: Weight): Tensor {
    return this.embedBy(w, EmbedIndex.token);
  }

  embedAt(w: Weight, index: "position" | "zero" | "tokenOrZero"): Tensor {
    return this.embedBy(w, EmbedIndex[index]);
  }

  private embedBy(w: Weight, index: EmbedIndex): Recorded {
    const placed = this.matrix(w);
    const dst = this.tensor(w.name, "tokens", w.shape[0]);
    this.emit(
      Op.embed,
      w.name,
      "tokens",
      [
        [Word.dst, ref(dst)],
        [Word.dstStride, dst.stride],
        [Word.width, dst.width],
        [EmbedWord.type, placed.type],
        [EmbedWord.groupBytes, placed.groupBytes],
        [EmbedWord.index, index],
        [EmbedWord.nRows, w.shape[1] ?? 1],
        [EmbedWord.weight, { kind: "weight", weight: placed }],
      ],
      [],
      [ref(dst)],
    );
    return dst;
  }

  /** x packed for products with weights of `type`; one packing per activation format. */
  private packed(x: Recorded, type: number, k: number): { value: Value; format: number } {
    const { kernels } = this.options;
    const format = kernels.packFormat(type);
    const key = `${x.value.id}:${x.offset}:${x.width}:${format}`;
    let value = this.packs.get(key);
    if (!value) {
      const columns = kernels.tileColumns(format);
      const tile1 = kernels.packTileBytes(format, 1, k),
        tile = kernels.packTileBytes(format, columns, k);
      const bytes = Math.max(tile1, Math.ceil(this.maxRows(x.rows) / columns) * tile);
      value = this.value(`packed ${x.value.name}`, x.rows, bytes);
      const dst: Ref = { kind: "value", value, offset: 0 };
      this.emit(
        Op.pack,
        `pack ${x.value.name}`,
        x.rows,
        [
          [Word.dst, dst],
          [Word.a, ref(x)],
          [Word.aStride, x.stride],
          [Word.width, k],
          [PackWord.format, format],
          [PackWord.tileBytes1, tile1],
          [PackWord.tileBytes, tile],
          [PackWord.tileColumns, columns],
        ],
        [ref(x)],
        [dst],
      );
      this.packs.set(key, value);
    }
    return { value, format };
  }

  matmul(w: Weight, input: Tensor): Tensor {
    const x = input as Recorded,
      { kernels } = this.options;
    const [k, m = 1] = w.shape;
    if (x.width !== k)
      throw new PlanError(`${w.name}: expected an input of width ${k}, found ${x.width}`);
    const placed = this.matrix(w);
    const { value, format } = this.packed(x, placed.type, k);
    const columns = kernels.tileColumns(format);
    const dst = this.tensor(w.name, x.rows, m);
    const a: Ref = { kind: "value", value, offset: 0 };
    this.emit(
      Op.matmul,
      w.name,
      x.rows,
      [
        [Word.dst, ref(dst)],
        [Word.dstStride, dst.stride],
        [Word.a, a],
        [Word.width, k],
        [MatmulWord.type, placed.type],
        [MatmulWord.weight, { kind: "weight", weight: placed }],
        [MatmulWord.groupBytes, placed.groupBytes],
        [MatmulWord.nGroups, Math.ceil(m / 4)],
        [MatmulWord.tileBytes1, kernels.packTileBytes(format, 1, k)],
        [MatmulWord.tileBytes, kernels.packTileBytes(format, columns, k)],
        [MatmulWord.tileColumns, columns],
      ],
      [a],
      [ref(dst)],
    );
    return dst;
  }

  // ---- elementwise

  private binary(
    kind: BinaryKind,
    label: string,
    a: Recorded,
    b: Ref,
    bStride: number,
    reads: Ref[],
  ): Recorded {
    const dst = this.tensor(label, a.rows, a.width);
    this.emit(
      Op.binary,
      label,
      a.rows,
      [
        ...this.common(dst, a),
        [BinaryWord.kind, kind],
        [BinaryWord.b, b],
        [BinaryWord.bStride, bStride],
      ],
      [ref(a), ...reads],
      [ref(dst)],
    );
    return dst;
  }

  add(a: Tensor, b: Tensor): Tensor {
    return this.binaryOf("add", BinaryKind.add, a, b);
  }

  sub(a: Tensor, b: Tensor): Tensor {
    return this.binaryOf("sub", BinaryKind.sub, a, b);
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return this.binaryOf("mul", BinaryKind.mul, a, b);
  }

  private binaryOf(name: string, kind: BinaryKind, a: Tensor, b: Tensor): Tensor {
    const x = a as Recorded,
      y = b as Recorded;
    this.sameShape(name, x, y);
    return this.binary(kind, name, x, ref(y), y.stride, [ref(y)]);
  }

  addWeight(x: Tensor, w: Weight): Tensor {
    return this.weighted(BinaryKind.add, x as Recorded, w);
  }

  mulWeight(x: Tensor, w: Weight): Tensor {
    const isScalar = w.shape.every((n) => n === 1);
    if (isScalar) return this.unary(UnaryKind.scaleBy, w.name, x as Recorded, this.vector(w));
    return this.weighted(BinaryKind.mul, x as Recorded, w);
  }

  private weighted(kind: BinaryKind, x: Recorded, w: Weight): Tensor {
    const n = w.shape.reduce((a, b) => a * b, 1);
    if (n !== x.width) throw new PlanError(`${w.name}: expected ${x.width} elements, found ${n}`);
    return this.binary(kind, w.name, x, this.vector(w), 0, []);
  }

  private unary(kind: UnaryKind, label: string, x: Recorded, param: number | Ref = 0): Recorded {
    const dst = this.tensor(label, x.rows, x.width);
    this.emit(
      Op.unary,
      label,
      x.rows,
      [
        ...this.common(dst, x),
        [UnaryWord.kind, kind],
        [UnaryWord.param, typeof param === "number" ? f32Bits(param) : param],
      ],
      [ref(x)],
      [ref(dst)],
    );
    return dst;
  }

  scale(x: Tensor, factor: number): Tensor {
    return this.unary(UnaryKind.scale, "scale", x as Recorded, factor);
  }

  clamp(x: Tensor, limit: number): Tensor {
    return this.unary(UnaryKind.clamp, "clamp", x as Recorded, limit);
  }

  softcap(x: Tensor, cap: number): Tensor {
    return this.unary(UnaryKind.softcap, "softcap", x as Recorded, cap);
  }

  activation(kind: Activation, x: Tensor): Tensor {
    return this.unary(UnaryKind[kind], kind, x as Recorded);
  }

  gated(kind: Activation, gate: Tensor, up: Tensor): Tensor {
    const a = gate as Recorded,
      b = up as Recorded;
    this.sameShape("gated", a, b);
    const dst = this.tensor(kind, a.rows, a.width);
    this.emit(
      Op.gated,
      `gated ${kind}`,
      a.rows,
      [
        ...this.common(dst, a),
        [GatedWord.kind, UnaryKind[kind]],
        [GatedWord.b, ref(b)],
        [GatedWord.bStride, b.stride],
      ],
      [ref(a), ref(b)],
      [ref(dst)],
    );
    return dst;
  }

  clampedGate(gate: Tensor, up: Tensor, limit: number): Tensor {
    const a = gate as Recorded,
      b = up as Recorded;
    this.sameShape("clampedGate", a, b);
    const dst = this.tensor("clamped gate", a.rows, a.width);
    this.emit(
      Op.clampedGate,
      "clamped gate",
      a.rows,
      [
        ...this.common(dst, a),
        [ClampedGateWord.limit, f32Bits(limit)],
        [ClampedGateWord.b, ref(b)],
        [ClampedGateWord.bStride, b.stride],
      ],
      [ref(a), ref(b)],
      [ref(dst)],
    );
    return dst;
  }

  gaussianTopK(x: Tensor, multiplier: number): Tensor {
    const a = x as Recorded,
      dst = this.tensor("gaussian top k", a.rows, a.width);
    this.emit(
      Op.gaussianTopK,
      "gaussian top k",
      a.rows,
      [...this.common(dst, a), [GaussianTopKWord.multiplier, f32Bits(multiplier)]],
      [ref(a)],
      [ref(dst)],
    );
    return dst;
  }

  softmax(x: Tensor, group?: number): Tensor {
    const a = x as Recorded,
      dst = this.tensor("softmax", a.rows, a.width);
    this.emit(
      Op.softmax,
      "softmax",
      a.rows,
      [...this.common(dst, a), [NormWord.group, group ?? a.width]],
      [ref(a)],
      [ref(dst)],
    );
    return dst;
  }

  rmsNorm(x: Tensor, params: NormParams): Tensor {
    return this.norm(NormKind.rms, x as Recorded, params);
  }

  layerNorm(x: Tensor, params: NormParams): Tensor {
    return this.norm(NormKind.layer, x as Recorded, params);
  }

  l2Norm(x: Tensor, params: NormParams): Tensor {
    return this.norm(NormKind.l2, x as Recorded, params);
  }

  private norm(
    kind: NormKind,
    x: Recorded,
    { eps, weight, bias, group = x.width }: NormParams,
  ): Recorded {
    const label = weight?.name ?? "norm";
    if (x.width % group !== 0)
      throw new PlanError(
        `${label}: expected a width that is a multiple of ${group}, found ${x.width}`,
      );
    const weightWidth = weight ? weight.shape.reduce((a, b) => a * b, 1) : group;
    for (const w of [weight, bias]) {
      const n = w ? w.shape.reduce((a, b) => a * b, 1) : weightWidth;
      if (n !== weightWidth || (n !== group && n !== x.width)) {
        throw new PlanError(
          `${w?.name ?? label}: expected ${group} or ${x.width} elements, found ${n}`,
        );
      }
    }
    const dst = this.tensor(label, x.rows, x.width);
    this.emit(
      Op.norm,
      label,
      x.rows,
      [
        ...this.common(dst, x),
        [NormWord.kind, kind],
        [NormWord.weight, weight ? this.vector(weight) : 0],
        [NormWord.bias, bias ? this.vector(bias) : 0],
        [NormWord.eps, f32Bits(eps)],
        [NormWord.group, group],
        [NormWord.weightWidth, weightWidth],
      ],
      [ref(x)],
      [ref(dst)],
    );
    return dst;
  }

  slice(x: Tensor, start: number, width: number): Tensor {
    const a = x as Recorded;
    if (start % 4 !== 0 || start < 0 || start + width > a.width) {
      throw new PlanError(
        `slice: expected a start that is a multiple of 4 inside ${a.width} columns, found [${start}, ${start + width})`,
      );
    }
    return new Recorded(a.value, a.rows, width, a.stride, a.offset + start * 4);
  }

  // ---- runs of a row

  /** Length of each of n runs of x. */
  private runLength(op: string, x: Recorded, n: number): number {
    if (n < 1 || x.width % n !== 0)
      throw new PlanError(`${op}: expected a width that is a multiple of ${n}, found ${x.width}`);
    return x.width / n;
  }

  /** Copies n runs of `run` elements; steps and starts in elements. */
  private copyRuns(
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
    this.emit(
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

  sliceRuns(x: Tensor, n: number, start: number, width: number): Tensor {
    const a = x as Recorded,
      run = this.runLength("sliceRuns", a, n);
    if (start < 0 || width < 1 || start + width > run) {
      throw new PlanError(
        `sliceRuns: expected columns inside runs of ${run}, found [${start}, ${start + width})`,
      );
    }
    const dst = this.tensor(`slice ${a.value.name}`, a.rows, n * width);
    this.copyRuns(dst, 0, width, a, start, run, width, n);
    return dst;
  }

  repeat(x: Tensor, n: number): Tensor {
    const a = x as Recorded,
      dst = this.tensor(`repeat ${a.value.name}`, a.rows, n * a.width);
    this.copyRuns(dst, 0, a.width, a, 0, 0, a.width, n);
    return dst;
  }

  concat(parts: readonly Tensor[], n = 1): Tensor {
    const all = parts as readonly Recorded[],
      lengths = all.map((part) => this.runLength("concat", part, n));
    for (const part of all) {
      if (part.rows !== all[0].rows)
        throw new PlanError(
          `concat: expected parts with the same rows, found ${all[0].rows} and ${part.rows}`,
        );
    }
    const run = lengths.reduce((a, b) => a + b, 0),
      dst = this.tensor("concat", all[0].rows, n * run);
    let start = 0;
    all.forEach((part, i) => {
      this.copyRuns(dst, start, run, part, 0, lengths[i], lengths[i], n);
      start += lengths[i];
    });
    return dst;
  }

  scaleRuns(x: Tensor, factors: Tensor): Tensor {
    const a = x as Recorded,
      f = factors as Recorded,
      run = this.runLength("scaleRuns", a, f.width);
    if (a.rows !== f.rows)
      throw new PlanError(
        `scaleRuns: expected factors with the same rows, found ${a.rows} and ${f.rows}`,
      );
    const dst = this.tensor(`scaled ${a.value.name}`, a.rows, a.width);
    this.emit(
      Op.scaleRuns,
      "scale runs",
      a.rows,
      [
        ...this.common(dst, a),
        [ScaleRunsWord.run, run],
        [ScaleRunsWord.factors, ref(f)],
        [ScaleRunsWord.factorsStride, f.stride],
      ],
      [ref(a), ref(f)],
      [ref(dst)],
    );
    return dst;
  }

  weightedSum(x: Tensor, weights: Tensor): Tensor {
    const a = x as Recorded,
      w = weights as Recorded,
      run = this.runLength("weightedSum", a, w.width);
    if (a.rows !== w.rows)
      throw new PlanError(
        `weightedSum: expected weights with the same rows, found ${a.rows} and ${w.rows}`,
      );
    const dst = this.tensor("weighted sum", a.rows, run);
    this.emit(
      Op.expertSum,
      "weighted sum",
      a.rows,
      [
        ...this.common(dst, a),
        [ExpertSumWord.weights, ref(w)],
        [ExpertSumWord.weightsStride, w.stride],
        [ExpertSumWord.nUsed, w.width],
      ],
      [ref(a), ref(w)],
      [ref(dst)],
    );
    return dst;
  }

  magnitude(x: Tensor, n = 1): Tensor {
    const a = x as Recorded,
      run = this.runLength("magnitude", a, n),
      dst = this.tensor("magnitude", a.rows, n);
    this.emit(
      Op.magnitude,
      "magnitude",
      a.rows,
      [...this.common(dst, a), [MagnitudeWord.run, run]],
      [ref(a)],
      [ref(dst)],
    );
    return dst;
  }

  groupSum(x: Tensor, group: number): Tensor {
    const a = x as Recorded,
      dst = this.tensor("group sum", a.rows, this.groupsOf("groupSum", a, group));
    this.emit(
      Op.groupSum,
      "group sum",
      a.rows,
      [...this.common(dst, a), [GroupSumWord.group, group]],
      [ref(a)],
      [ref(dst)],
    );
    return dst;
  }

  mulGroups(x: Tensor, factors: Tensor): Tensor {
    const a = x as Recorded,
      b = factors as Recorded,
      dst = this.tensor("mul groups", a.rows, a.width),
      group = a.width / b.width;
    this.groupsOf("mulGroups", a, group);
    if (a.rows !== b.rows)
      throw new PlanError(
        `mulGroups: expected factors of the same rows, found ${a.rows} and ${b.rows}`,
      );
    this.emit(
      Op.mulGroups,
      "mul groups",
      a.rows,
      [
        ...this.common(dst, a),
        [MulGroupsWord.group, group],
        [MulGroupsWord.b, ref(b)],
        [MulGroupsWord.bStride, b.stride],
      ],
      [ref(a), ref(b)],
      [ref(dst)],
    );
    return dst;
  }

  sliceGroups(x: Tensor, group: number, start: number, width: number): Tensor {
    const a = x as Recorded,
      dst = this.tensor("slice groups", a.rows, this.groupsOf("sliceGroups", a, group) * width);
    if (start < 0 || start + width > group) {
      throw new PlanError(
        `sliceGroups: expected a part inside ${group} elements, found [${start}, ${start + width})`,
      );
    }
    this.emit(
      Op.sliceGroups,
      "slice groups",
      a.rows,
      [
        ...this.common(dst, a),
        [SliceGroupsWord.group, group],
        [SliceGroupsWord.start, start],
        [SliceGroupsWord.part, width],
      ],
      [ref(a)],
      [ref(dst)],
    );
    return dst;
  }

  private groupsOf(op: string, x: Recorded, group: number): number {
    if (!(Number.isInteger(group) && group > 0 && x.width % group === 0)) {
      throw new PlanError(
        `${op}: expected a width that is a multiple of ${group}, found ${x.width}`,
      );
    }
    return x.width / group;
  }

  // ---- position and attention

  temperature({ scale, floor, offset }: TemperatureParams): Tensor {
    const dst = this.tensor("temperature", "tokens", 1);
    this.emit(
      Op.temperature,
      "temperature",
      "tokens",
      [
        [Word.dst, ref(dst)],
        [Word.dstStride, dst.stride],
        [Word.width, 1],
        [TemperatureWord.scale, f32Bits(scale)],
        [TemperatureWord.floor, f32Bits(floor)],
        [TemperatureWord.offset, f32Bits(offset)],
      ],
      [],
      [ref(dst)],
    );
    return dst;
  }

  rope(x: Tensor, params: RopeParams): Tensor {
    const a = x as Recorded,
      { headDim, nRot } = params;
    if (a.width % headDim !== 0 || nRot > headDim || nRot % 2 !== 0) {
      throw new PlanError(
        `rope: expected heads of ${headDim} with an even number of rotated elements, found width ${a.width}, nRot ${nRot}`,
      );
    }
    const table = this.ropeTable(params),
      dst = this.tensor(`rope ${a.value.name}`, a.rows, a.width);
    this.emit(
      Op.rope,
      `rope ${a.value.name}`,
      a.rows,
      [
        ...this.common(dst, a),
        [RopeWord.headDim, headDim],
        [RopeWord.nRot, nRot],
        [RopeWord.mode, RopeMode[params.mode]],
        [RopeWord.table, ref(table)],
        [RopeWord.tableStride, table.stride],
      ],
      [ref(a), ref(table)],
      [ref(dst)],
    );
    return dst;
  }

  private ropeTable(params: RopeParams): Recorded {
    const { nRot, freqBase, freqScale, attnFactor, yarn, factors } = params;
    const key = JSON.stringify([nRot, freqBase, freqScale, attnFactor, yarn, factors?.name]);
    let table = this.ropeTables.get(key);
    if (!table) {
      const { kernels } = this.options;
      table = this.tensor("rope table", "tokens", nRot);
      const [low, high] = yarn ? yarnCorrection(kernels, nRot, freqBase, yarn) : [0, 0];
      let mscale = attnFactor;
      if (yarn && yarn.extFactor !== 0) {
        mscale *=
          yarnMagnitude(kernels, freqScale, yarn.logMultiplier) /
          yarnMagnitude(kernels, freqScale, yarn.logDivisor ?? 0);
      }
      const thetaScale = kernels.pow64(Math.fround(freqBase), Math.fround(-2 / nRot));
      this.emit(
        Op.ropeTable,
        "rope table",
        "tokens",
        [
          [Word.dst, ref(table)],
          [Word.dstStride, table.stride],
          [Word.width, nRot],
          [RopeTableWord.nRot, nRot],
          [RopeTableWord.thetaScale, f32Bits(thetaScale)],
          [RopeTableWord.freqScale, f32Bits(freqScale)],
          [RopeTableWord.extFactor, f32Bits(yarn?.extFactor ?? 0)],
          [RopeTableWord.mscale, f32Bits(mscale)],
          [RopeTableWord.corrLow, f32Bits(low)],
          [RopeTableWord.corrHigh, f32Bits(high)],
          [RopeTableWord.factors, factors ? this.vector(factors) : 0],
          [RopeTableWord.axis, 0],
        ],
        [],
        [ref(table)],
      );
      this.ropeTables.set(key, table);
    }
    return table;
  }

  kvStore(
    layer: number,
    k: Tensor,
    v: Tensor,
    shape: { nHeadKv: number; headDimK: number; headDimV: number },
  ): KvCache {
    const key = k as Recorded,
      value = v as Recorded,
      { nHeadKv, headDimK, headDimV } = shape;
    const { kType, vType } = this.options;
    if (this.head)
      throw new PlanError(
        `kvStore: expected it before ops.outputRows, found it after, in layer ${layer}; runs without outputs would leave it out`,
      );
    if (this.caches.has(layer))
      throw new PlanError(
        `kvStore: expected one cache per layer, found a second for layer ${layer}`,
      );
    if (key.width !== nHeadKv * headDimK || value.width !== nHeadKv * headDimV) {
      throw new PlanError(
        `kvStore: expected widths ${nHeadKv * headDimK} and ${nHeadKv * headDimV}, found ${key.width} and ${value.width}`,
      );
    }
    const placed: PlacedCache = {
      layer,
      ...shape,
      kPageBytes: nHeadKv * pageBytes(kType, headDimK, layer),
      vPageBytes: nHeadKv * pageBytes(vType, headDimV, layer),
    };
    const kRef: Ref = { kind: "cache", cache: placed, part: "k" },
      vRef: Ref = { kind: "cache", cache: placed, part: "v" };
    this.emit(
      Op.kvStore,
      `kv store ${layer}`,
      "tokens",
      [
        [Word.a, ref(key)],
        [Word.aStride, key.stride],
        [KvStoreWord.v, ref(value)],
        [KvStoreWord.vStride, value.stride],
        [KvStoreWord.nHeadKv, nHeadKv],
        [KvStoreWord.dimK, headDimK],
        [KvStoreWord.dimV, headDimV],
        [KvStoreWord.kBase, kRef],
        [KvStoreWord.vBase, vRef],
        [KvStoreWord.kType, kType],
        [KvStoreWord.vType, vType],
        [KvStoreWord.kPageBytes, placed.kPageBytes],
        [KvStoreWord.vPageBytes, placed.vPageBytes],
      ],
      [ref(key), ref(value)],
      [kRef, vRef],
    );
    const cache = new RecordedCache(placed);
    this.caches.set(layer, cache);
    return cache;
  }

  attention(q: Tensor, params: AttentionParams): Tensor {
    const a = q as Recorded;
    const {
      nHead,
      softcap = 0,
      window = 0,
      chunk = 0,
      alibiMaxBias,
      sinks,
      causal = true,
      yarnScale,
    } = params;
    const { cross = false, relativeBias } = params;
    const cache = (params.cache as RecordedCache).placed,
      { kernels, kType, vType } = this.options;
    if (a.width !== nHead * cache.headDimK || nHead % cache.nHeadKv !== 0) {
      throw new PlanError(
        `attention: expected ${nHead} heads of ${cache.headDimK} over ${cache.nHeadKv} kv heads, found width ${a.width}`,
      );
    }
    const stretch = yarnScale
      ? yarnMagnitude(kernels, yarnScale.freqScale, yarnScale.logMultiplier)
      : 1;
    const scale = params.scale * stretch * stretch;
    const dst = this.tensor(`attention ${cache.layer}`, a.rows, nHead * cache.headDimV);
    const kRef: Ref = { kind: "cache", cache, part: "k" },
      vRef: Ref = { kind: "cache", cache, part: "v" };
    const slopes = alibiMaxBias
      ? this.constant(`alibi ${nHead} ${alibiMaxBias}`, alibiSlopes(kernels, nHead, alibiMaxBias))
      : 0;
    this.emit(
      Op.attention,
      `attention ${cache.layer}`,
      a.rows,
      [
        ...this.common(dst, a),
        [AttentionWord.nHead, nHead],
        [AttentionWord.nHeadKv, cache.nHeadKv],
        [AttentionWord.dimK, cache.headDimK],
        [AttentionWord.dimV, cache.headDimV],
        [AttentionWord.kBase, kRef],
        [AttentionWord.vBase, vRef],
        [AttentionWord.kType, kType],
        [AttentionWord.vType, vType],
        [AttentionWord.kPageBytes, cache.kPageBytes],
        [AttentionWord.vPageBytes, cache.vPageBytes],
        [AttentionWord.scale, f32Bits(scale)],
        [AttentionWord.softcap, f32Bits(softcap)],
        [AttentionWord.window, window],
        [AttentionWord.slopes, slopes],
        [AttentionWord.sinks, sinks ? this.vector(sinks) : 0],
        [AttentionWord.causal, causal ? 1 : 0],
        [AttentionWord.chunk, chunk],
        [AttentionWord.cross, cross ? 1 : 0],
        ...this.relativeBias(relativeBias),
        ...this.partials(nHead, cache),
      ],
      [ref(a), kRef, vRef],
      [ref(dst)],
    );
    return dst;
  }

  private relativeBias(bias: AttentionParams["relativeBias"]): [number, number | Ref][] {
    if (!bias)
      return [
        [AttentionWord.relativeBias, 0],
        [AttentionWord.buckets, 0],
      ];
    const { weight, bidirectional } = bias,
      { kernels, nCtx } = this.options,
      [, nBuckets] = weight.shape;
    // keys are looked at four at a time: a few distances beyond the context
    const reach = nCtx + 16;
    const table = relativeBuckets(kernels, reach, nBuckets, bidirectional);
    const at = this.constant(`buckets ${nBuckets} ${bidirectional}`, table) as Ref & {
      kind: "weight";
    };
    return [
      [AttentionWord.relativeBias, this.vector(weight)],
      [AttentionWord.buckets, { ...at, offset: reach * 4 }],
    ];
  }

  /** Memory in which threads leave the chunks of a row that they share; needed while rows are fewer than threads can use. */
  private partials(nHead: number, cache: PlacedCache): [number, number | Ref][] {
    const { nCtx, nThreads } = this.options,
      maxChunks = Math.ceil(nCtx / Kv.chunkPositions);
    const rows = Math.floor((4 * nThreads - 1) / cache.nHeadKv);
    if (rows === 0 || nThreads === 1 || maxChunks === 1) return [[AttentionWord.partials, 0]];
    const bytes = rows * nHead * maxChunks * (cache.headDimV + 4) * 4;
    const name = `attention partials ${rows} ${nHead} ${cache.headDimV}`;
    const state = this.placedState(name, align(bytes, 64), 0, true);
    return [
      [AttentionWord.partials, { kind: "state", state, offset: 0 }],
      [AttentionWord.maxChunks, maxChunks],
      [AttentionWord.partialRows, rows],
    ];
  }

  // ---- experts

  route(x: Tensor, params: RouteParams): Routing {
    const a = x as Recorded,
      nExpert = a.width,
      { nUsed, selectionBias } = params;
    if (nUsed < 1 || nUsed > nExpert)
      throw new PlanError(`route: expected 1 to ${nExpert} experts per token, found ${nUsed}`);
    const stride = align(nUsed, 4) * 4,
      bytes = align(this.maxRows(a.rows), ROW_ROUND) * stride;
    const ids = this.value("expert ids", a.rows, bytes, stride),
      weights = this.value("expert weights", a.rows, bytes, stride);
    const idsRef: Ref = { kind: "value", value: ids, offset: 0 },
      weightsRef: Ref = { kind: "value", value: weights, offset: 0 };
    this.emit(
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
        [RouteWord.bias, selectionBias ? this.vector(selectionBias) : 0],
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
  private sorted(routing: RecordedRouting, columns: number): { list: Ref; maxTiles: number } {
    const key = `${routing.ids.id}:${columns}`,
      maxTiles = this.maxRows(routing.rows) * routing.nUsed;
    let value = this.sorts.get(key);
    if (!value) {
      value = this.value("expert list", routing.rows, 8 + maxTiles * 4 * (1 + columns));
      const dst: Ref = { kind: "value", value, offset: 0 },
        ids: Ref = { kind: "value", value: routing.ids, offset: 0 };
      this.emit(
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
      this.sorts.set(key, value);
    }
    return { list: { kind: "value", value, offset: 0 }, maxTiles };
  }

  expertMatmul(w: Weight, input: Tensor, routed: Routing): Tensor {
    const x = input as Recorded,
      routing = routed as RecordedRouting,
      { kernels } = this.options,
      { nUsed } = routing;
    const [k, m, n] = w.shape;
    if (n !== routing.nExpert)
      throw new PlanError(`${w.name}: expected ${routing.nExpert} experts, found ${n}`);
    if (m % 4 !== 0)
      throw new PlanError(`${w.name}: expected expert rows that are a multiple of 4, found ${m}`);
    if (x.width !== k && x.width !== k * nUsed)
      throw new PlanError(
        `${w.name}: expected an input of width ${k} or ${k * nUsed}, found ${x.width}`,
      );
    const perSlot = nUsed > 1 && x.width === k * nUsed;
    const placed = this.matrix(w),
      format = kernels.packFormat(placed.type),
      columns = kernels.tileColumns(format);
    const tile1 = kernels.packTileBytes(format, 1, k),
      tile = kernels.packTileBytes(format, columns, k);
    const { list, maxTiles } = this.sorted(routing, columns);
    const key = `experts ${x.value.id}:${x.offset}:${routing.ids.id}:${format}`;
    let packedValue = this.packs.get(key);
    if (!packedValue) {
      const wide = Math.min(maxTiles, n + Math.ceil(maxTiles / columns));
      packedValue = this.value(
        `packed ${x.value.name}`,
        x.rows,
        Math.max(maxTiles * tile1, wide * tile),
      );
      const dst: Ref = { kind: "value", value: packedValue, offset: 0 };
      this.emit(
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
      this.packs.set(key, packedValue);
    }
    const a: Ref = { kind: "value", value: packedValue, offset: 0 };
    const dst = this.tensor(w.name, x.rows, nUsed * m);
    this.emit(
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
        [ExpertMatmulWord.nGroups, m / 4],
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

  expertSum(input: Tensor, routed: Routing): Tensor {
    const x = input as Recorded,
      routing = routed as RecordedRouting,
      width = x.width / routing.nUsed;
    const dst = this.tensor("expert sum", x.rows, width);
    const weights: Ref = { kind: "value", value: routing.weights, offset: 0 };
    this.emit(
      Op.expertSum,
      "expert sum",
      x.rows,
      [
        ...this.common(dst, x),
        [ExpertSumWord.weights, weights],
        [ExpertSumWord.weightsStride, routing.stride],
        [ExpertSumWord.nUsed, routing.nUsed],
      ],
      [ref(x), weights],
      [ref(dst)],
    );
    return dst;
  }

  private expertRow(
    kind: BinaryKind,
    input: Tensor,
    w: Weight,
    bWidth: number,
    routed: Routing,
  ): Tensor {
    const x = input as Recorded,
      routing = routed as RecordedRouting,
      n = w.shape.reduce((a, b) => a * b, 1);
    const slotWidth = this.runLength(w.name, x, routing.nUsed);
    if (n !== bWidth * routing.nExpert || (bWidth !== 1 && bWidth !== slotWidth)) {
      throw new PlanError(
        `${w.name}: expected ${bWidth} elements for each of ${routing.nExpert} experts, found ${n}`,
      );
    }
    const dst = this.tensor(w.name, x.rows, x.width),
      ids: Ref = { kind: "value", value: routing.ids, offset: 0 };
    this.emit(
      Op.expertRow,
      w.name,
      x.rows,
      [
        ...this.common(dst, x),
        [ExpertRowWord.kind, kind],
        [ExpertRowWord.b, this.vector(w)],
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

  expertAdd(x: Tensor, w: Weight, routing: Routing): Tensor {
    return this.expertRow(BinaryKind.add, x, w, x.width / routing.nUsed, routing);
  }

  expertScale(x: Tensor, w: Weight, routing: Routing): Tensor {
    return this.expertRow(BinaryKind.mul, x, w, 1, routing);
  }

  routingWeights(routing: Routing): Tensor {
    const { weights, rows, nUsed, stride } = routing as RecordedRouting;
    return new Recorded(weights, rows, nUsed, stride);
  }

  matmulByRun(w: Weight, input: Tensor): Tensor {
    const x = input as Recorded,
      [k, , n = 1] = w.shape;
    if (x.width !== n * k)
      throw new PlanError(`${w.name}: expected an input of width ${n} * ${k}, found ${x.width}`);
    return n === 1 ? this.matmul(w, x) : this.expertMatmul(w, x, this.throughAll(x.rows, n));
  }

  /** Slot i of every row belongs to matrix i: the experts' machinery then multiplies runs by matrices of their own. */
  private throughAll(rows: Rows, n: number): RecordedRouting {
    const key = `${rows}:${n}`,
      stride = align(n, 4) * 4;
    let routing = this.allOf.get(key);
    if (!routing) {
      const ids = this.value(
        "run ids",
        rows,
        align(this.maxRows(rows), ROW_ROUND) * stride,
        stride,
      );
      const dst: Ref = { kind: "value", value: ids, offset: 0 };
      this.emit(
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
      this.allOf.set(key, (routing = new RecordedRouting(rows, n, n, ids, ids, stride)));
    }
    return routing;
  }

  // ---- rows

  outputRows(x: Tensor): Tensor {
    const a = x as Recorded;
    if (a.rows !== "tokens")
      throw new PlanError(`outputRows: expected one row per token, found ${a.rows}`);
    this.head = true;
    const dst = this.tensor("output rows", "outputs", a.width);
    this.emit(
      Op.gatherRows,
      "output rows",
      "outputs",
      [...this.common(dst, a), [GatherWord.index, 0]],
      [ref(a)],
      [ref(dst)],
    );
    return dst;
  }

  gather(x: Tensor, index: string, rows: number): Tensor {
    const a = x as Recorded,
      dst = this.tensor(`gather ${index}`, rows, a.width),
      list = this.indexList(index, rows);
    this.emit(
      Op.gatherRows,
      `gather ${index}`,
      rows,
      [...this.common(dst, a), [GatherWord.index, list]],
      [ref(a), list],
      [ref(dst)],
    );
    return dst;
  }

  scatter(base: Tensor, x: Tensor, index: string): Tensor {
    const a = x as Recorded,
      into = this.unary(UnaryKind.copy, "copy", base as Recorded);
    if (typeof a.rows !== "number")
      throw new PlanError(`scatter: expected a fixed number of rows, found ${a.rows}`);
    const list = this.indexList(index, a.rows);
    this.emit(
      Op.scatterRows,
      `scatter ${index}`,
      a.rows,
      [...this.common(into, a), [GatherWord.index, list]],
      [ref(a), list, ref(into)],
      [ref(into)],
    );
    return into;
  }

  private indexList(name: string, rows: number): Ref {
    return {
      kind: "state",
      state: this.placedState(`index:${name}`, align(rows * 4, 64), 0),
      offset: 0,
    };
  }

  private placedState(
    name: string,
    bytes: number,
    slotBytes: number,
    everywhere = false,
  ): PlacedState {
    let state = this.states.get(name);
    if (!state) this.states.set(name, (state = { name, bytes, slotBytes, everywhere }));
    return state;
  }

  // ---- observation and change

  tap(x: Tensor, name: string): Tensor {
    const a = x as Recorded;
    this.taps.set(name, a);
    if (this.options.keepTaps?.has(name)) a.value.keep = true;
    return x;
  }

  sumSquaresByColumn(x: Tensor, name: string, routing?: Routing): void {
    if (!this.options.calibrate) return;
    const a = x as Recorded;
    if (routing) return this.sumSquaresByExpert(a, name, routing as RecordedRouting);
    const { dst, count } = this.calibrated(name, a.width, 1);
    this.emit(
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

  private sumSquaresByExpert(
    a: Recorded,
    name: string,
    { nExpert, nUsed, ids, stride }: RecordedRouting,
  ): void {
    // the weight's own row length tells whether each slot has its part of a row
    const width = this.options.tensor(name)!.shape[0],
      { dst, count, dstStride } = this.calibrated(name, width, nExpert);
    const idsRef: Ref = { kind: "value", value: ids, offset: 0 };
    this.emit(
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
  private calibrated(
    name: string,
    width: number,
    nMatrices: number,
  ): { dst: Ref; count: Ref; dstStride: number } {
    const dstStride = align(width * 4, 64),
      offset = nMatrices * dstStride;
    const state = this.placedState(`${CALIBRATION}${name}`, offset + align(nMatrices * 4, 64), 0);
    this.calibrations.set(name, {
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

  addLowRank(y: Tensor, x: Tensor, target: string): Tensor {
    const pairs = this.options.adapters?.get(target);
    if (!pairs) return y;
    const input = x as Recorded,
      dst = this.unary(UnaryKind.copy, "copy", y as Recorded);
    pairs.forEach(({ down, up, rank, scale }, slot) => {
      if (down.length !== rank * input.width || up.length !== rank * dst.width) {
        throw new PlanError(
          `${target}: expected a low-rank pair of [${rank}, ${input.width}] and [${dst.width}, ${rank}], ` +
            `found ${down.length} and ${up.length} elements; the adapter belongs to another model`,
        );
      }
      this.emit(
        Op.lowRank,
        `low rank ${target}`,
        dst.rows,
        [
          ...this.common(dst, input),
          [LowRankWord.down, this.constant(`${target}.a${slot}`, down)],
          [LowRankWord.up, this.constant(`${target}.b${slot}`, up)],
          [LowRankWord.rank, rank],
          [LowRankWord.scale, f32Bits(scale)],
          [LowRankWord.k, input.width],
          [LowRankWord.slot, slot],
        ],
        [ref(input), ref(dst)],
        [ref(dst)],
      );
    });
    return dst;
  }

  addVector(x: Tensor, layer: number): Tensor {
    const vector = this.options.controlVectors?.get(layer),
      a = x as Recorded;
    if (!vector) return x;
    if (a.width % vector.length !== 0)
      throw new PlanError(
        `control vector ${layer}: expected ${a.width} elements, found ${vector.length}`,
      );
    const repeated = Float32Array.from({ length: a.width }, (_, i) => vector[i % vector.length]);
    return this.binary(
      BinaryKind.add,
      `control vector ${layer}`,
      a,
      this.constant(`control ${layer}`, repeated),
      0,
      [],
    );
  }

  // ---- sequence state

  state(name: string, width: number): State {
    this.sequenceState(name, width);
    return { name, width };
  }

  readState(state: State): Tensor {
    const dst = this.tensor(state.name, "sequences", state.width),
      { base, slotBytes } = this.sequenceState(state.name, state.width);
    this.emit(
      Op.stateRead,
      `read ${state.name}`,
      "sequences",
      [
        [Word.dst, ref(dst)],
        [Word.dstStride, dst.stride],
        [Word.width, state.width],
        [StateWord.base, base],
        [StateWord.slotBytes, slotBytes],
      ],
      [base],
      [ref(dst)],
    );
    return dst;
  }

  writeState(state: State, x: Tensor): void {
    const a = x as Recorded,
      { base, slotBytes } = this.sequenceState(state.name, state.width);
    if (a.rows !== "sequences" || a.width !== state.width) {
      throw new PlanError(
        `${state.name}: expected [sequences, ${state.width}], found [${a.rows}, ${a.width}]`,
      );
    }
    this.emit(
      Op.stateWrite,
      `write ${state.name}`,
      "sequences",
      [
        [Word.a, ref(a)],
        [Word.aStride, a.stride],
        [Word.width, a.width],
        [StateWord.base, base],
        [StateWord.slotBytes, slotBytes],
      ],
      [ref(a)],
      [base],
    );
  }

  /** Two slots for every sequence: a run reads one and writes the other (assembly/ops/state.ts). */
  private sequenceState(name: string, width: number): { base: Ref; slotBytes: number } {
    const slotBytes = align(width, 4) * 4;
    const state = this.placedState(
      `state:${name}`,
      2 * slotBytes * this.options.nSequences,
      slotBytes,
    );
    if (state.slotBytes !== slotBytes)
      throw new PlanError(`${name}: expected a state of one width, found a second`);
    return { base: { kind: "state", state, offset: 0 }, slotBytes };
  }

  private readonly lowering: recurrent.Lowering = {
    tensor: (name, width) => this.tensor(name, "tokens", width),
    vector: (w) => this.vector(w),
    emit: (op, name, dst, a, words, others) => {
      if (this.states.has(`state:${name}`))
        throw new PlanError(`${name}: expected one op per state, found a second`);
      if (this.head)
        throw new PlanError(
          `${name}: expected it before ops.outputRows, found it after; the head may run several times`,
        );
      const { base, slotBytes } = this.sequenceState(name, words.stateWidth);
      for (const x of [a, ...others])
        if (x.rows !== "tokens")
          throw new PlanError(`${name}: expected one row per token, found ${x.rows}`);
      this.emit(
        op,
        name,
        "tokens",
        [
          ...this.common(dst, a),
          [StateWord.base, base],
          [StateWord.slotBytes, slotBytes],
          ...words.words,
        ],
        [ref(a), ...others.map(ref), base],
        [ref(dst), base],
      );
      return dst;
    },
  };

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

  endEncoder(): void {
    if (this.encoderInstrs > 0 || this.head)
      throw new PlanError("endEncoder: expected it once and before ops.outputRows, found it later");
    this.encoderInstrs = this.instrs.length;
    this.encoderValues = this.nValues;
    // What was computed for the encoder's tokens is not there for the decoder's.
    for (const made of [this.packs, this.sorts, this.ropeTables]) made.clear();
  }

  logits(x: Tensor): void {
    const a = x as Recorded;
    if (a.rows !== "outputs")
      throw new PlanError(
        `logits: expected one row per output, found ${a.rows}; call ops.outputRows before`,
      );
    this.finishWith("logits", a);
  }

  pool(x: Tensor, kind: "mean" | "cls" | "last"): Tensor {
    const a = x as Recorded,
      dst = this.tensor(`pool ${kind}`, "sequences", a.width);
    if (a.rows !== "tokens")
      throw new PlanError(`pool: expected one row per token, found ${a.rows}`);
    this.emit(
      Op.pool,
      `pool ${kind}`,
      "sequences",
      [...this.common(dst, a), [PoolWord.kind, PoolKind[kind]]],
      [ref(a)],
      [ref(dst)],
    );
    return dst;
  }

  embedding(x: Tensor): void {
    const a = x as Recorded;
    if (a.rows === "outputs")
      throw new PlanError("embedding: expected one row per token or sequence, found outputs");
    this.finishWith("embedding", a);
  }

  private finishWith(name: string, a: Recorded): void {
    if (this.result) throw new PlanError(`${name}: expected one result, found a second`);
    this.result = a;
    a.value.keep = true;
    this.nanFlag = this.value("nan flag", 1, 64);
    this.nanFlag.hostWritten = true;
    const flag: Ref = { kind: "value", value: this.nanFlag, offset: 0 };
    this.emit(
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
}

/** Bytes of one kv head's part of a page: 16 positions of headDim elements (assembly/ops/kv-cache.ts). */
function pageBytes(type: number, headDim: number, layer: number): number {
  if (type === 0) return 64 * headDim;
  if (type === 1) return 32 * headDim;
  if (headDim % 32 !== 0) {
    throw new PlanError(
      `layer ${layer}: a Q8_0 KV cache needs a head size that is a multiple of 32, found ${headDim}; use f16`,
    );
  }
  return (headDim / 32) * 544;
}
