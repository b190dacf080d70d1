// Loading: reads every tensor that the plan asked for, in chunks of rows into staging memory, from where the threads
// repack them to their place. Nothing is held twice: the file's bytes pass through a few MiB. Threads that can open the
// file read it themselves (fill.ts); other sources are read by the caller, one chunk ahead of the threads (repack.ts), and
// so is every source where the caller's thread is the only one.

import type { Gguf, TensorInfo } from "../formats/gguf.ts";
import { rowBytes } from "../formats/types.ts";
import { checkCancelled } from "./cancellation.ts";
import { PlanError, RunError, SamebitError } from "./errors.ts";
import { type FillFault, type FillMatrix, type FillPlan, fillPlan } from "./fill.ts";
import { plainType } from "./interleaved/index.ts";
import type { KernelExports } from "./kernels/exports.ts";
import type { Bank } from "./memory/bank.ts";
import type { PlacedWeight } from "./memory/placed.ts";
import { platform } from "./platform/index.ts";
import type { Repacker } from "./repack.ts";
import { rowChunks } from "./row-chunks.ts";
import { align, badScale, read, Stage } from "./stage.ts";

/** Bytes of the file read so far, and all that will be read (a vector once for every bank that uses it). */
export type LoadProgress = (done: number, total: number) => void;

const F32 = 0;
/** Weights of a vector converted at once: whole blocks of every type, and working memory stays small. */
const VECTOR_PIECE = 16384;
/** How long the caller's event loop may wait: timers, signals and the progress bar have their turn. */
const TURN_MS = 20;

export interface LoadOptions {
  readonly gguf: Gguf;
  readonly banks: readonly Bank[];
  /** This thread's instance over each bank: for vectors, and for matrices that are converted to f32. */
  readonly kernels: readonly KernelExports[];
  /** The threads, for everything else. */
  readonly repacker: Repacker;
  readonly weights: readonly PlacedWeight[];
  readonly onProgress?: LoadProgress;
  readonly signal?: AbortSignal;
}

/**
 * Fills every weight of every bank. Throws RunError "cancelled" when `signal` is aborted, "flush-to-zero" when this thread
 * rounds denormal numbers away, GgufError for damaged blocks, SamebitError when a source answers too little; what a source
 * or onProgress throws passes through.
 */
export async function loadWeights({
  gguf,
  banks,
  kernels,
  repacker,
  weights,
  onProgress,
  signal,
}: LoadOptions): Promise<void> {
  checkCancelled(signal);
  checkDenormals(kernels[0]);
  let done = 0,
    total = 0,
    turn = performance.now();
  for (const bank of banks)
    for (const w of weights) if (bank.hasWeight(w)) total += gguf.tensors.get(w.name)?.bytes ?? 0;
  const count = (bytes: number) => onProgress?.((done += bytes), total);
  const onBytes = async (bytes: number) => {
    count(bytes);
    if (performance.now() - turn > TURN_MS) {
      await platform.turn();
      turn = performance.now();
    }
    checkCancelled(signal);
  };
  const filled = await fillMatrices({ gguf, banks, repacker, weights, signal }, count),
    inOrder = inFileOrder(weights, gguf);
  for (let i = 0; i < banks.length; i++) {
    for (const weight of inOrder) {
      if (!banks[i].hasWeight(weight) || filled.has(weight)) continue;
      if (weight.constant) {
        banks[i].f32(banks[i].weightAddress(weight), weight.constant.length).set(weight.constant);
        continue;
      }
      const tensor = gguf.tensors.get(weight.name)!;
      const isConverted = weight.type === F32 && plainType(tensor.type).id !== F32;
      if (weight.layout === "matrix" && !isConverted) {
        await repackMatrix(gguf, tensor, weight, banks[i], repacker, onBytes);
      } else {
        await repacker.finish(); // these use the whole staging area, on this thread
        await (weight.layout === "vector" ? loadVector : convertMatrix)(
          gguf,
          tensor,
          weight,
          banks[i],
          kernels[i],
          onBytes,
        );
      }
    }
  }
  await repacker.finish();
}

/** From the start of the file to its end: what reads ahead, as disks and servers do, reads what is wanted. */
function inFileOrder(weights: readonly PlacedWeight[], { tensors }: Gguf): PlacedWeight[] {
  const place = ({ name }: PlacedWeight) => tensors.get(name) ?? { sourceIndex: -1, offset: 0 };
  return weights.toSorted(
    (a, b) => place(a).sourceIndex - place(b).sourceIndex || place(a).offset - place(b).offset,
  );
}

