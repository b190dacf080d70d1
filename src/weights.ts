// Loading: reads every tensor that the plan asked for, four rows at a time into staging memory, and lets the kernels
// repack them to their place. Nothing is held twice: the file's bytes pass through a staging area of a few MiB.

import type { Gguf, TensorInfo } from "../formats/gguf.ts";
import { rowBytes } from "../formats/types.ts";
import { SamebitError } from "./errors.ts";
import type { KernelExports } from "./kernels/exports.ts";
import type { Bank } from "./memory/bank.ts";
import type { PlacedWeight } from "./memory/placed.ts";

/** Bytes of the file read so far, and all that will be read. */
export type LoadProgress = (done: number, total: number) => void;

const F32 = 0;
const align = (n: number) => (n + 63) & ~63;

export interface LoadOptions {
  readonly gguf: Gguf;
  readonly banks: readonly Bank[];
  /** This thread's instance over each bank. */
  readonly kernels: readonly KernelExports[];
  readonly weights: readonly PlacedWeight[];
  readonly onProgress?: LoadProgress;
  readonly signal?: AbortSignal;
}

export async function loadWeights({ gguf, banks, kernels, weights, onProgress, signal }: LoadOptions): Promise<void> {
  const total = weights.reduce((sum, w) => sum + (gguf.tensors.get(w.name)?.bytes ?? 0), 0);
  let done = 0;
  for (let i = 0; i < banks.length; i++) {
    for (const weight of weights) {
      if (!banks[i].hasWeight(weight)) continue;
      if (weight.constant) {
        banks[i].f32(banks[i].weightAddress(weight), weight.constant.length).set(weight.constant);
        continue;
      }
      const tensor = gguf.tensors.get(weight.name)!;
      await loadTensor(gguf, tensor, weight, banks[i], kernels[i], (bytes) => {
        onProgress?.(done += bytes, total);
        signal?.throwIfAborted();
      });
    }
  }
}

/** One tensor: rows in chunks that fill the staging area, whole groups of four at a time. */
async function loadTensor(
  gguf: Gguf, tensor: TensorInfo, weight: PlacedWeight, bank: Bank, kernels: KernelExports, onBytes: (n: number) => void,
): Promise<void> {
  const source = gguf.sources[tensor.sourceIndex], type = tensor.type.id;
  const k = tensor.shape[0];
  const raw = rowBytes(tensor.type, k), nRows = tensor.nWeights / k;
  // after the raw rows: one repacked group and its four rows in f32, for types that are converted
  const scratchBytes = align(kernels.groupBytes(type, k) >>> 0) + align(k * 16);
  const chunkRows = Math.floor((bank.staging.bytes - scratchBytes) / raw / 4) * 4;
  if (chunkRows < 4 && nRows > chunkRows) {
    throw new SamebitError(`${tensor.name}: expected rows of at most ${bank.staging.bytes >> 3} bytes, found ${raw}`);
  }
  const group = bank.staging.address + bank.staging.bytes - scratchBytes;
  const converted = weight.layout === "matrix" && weight.type !== type;
  const rowsPerMatrix = weight.layout === "matrix" ? weight.shape[1] : nRows;
  let into = bank.weightAddress(weight);

  for (let row = 0; row < nRows;) {
    // an expert's last group may have fewer than four rows: groups never reach into the next expert
    const left = rowsPerMatrix - (row % rowsPerMatrix);
    const rows = Math.min(nRows - row, left <= chunkRows ? left : chunkRows);
    const bytes = rows * raw, staging = bank.u8(bank.staging.address, bytes), offset = tensor.offset + row * raw;
    if (source.readSync) source.readSync(offset, staging);
    else staging.set(await source.read(offset, bytes));
    for (let r = 0; r < rows; r += 4) {
      const n = Math.min(4, rows - r), src = bank.staging.address + r * raw;
      if (weight.layout === "vector") {
        toFloats(kernels, type, src, raw, n, k, group, into);
        into += n * k * 4;
      } else if (converted) {
        const floats = group + align(kernels.groupBytes(type, k) >>> 0);
        toFloats(kernels, type, src, raw, n, k, group, floats);
        kernels.repackGroup(F32, floats, k * 4, n, k, into);
        into += weight.groupBytes;
      } else {
        kernels.repackGroup(type, src, raw, n, k, into);
        into += weight.groupBytes;
      }
    }
    row += rows;
    onBytes(bytes);
    // let timers, signals and the progress bar have their turn
    await new Promise((resolve) => setTimeout(resolve));
  }
}

/** n rows of `type` at src to plain f32 at dst. */
function toFloats(
  kernels: KernelExports, type: number, src: number, raw: number, n: number, k: number, group: number, dst: number,
): void {
  kernels.repackGroup(type, src, raw, n, k, group);
  for (let lane = 0; lane < n; lane++) kernels.dequantizeRow(type, group, lane, k, dst + lane * k * 4);
}
