// How much a tensor loses by each type it could have: the squared error of its weights, each column weighted by the mean square
// of what it is multiplied with (the importance matrix), which is the error of the products. Measured, by writing the tensor
// in the type and reading it back; of large tensors, a sample of evenly spaced rows.

import {
  type Gguf,
  rowBytes,
  tensorBytes,
  typeByName,
  type TypeName,
} from "../../../formats/index.ts";
import type { Quantizer } from "../../quantize.ts";
import { dequantize } from "../../quants.ts";
import { type RowRun, rowRuns } from "./convert.ts";
import { fittingType } from "./fallback.ts";
import type { PlannedTensor } from "./plan.ts";

export interface TypeError {
  readonly type: TypeName;
  /** Of the tensor in this type. */
  readonly bytes: number;
  /** Sum of w (x - y)² over all weights x that become y, divided by that of w x²: 0 is exact, 1 as bad as zeros. */
  readonly error: number;
}

export interface Sensitivity {
  readonly tensor: PlannedTensor;
  /** Sum of w x² over all weights: the energy of the products. */
  readonly energy: number;
  readonly types: readonly TypeError[];
}

/** Weights of a tensor that are written and read back at most: errors of two such samples differ by a few percent. */
const ERROR_SAMPLE = 1 << 16;
/** Of large tensors, energies of rows differ more. */
const ENERGY_SAMPLE = 1 << 20;

/** `candidates` that do not fit the rows are left out. Throws what the source and the quantiser throw. */
export async function measureTensor(
  gguf: Gguf,
  tensor: PlannedTensor,
  candidates: readonly TypeName[],
  quantizer: Quantizer,
  signal?: AbortSignal,
): Promise<Sensitivity> {
  const { source } = tensor,
    width = source.shape[0],
    runs = rowRuns(tensor);
  const fitting = candidates.filter((name) => fittingType(name, width).name === name);
  const errors = new Map<TypeName, number>(fitting.map((name) => [name, 0]));
  let energy = 0,
    sampled = 0;
  for (const run of runs) {
    const { imatrix } = run,
      options = { nPerRow: width };
    const many = await readSample(gguf, tensor, run, ENERGY_SAMPLE / runs.length);
    energy += many.scale * weightedSquares(many.values, undefined, imatrix, width);
    const {
      bytes,
      values: x,
      scale,
    } = await readSample(gguf, tensor, run, ERROR_SAMPLE / runs.length);
    sampled += scale * weightedSquares(x, undefined, imatrix, width);
    for (const name of fitting) {
      const stored = { type: source.type.name, bytes };
      const written = await quantizer.quantize(name, stored, { ...options, imatrix, signal });
      const y = await dequantize(name, written, x.length, options);
      errors.set(name, errors.get(name)! + scale * weightedSquares(x, y, imatrix, width));
    }
  }
  return {
    tensor,
    energy,
    types: fitting.map((type) => ({
      type,
      bytes: tensorBytes(typeByName(type), source.shape),
      error: sampled > 0 ? errors.get(type)! / sampled : 0,
    })),
  };
}

/** Evenly spaced rows of a run, of about `weights` weights. scale: rows that each of them stands for. */
async function readSample(
  gguf: Gguf,
  { source }: PlannedTensor,
  { firstRow, rows }: RowRun,
  weights: number,
): Promise<{ bytes: Uint8Array; values: Float32Array; scale: number }> {
  const width = source.shape[0],
    raw = rowBytes(source.type, width),
    picked = spaced(rows, Math.ceil(weights / width)),
    bytes = new Uint8Array(picked.length * raw);
  for (const [i, row] of picked.entries()) {
    const at = source.offset + (firstRow + row) * raw;
    bytes.set(await gguf.sources[source.sourceIndex].read(at, raw), i * raw);
  }
  const values = await dequantize(source.type.name, bytes, picked.length * width, {
    nPerRow: width,
  });
  return { bytes, values, scale: rows / picked.length };
}

/** At most `most` of `count` numbers from 0, evenly spaced. */
function spaced(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor(((i + 0.5) * count) / most));
}

/** Sum of w (x - y)², y being 0 where it is not given. */
function weightedSquares(
  x: Float32Array,
  y: Float32Array | undefined,
  imatrix: Float32Array | undefined,
  width: number,
): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const d = y ? x[i] - y[i] : x[i];
    sum += (imatrix ? imatrix[i % width] : 1) * d * d;
  }
  return sum;
}
