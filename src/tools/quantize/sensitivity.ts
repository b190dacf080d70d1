// How much a tensor loses by each type it could have: the squared error of its weights, each column weighted by the mean square
// of what it is multiplied with (the importance matrix), which is the error of the products. Measured, by writing the tensor
// in the type and reading it back; of large tensors, a sample of evenly spaced rows.

import { type Gguf, rowBytes, tensorBytes, type TypeName } from "../../../formats/index.ts";
import type { Quantizer } from "../../quantize.ts";
import { dequantize } from "../../quants.ts";
import { rowRuns } from "./convert.ts";
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

/** Weights of a tensor that are measured at most: enough that errors of two samples differ by a few percent. */
const SAMPLE = 1 << 18;

/** Types that do not fit the rows are left out. */
export async function measureTensor(
  gguf: Gguf,
  tensor: PlannedTensor,
  candidates: readonly TypeName[],
  quantizer: Quantizer,
  signal?: AbortSignal,
): Promise<Sensitivity> {
  const { source } = tensor,
    width = source.shape[0],
    from = gguf.sources[source.sourceIndex],
    raw = rowBytes(source.type, width),
    runs = rowRuns(tensor);
  const fitting = candidates.filter((name) => fittingType(name, width).name === name);
  const errors = new Map<TypeName, number>(fitting.map((name) => [name, 0]));
  let energy = 0;
  for (const { firstRow, rows, imatrix } of runs) {
    const picked = spaced(rows, Math.ceil(SAMPLE / width / runs.length)),
      scale = rows / picked.length,
      bytes = new Uint8Array(picked.length * raw);
    for (const [i, row] of picked.entries())
      bytes.set(await from.read(source.offset + (firstRow + row) * raw, raw), i * raw);
    const count = picked.length * width,
      options = { nPerRow: width },
      x = await dequantize(source.type.name, bytes, count, options);
    energy += scale * weightedSquares(x, undefined, imatrix, width);
    for (const name of fitting) {
      const stored = { type: source.type.name, bytes };
      const written = await quantizer.quantize(name, stored, { ...options, imatrix, signal });
      const y = await dequantize(name, written, count, options);
      errors.set(name, errors.get(name)! + scale * weightedSquares(x, y, imatrix, width));
    }
  }
  return {
    tensor,
    energy,
    types: fitting.map((type) => ({
      type,
      bytes: tensorBytes(fittingType(type, width), source.shape),
      error: energy > 0 ? errors.get(type)! / energy : 0,
    })),
  };
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
