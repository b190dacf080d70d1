// Loading matrices by all threads at once: each opens the files by itself, claims slices of rows, reads a slice into its
// part of the staging area and repacks it from there while it is still in its cache. A byte of the file is copied once,
// by the system, and no thread waits for another. weights.ts makes the plan, threads/worker.ts runs it.

import type { Source } from "../formats/source.ts";
import { typeById } from "../formats/types.ts";
import type { KernelExports } from "./kernels/exports.ts";
import { platform } from "./platform/index.ts";
import { rowChunks, rowsPerChunk } from "./row-chunks.ts";
import { findBadScale } from "./scales.ts";

/** Rows of one matrix in a file, and where their groups go. */
export interface FillMatrix {
  readonly name: string;
  /** Index into FillPlan.files, and the bytes before the matrix. */
  readonly file: number;
  readonly offset: number;
  /** ggml type number, in the file and in the bank. */
  readonly type: number;
  readonly k: number;
  readonly rows: number;
  /** Rows of one expert's matrix; `rows` where there are no experts. */
  readonly rowsPerMatrix: number;
  readonly rowBytes: number;
  readonly bank: number;
  readonly dst: number;
  readonly groupBytes: number;
}

/** What every thread is told; it can be posted to a worker. */
export interface FillPlan {
  readonly files: readonly { readonly path: string; readonly size: number }[];
  /** In the order of the files, so that a disk is read from front to back. */
  readonly matrices: readonly FillMatrix[];
  /** Threads that take part, each bank's staging area, and how many bytes of it each thread has. */
  readonly nThreads: number;
  readonly staging: readonly number[];
  readonly stagingBytes: number;
  /** Two words: the next slice that nobody has claimed, and whether to stop. */
  readonly state: Int32Array;
}

/** Indices of FillPlan.state. */
const NEXT = 0,
  STOP = 1;

/** Why a thread could not go on. */
export type FillFault =
  /** A scale at `offset` bytes of the matrix's file is no finite number. */
  | { readonly kind: "scale"; readonly matrix: number; readonly offset: number }
  | { readonly kind: "read"; readonly message: string };

/** A bank as filling sees it. */
export interface FillBank {
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
}

/**
 * Bytes of a slice: with its groups it stays in a cache of 1 MiB (measured: 128 KiB to 1 MiB make no difference, 4 MiB cost
 * a tenth).
 */
const SLICE_BYTES = 256 << 10;
/** Bytes between two calls of onBytes. */
const REPORT_BYTES = 16 << 20;

/** What all threads share, for one staging area a bank, all of one size; undefined when not one group of rows fits into it. */
export function fillPlan(
  files: FillPlan["files"],
  matrices: readonly FillMatrix[],
  nThreads: number,
  staging: readonly { readonly address: number; readonly bytes: number }[],
): FillPlan | undefined {
  const widest = matrices.reduce((n, { rowBytes }) => Math.max(n, rowBytes), 1);
  const [{ bytes }] = staging,
    taking = Math.min(nThreads, Math.floor(bytes / (4 * widest)));
  if (taking === 0) return undefined;
  return {
    files,
    matrices: [...matrices].sort((a, b) => a.file - b.file || a.offset - b.offset),
    nThreads: taking,
    staging: staging.map(({ address }) => address),
    stagingBytes: Math.floor(bytes / taking / 64) * 64,
    state: new Int32Array(new SharedArrayBuffer(8)),
  };
}

/** Makes every thread leave `fill` after its slice. */
export function stopFilling(plan: FillPlan): void {
  Atomics.store(plan.state, STOP, 1);
}

/** One thread's share of the plan; a fault ends the others' work, too. `onBytes` hears what was read since its last call. */
export async function fill(
  plan: FillPlan,
  banks: readonly FillBank[],
  thread: number,
  onBytes: (bytes: number) => void,
): Promise<FillFault | undefined> {
  if (thread >= plan.nThreads) return undefined;
  const sources: Source[] = [];
  try {
    for (const { path, size } of plan.files) sources.push(await openSame(path, size));
    const fault = fillSlices(plan, sources, banks, thread, onBytes);
    if (fault) stopFilling(plan);
    return fault;
  } catch (error) {
    stopFilling(plan);
    return { kind: "read", message: error instanceof Error ? error.message : String(error) };
  } finally {
    for (const source of sources) await source.close?.();
  }
}

/** The file that the caller has opened, unless another one took its place. */
async function openSame(path: string, size: number): Promise<Source> {
  const source = await platform.openFile(path);
  if (source.size === size && source.readSync) return source;
  await source.close?.();
  throw new Error(
    `${path}: expected the file of ${size} bytes that was opened, found another of ${source.size}; load it again`,
  );
}

function fillSlices(
  plan: FillPlan,
  sources: readonly Source[],
  banks: readonly FillBank[],
  thread: number,
  onBytes: (bytes: number) => void,
): FillFault | undefined {
  const { state, stagingBytes } = plan,
    room = thread * stagingBytes;
  let slice = 0,
    mine = Atomics.add(state, NEXT, 1),
    unreported = 0;
  for (const [index, matrix] of plan.matrices.entries()) {
    const { k, rowBytes, groupBytes, type } = matrix,
      { memory, kernels } = banks[matrix.bank];
    const wanted = Math.max(4 * rowBytes, Math.min(SLICE_BYTES, stagingBytes));
    const chunkRows = rowsPerChunk(matrix.name, rowBytes, wanted);
    let dst = matrix.dst;
    for (const [row, rows] of rowChunks(matrix.rows, matrix.rowsPerMatrix, chunkRows)) {
      const groups = Math.ceil(rows / 4),
        into = dst;
      dst += groups * groupBytes;
      if (slice++ !== mine) continue;
      if (Atomics.load(state, STOP) !== 0) return undefined;
      const src = plan.staging[matrix.bank] + room,
        offset = matrix.offset + row * rowBytes,
        bytes = new Uint8Array(memory.buffer, src, rows * rowBytes);
      sources[matrix.file].readSync!(offset, bytes);
      const bad = findBadScale(typeById(type)!, bytes, rowBytes);
      if (bad >= 0) return { kind: "scale", matrix: index, offset: offset + bad };
      for (let g = 0; g < groups; g++) {
        const first = src + 4 * g * rowBytes,
          n = Math.min(4, rows - 4 * g);
        kernels.repackGroup(type, first, rowBytes, n, k, into + g * groupBytes);
      }
      unreported += bytes.length;
      if (unreported >= REPORT_BYTES) {
        onBytes(unreported);
        unreported = 0;
      }
      mine = Atomics.add(state, NEXT, 1);
    }
  }
  if (unreported > 0) onBytes(unreported);
  return undefined;
}
