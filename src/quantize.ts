// Writing quantised weights, without a model: part of samebit/quants. The quantisers (assembly/quantize) run in WebAssembly
// on the caller's thread and give ggml's bytes on every machine.

import { type GgmlType, GGML_TYPES, rowBytes, typeByName } from "../formats/types.ts";
import { OptionError } from "./errors.ts";
import type { KernelExports } from "./kernels/exports.ts";
import { chooseKernels, instantiateKernels } from "./kernels/module.ts";
import { checkDenormals } from "./weights.ts";

export interface QuantizeOptions {
  /** Weights of a row; default: all of them in one row. */
  readonly nPerRow?: number;
  /**
   * Importance weights, one for each of the nPerRow columns: finite, none negative. Types whose codes do not depend on
   * them take and ignore them.
   */
  readonly imatrix?: Float32Array;
}

/** Names of the types that quantize can write. */
export async function quantizableTypes(): Promise<string[]> {
  const { exports } = await quantizers();
  return GGML_TYPES.filter((type) => exports.isQuantizable(type.id)).map((type) => type.name);
}

/**
 * Bytes of `values` as ggml type `typeName` (`Q4_K`), row after row: those that ggml's scalar code gives, on every machine.
 * Throws OptionError for an unknown type; values, imatrix or row length that do not fit it; IQ2_XXS, IQ2_XS and IQ1_S
 * without imatrix; and values too large for the type. Throws RunError "flush-to-zero" where denormal numbers are rounded
 * away.
 */
export async function quantize(
  typeName: string,
  values: Float32Array,
  { nPerRow, imatrix }: QuantizeOptions = {},
): Promise<Uint8Array> {
  const kernels = await quantizers(),
    { exports, memory } = kernels;
  checkDenormals(exports);
  const type = typeCalled(typeName);
  if (!type || !exports.isQuantizable(type.id)) {
    throw new OptionError(
      `type: expected one of ${(await quantizableTypes()).join(", ")}, found ${String(typeName)}`,
    );
  }
  if (!(values instanceof Float32Array))
    throw new OptionError(`${type.name}: expected values as a Float32Array, found something else`);
  const k = nPerRow ?? values.length;
  if (values.length === 0 && nPerRow === undefined) return new Uint8Array(0);
  if (!(Number.isInteger(k) && k > 0 && k % type.blockSize === 0 && values.length % k === 0)) {
    throw new OptionError(
      `${type.name}: expected rows of a multiple of ${type.blockSize} weights that divide ${values.length}, found ${k}`,
    );
  }
  const bad = values.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0)
    throw new OptionError(`values: expected finite numbers, found ${values[bad]} (at ${bad})`);
  checkImatrix(type, imatrix, k, exports);

  // a long row is cut into pieces of whole blocks, unless its error weights depend on all of it
  const whole = imatrix !== undefined && NEEDS_ROW.has(type.name);
  const width = whole ? k : Math.min(k, PIECE),
    rowsAtOnce = Math.max(1, Math.floor(PIECE / k));
  const out = new Uint8Array((values.length / k) * rowBytes(type, k));
  const scratch = align(exports.heapBase()),
    tables = align(scratch + exports.quantizeScratchBytes());
  const weights = align(tables + (exports.quantizeTableBytes(type.id) >>> 0));
  const src = align(weights + width * 4),
    dst = align(src + width * rowsAtOnce * 4);
  const end = dst + rowBytes(type, width) * rowsAtOnce;
  if (end > memory.buffer.byteLength)
    memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
  if (kernels.tables !== type.id) {
    exports.prepareQuantize(type.id, tables);
    kernels.tables = type.id;
  }
  for (let at = 0, to = 0; at < values.length;) {
    const column = at % k;
    const n = Math.min(width, k - column),
      rows = n === k ? Math.min(rowsAtOnce, (values.length - at) / k) : 1;
    new Float32Array(memory.buffer, src, n * rows).set(values.subarray(at, at + n * rows));
    if (imatrix)
      new Float32Array(memory.buffer, weights, n).set(imatrix.subarray(column, column + n));
    const fits = exports.quantizeRows(
      type.id,
      src,
      rows,
      n,
      imatrix ? weights : 0,
      dst,
      scratch,
      tables,
    );
    if (!fits) {
      throw new OptionError(
        `values: expected magnitudes whose ${type.name} fits 16-bit floats, found larger ones (in ${at}..${at + n * rows - 1}); scale the tensor down`,
      );
    }
    const size = rowBytes(type, n) * rows;
    out.set(new Uint8Array(memory.buffer, dst, size), to);
    at += n * rows;
    to += size;
  }
  return out;
}

function checkImatrix(
  type: GgmlType,
  imatrix: Float32Array | undefined,
  k: number,
  exports: KernelExports,
): void {
  if (imatrix === undefined) {
    if (!exports.needsImatrix(type.id)) return;
    throw new OptionError(
      `imatrix: expected ${k} importance weights, found none; ${type.name} cannot be written without`,
    );
  }
  if (!(imatrix instanceof Float32Array) || imatrix.length !== k) {
    const found = imatrix instanceof Float32Array ? `${imatrix.length}` : "something else";
    throw new OptionError(
      `imatrix: expected a Float32Array of ${k} importance weights, found ${found}`,
    );
  }
  const bad = imatrix.findIndex((v) => !(v >= 0 && v < Infinity));
  if (bad >= 0)
    throw new OptionError(
      `imatrix: expected finite weights from 0, found ${imatrix[bad]} (at ${bad})`,
    );
}

function typeCalled(name: string): GgmlType | undefined {
  try {
    return typeByName(name);
  } catch {
    return undefined; // the caller's message lists the names
  }
}

/** Their error weights contain the mean square of the row. */
const NEEDS_ROW = new Set(["Q4_0", "Q4_1", "Q5_0", "Q5_1"]);
/** Weights that are in the kernels' memory at once; a multiple of every block. */
const PIECE = 1 << 18;
const align = (n: number) => Math.ceil(n / 64) * 64;

interface Quantizers {
  readonly exports: KernelExports;
  readonly memory: WebAssembly.Memory;
  /** Type whose tables are in memory; the instance runs one call at a time, to its end. */
  tables?: number;
}

let instance: Promise<Quantizers> | undefined;

function quantizers(): Promise<Quantizers> {
  instance ??= (async () => {
    const { module } = await chooseKernels("base");
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
    return { exports: instantiateKernels(module, memory), memory };
  })();
  return instance;
}