/** Whether it is a matrix whose rows, one by one, only need repacking. */
const isAsInFile = ({ layout, type }: PlacedWeight, tensor: TensorInfo) =>
  layout === "matrix" && type === tensor.type.id && tensor.type.rowsInterleaved === 1;

/** Loads the matrices of files that every thread can open; returns them. */
async function fillMatrices(
  {
    gguf,
    banks,
    repacker,
    weights,
    signal,
  }: Pick<LoadOptions, "gguf" | "banks" | "repacker" | "weights" | "signal">,
  count: (bytes: number) => void,
): Promise<ReadonlySet<PlacedWeight>> {
  const filled = new Set<PlacedWeight>(),
    matrices: FillMatrix[] = [];
  const files = gguf.sources.map(({ path = "", size }) => ({ path, size }));
  if (!repacker.canFill || files.some(({ path }) => path === "")) return filled;
  for (const bank of banks) {
    for (const weight of weights) {
      const tensor = gguf.tensors.get(weight.name);
      if (!tensor || !bank.hasWeight(weight) || !isAsInFile(weight, tensor)) continue;
      const [k, rowsPerMatrix] = weight.shape;
      matrices.push({
        name: weight.name,
        file: tensor.sourceIndex,
        offset: tensor.offset,
        type: weight.type,
        k,
        rows: tensor.nWeights / k,
        rowsPerMatrix,
        rowBytes: rowBytes(tensor.type, k),
        bank: bank.index,
        dst: bank.weightAddress(weight),
        groupBytes: weight.groupBytes,
      });
      filled.add(weight);
    }
  }
  const areas = banks.map((bank) => bank.staging),
    plan = fillPlan(files, matrices, repacker.nThreads, areas);
  if (!plan || matrices.length === 0) return new Set();
  const faults = await repacker.fill(plan, count);
  checkCancelled(signal);
  if (faults.length > 0) throw fillError(gguf, plan, faults);
  return filled;
}

/** The fault that comes first in the files. */
function fillError(gguf: Gguf, plan: FillPlan, faults: readonly FillFault[]): Error {
  const scales = faults.flatMap((fault) => (fault.kind === "scale" ? [fault] : []));
  scales.sort((a, b) => a.matrix - b.matrix || a.offset - b.offset);
  if (scales.length > 0) {
    const [{ matrix, offset }] = scales,
      tensor = gguf.tensors.get(plan.matrices[matrix].name)!;
    return badScale(gguf, tensor, offset - tensor.offset);
  }
  const [fault] = faults as readonly Extract<FillFault, { kind: "read" }>[];
  return new SamebitError(fault.message);
}

/** Conversions on the caller's thread need denormal numbers as much as the runs do. */
export function checkDenormals(kernels: KernelExports): void {
  if (!kernels.flushesDenormals()) return;
  throw new RunError(
    "flush-to-zero",
    "caller's thread: expected denormal numbers to be kept, found that it flushes them to zero; " +
      "a native add-on built with -ffast-math does that: do not load it in this process",
  );
}

/** A vector, whatever its type: plain f32. */
async function loadVector(
  gguf: Gguf,
  tensor: TensorInfo,
  weight: PlacedWeight,
  bank: Bank,
  kernels: KernelExports,
  onBytes: (n: number) => Promise<void>,
): Promise<void> {
  const { type, nWeights } = tensor,
    into = bank.weightAddress(weight);
  if (!kernels.isSupported(plainType(type).id)) {
    throw new PlanError(
      `${tensor.name}: expected a tensor type that the kernels convert, found ${type.name}; requantise the model`,
    );
  }
  if (type.rowMetaBytes > 0 || plainType(type) !== type) {
    // rows have something of their own, so that blocks cannot be taken from anywhere
    const k = tensor.shape[0] ?? 1;
    await convertRows(gguf, tensor, k, nWeights / k, bank, kernels, onBytes, (row) => ({
      floats: into + row * k * 4,
    }));
    return;
  }
  for (let from = 0; from < nWeights; from += VECTOR_PIECE) {
    const n = Math.min(VECTOR_PIECE, nWeights - from),
      bytes = rowBytes(type, n),
      { address } = bank.staging;
    await read(
      gguf,
      tensor,
      (from / type.blockSize) * type.typeSize,
      bank.u8(address, bytes),
      bytes,
    );
    const scratch = address + align(bytes);
    toFloats(
      kernels,
      type.id,
      address,
      bytes,
      1,
      n,
      scratch + align(kernels.scratchBytes()),
      scratch,
      into + from * 4,
    );
    await onBytes(bytes);
  }
}

