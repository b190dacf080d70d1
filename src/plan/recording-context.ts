// What the recorder (record.ts) has noted so far, and how it notes more: weights and their layouts, values, states and
// instructions. The ops of each family (record-*.ts) are functions that take this context.

import type { Rows, Weight } from "../../models/ops.ts";
import { checkWeight } from "../../models/errors.ts";
import { PlanError } from "../errors.ts";
import { Op, Word } from "../memory/abi.generated.ts";
import type { KernelExports } from "../kernels/exports.ts";
import type { WeightsKind } from "../kernels/module.ts";
import type { PlacedState, PlacedWeight } from "../memory/placed.ts";
import type { CalibrationPlace, Instr, Ref, Value } from "./instruction.ts";
import { Recorded, type RecordedCache, type RecordedRouting, ref, WeightPart } from "./recorded.ts";

/** A tensor as the file has it. */
export interface FileTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Type of its kernels: of the plain type where rows are interleaved. */
  readonly type: number;
  /** Its type in the file. */
  readonly typeName: string;
  /** Where its bytes begin, for messages. */
  readonly offset: number;
}

export interface RecordOptions {
  readonly kernels: KernelExports;
  readonly tensor: (name: string) => FileTensor | undefined;
  /** `f32`: every matrix is dequantised at load. */
  readonly weights: WeightsKind;
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
  /** Layers with a window keep every position. */
  readonly swaFull?: boolean;
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

/** n rounded up to a multiple of `to`. */
export const align = (n: number, to: number) => Math.ceil(n / to) * to;
/** Rows of a buffer are rounded up, so that kernels may write whole tiles (assembly/matmul). */
export const ROW_ROUND = 8;

const bits = new DataView(new ArrayBuffer(4));
/** The u32 that holds the f32 nearest to x. */
export function f32Bits(x: number): number {
  bits.setFloat32(0, x);
  return bits.getUint32(0);
}

/** The recording as it grows. */
export class RecordingContext {
  readonly instrs: Instr[] = [];
  readonly placed = new Map<string, PlacedWeight>();
  readonly caches = new Map<number, RecordedCache>();
  readonly states = new Map<string, PlacedState>();
  /** Made once for all that read them: packed inputs, lists of experts, rope tables. */
  readonly packs = new Map<string, Value>();
  readonly sorts = new Map<string, Value>();
  readonly ropeTables = new Map<string, Recorded>();
  /** Routings of every row through all of n matrices, by kind of rows and n. */
  readonly allOf = new Map<string, RecordedRouting>();
  readonly taps = new Map<string, Recorded>();
  readonly calibrations = new Map<string, CalibrationPlace>();
  result: Recorded | undefined;
  nanFlag: Value | undefined;
  nValues = 0;
  /** Whether ops.outputRows was recorded: what follows is the head. */
  head = false;
  /** Values below this id belong to the encoder; instructions below the other number too. */
  encoderValues = 0;
  encoderInstrs = 0;

  constructor(readonly options: RecordOptions) {}

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

  /** The kernels' number for a matrix of a file's type. */
  #kernelType(type: number): number {
    const { weights, kernels } = this.options;
    if (weights === "f32") return F32;
    return weights === "fast" ? kernels.fastType(type) : type;
  }

  /** A weight in the layout of the products. */
  matrix(weight: Weight): PlacedWeight {
    const file = this.options.tensor(weight.name)!;
    const { kernels } = this.options;
    const type = this.#kernelType(file.type);
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

  /** A weight, or a part of one, as plain f32. */
  vector(weight: Weight): Ref {
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

  /** Numbers that are not in the file, placed like a weight; one of each name. */
  constant(name: string, data: Float32Array): Ref {
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

  // ---- values and instructions

  /** Most rows that a run may have. */
  maxRows(rows: Rows): number {
    const { nBatch, nOutputs, nSequences } = this.options;
    return rows === "tokens"
      ? nBatch
      : rows === "outputs"
        ? nOutputs
        : rows === "sequences"
          ? nSequences
          : rows;
  }

  value(name: string, rows: Rows, bytes: number, rowBytes = 0): Value {
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

  /** A new f32 tensor [rows, width]. */
  tensor(name: string, rows: Rows, width: number): Recorded {
    const stride = align(width, 4) * 4;
    return new Recorded(
      this.value(name, rows, align(this.maxRows(rows), ROW_ROUND) * stride, stride),
      rows,
      width,
      stride,
    );
  }

  /** Appends an instruction. Throws where a decoder would read what only the encoder's run has. */
  emit(
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
  common(dst: Recorded, a: Recorded, width = dst.width): [number, number | Ref][] {
    return [
      [Word.dst, ref(dst)],
      [Word.dstStride, dst.stride],
      [Word.a, ref(a)],
      [Word.aStride, a.stride],
      [Word.width, width],
    ];
  }

  sameShape(op: string, a: Recorded, b: Recorded): void {
    if (a.rows !== b.rows || a.width !== b.width) {
      throw new PlanError(
        `${op}: expected two tensors of one shape, found [${a.rows}, ${a.width}] and [${b.rows}, ${b.width}]`,
      );
    }
  }

  /** Memory that outlives a run, one of each name. */
  placedState(name: string, bytes: number, slotBytes: number, everywhere = false): PlacedState {
    let state = this.states.get(name);
    if (!state) this.states.set(name, (state = { name, bytes, slotBytes, everywhere }));
    return state;
  }
}
