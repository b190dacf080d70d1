// The data of a quantised tensor, as the writer asks for it: rows are read from the source, converted by the quantiser's
// threads and handed on, a slab at a time, so that a tensor of any size passes through a few megabytes.

import { countWeights, type Gguf, rowBytes } from "../../../formats/index.ts";
import { OptionError, SamebitError } from "../../errors.ts";
import type { Quantizer } from "../../quantize.ts";
import type { PlannedTensor } from "./plan.ts";

/** Weights that are read, converted and written at once: 8 MiB as F32. */
const SLAB_WEIGHTS = 1 << 21;

export interface ConvertOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the input that have become output. */
  readonly onBytes?: (bytes: number) => void;
}

/** Consecutive rows that share their importance weights: a matrix of experts, or all there are. */
export interface RowRun {
  readonly firstRow: number;
  readonly rows: number;
  readonly imatrix: Float32Array | undefined;
}

export function rowRuns({ source, importance }: PlannedTensor): RowRun[] {
  const [width, rows = 1] = source.shape,
    all = countWeights(source.shape) / width;
  if (importance === undefined) return [{ firstRow: 0, rows: all, imatrix: undefined }];
  return Array.from({ length: all / rows }, (_, matrix) => {
    const from = (matrix * width) % importance.length;
    return {
      firstRow: matrix * rows,
      rows,
      imatrix: importance.subarray(from, from + width),
    };
  });
}

/** Throws SamebitError, which names the tensor, for values that cannot be converted; what the source throws passes through. */
export async function* convertTensor(
  gguf: Gguf,
  tensor: PlannedTensor,
  quantizer: Quantizer,
  { signal, onBytes }: ConvertOptions,
): AsyncGenerator<Uint8Array> {
  const { source, type } = tensor,
    width = source.shape[0],
    raw = rowBytes(source.type, width),
    atOnce = Math.max(1, Math.floor(SLAB_WEIGHTS / width));
  const slabs = rowRuns(tensor).flatMap(({ firstRow, rows, imatrix }) =>
    Array.from({ length: Math.ceil(rows / atOnce) }, (_, i) => ({
      row: firstRow + i * atOnce,
      rows: Math.min(atOnce, rows - i * atOnce),
      imatrix,
    })),
  );
  const from = gguf.sources[source.sourceIndex];
  for (const { row, rows, imatrix } of slabs) {
    const bytes = await from.read(source.offset + row * raw, rows * raw);
    const stored = { type: source.type.name, bytes };
    try {
      yield await quantizer.quantize(type.name, stored, { nPerRow: width, imatrix, signal });
    } catch (cause) {
      if (!(cause instanceof OptionError)) throw cause;
      throw new SamebitError(`${source.name}, row ${row} and after: ${cause.message}`, { cause });
    }
    onBytes?.(bytes.length);
  }
}