/** A matrix that stays quantised: this thread reads chunks of rows, the others repack the chunk before. */
async function repackMatrix(
  gguf: Gguf,
  tensor: TensorInfo,
  weight: PlacedWeight,
  bank: Bank,
  repacker: Repacker,
  onBytes: (n: number) => Promise<void>,
): Promise<void> {
  const [k] = weight.shape,
    stage = new Stage(gguf, tensor, k, repacker.halfBytes);
  let into = bank.weightAddress(weight);
  for (const [row, rows] of rowChunks(tensor.nWeights / k, weight.shape[1], stage.chunkRows)) {
    const { src, bundles } = await stage.read(bank, repacker.half(bank.index), row, rows);
    await repacker.start({
      bank: bank.index,
      src,
      bundles,
      type: weight.type,
      rows,
      k,
      rowBytes: stage.rowBytes,
      groupBytes: weight.groupBytes,
      dst: into,
    });
    into += weight.groupBytes * Math.ceil(rows / 4);
    await onBytes(rows * stage.fileRowBytes);
  }
}

/** A matrix that becomes f32 (the precise mode), group by group on this thread. */
async function convertMatrix(
  gguf: Gguf,
  tensor: TensorInfo,
  weight: PlacedWeight,
  bank: Bank,
  kernels: KernelExports,
  onBytes: (n: number) => Promise<void>,
): Promise<void> {
  const [k] = weight.shape;
  let into = bank.weightAddress(weight);
  await convertRows(gguf, tensor, k, weight.shape[1], bank, kernels, onBytes, () => {
    const group = into;
    into += weight.groupBytes;
    return { group };
  });
}

/**
 * The rows of a tensor to f32, four at a time on this thread. place: where the four from `row` on go, as plain rows or as
 * a group.
 */
async function convertRows(
  gguf: Gguf,
  tensor: TensorInfo,
  k: number,
  rowsPerMatrix: number,
  bank: Bank,
  kernels: KernelExports,
  onBytes: (n: number) => Promise<void>,
  place: (row: number) => { readonly floats: number } | { readonly group: number },
): Promise<void> {
  const { id: type } = plainType(tensor.type);
  // after the rows: working memory, one repacked group and its four rows in f32
  const groupBytes = align(kernels.groupBytes(type, k) >>> 0),
    workBytes = align(kernels.scratchBytes());
  const scratchBytes = workBytes + groupBytes + align(k * 16);
  const { address, bytes } = bank.staging,
    scratch = address + bytes - scratchBytes,
    group = scratch + workBytes;
  const floats = group + groupBytes;
  const stage = new Stage(gguf, tensor, k, bytes - scratchBytes);
  for (const [row, rows] of rowChunks(tensor.nWeights / k, rowsPerMatrix, stage.chunkRows)) {
    const { src, bundles } = await stage.read(bank, address, row, rows);
    if (bundles) {
      for (let b = 0; b < bundles.count; b++)
        kernels.bundleToRows(
          bundles.layout,
          bundles.src + b * bundles.bundleBytes,
          bundles.scale,
          k,
          src + b * bundles.plainBytes,
        );
    }
    for (let r = 0; r < rows; r += 4) {
      const n = Math.min(4, rows - r),
        to = place(row + r),
        dst = "floats" in to ? to.floats : floats;
      toFloats(kernels, type, src + r * stage.rowBytes, stage.rowBytes, n, k, group, scratch, dst);
      if ("group" in to) kernels.repackGroup(F32, floats, k * 4, n, k, to.group);
    }
    await onBytes(rows * stage.fileRowBytes);
  }
}

/** n rows of `type` at src to plain f32 at dst; group: room for one group of them; scratch: see KernelExports. */
function toFloats(
  kernels: KernelExports,
  type: number,
  src: number,
  raw: number,
  n: number,
  k: number,
  group: number,
  scratch: number,
  dst: number,
): void {
  kernels.repackGroup(type, src, raw, n, k, group);
  for (let lane = 0; lane < n; lane++)
    kernels.dequantizeRow(type, group, lane, k, dst + lane * k * 4, scratch);
}
