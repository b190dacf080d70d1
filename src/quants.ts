// The public API of samebit/quants: values of quantised bytes, without a model. The kernels do the work: the bytes are
// repacked four rows at a time and read back, which is the way every embedding takes.

import { type GgmlType, GGML_TYPES, rowBytes } from "../formats/types.ts";
import { OptionError } from "./errors.ts";
import { plainRows, type PlainRows, plainType } from "./interleaved/index.ts";
import type { KernelExports } from "./kernels/exports.ts";
import { instantiateKernels } from "./kernels/instance.ts";
import { chooseKernels } from "./kernels/module.ts";
import { typeCalled } from "./quantize/request.ts";
import { checkDenormals } from "./weights.ts";

export {
  openQuantizer,
  quantizableTypes,
  quantize,
  type QuantizeOptions,
  type Quantizer,
  type QuantizerOptions,
  type SlabOptions,
  type StoredWeights,
} from "./quantize.ts";

export interface DequantizeOptions {
  /** Weights of a row; default: all of them in one row. Matters for types with row metadata. */
  readonly nPerRow?: number;
}

/** Names of the types that dequantize knows. */
export async function supportedTypes(): Promise<string[]> {
  const kernels = await dequantizers();
  return GGML_TYPES.filter((t) => kernels.exports.isSupported(plainType(t).id)).map((t) => t.name);
}

/**
 * f32 values of nWeights weights stored as ggml type `typeName` (`Q4_K`). Bit-exact with ggml's scalar code. Interleaved
 * types (`Q4_K_R4`) come as whole bundles of rows, I2_S with the 32 bytes behind its codes.
 * Throws OptionError for an unknown type, rows that do not fit it, or bytes of the wrong length; RunError "flush-to-zero"
 * where denormal numbers are rounded away.
 */
export async function dequantize(
  typeName: string,
  bytes: Uint8Array,
  nWeights: number,
  { nPerRow = nWeights }: DequantizeOptions = {},
): Promise<Float32Array> {
  const kernels = await dequantizers(),
    { exports, memory } = kernels;
  checkDenormals(exports);
  const type = typeCalled(typeName);
  if (!type || !exports.isSupported(plainType(type).id)) {
    throw new OptionError(
      `type: expected one of ${(await supportedTypes()).join(", ")}, found ${String(typeName)}`,
    );
  }
  if (!(bytes instanceof Uint8Array))
    throw new OptionError(`${typeName}: expected its bytes as a Uint8Array, found something else`);
  if (!Number.isInteger(nWeights) || nWeights < 0)
    throw new OptionError(`nWeights: expected an integer from 0, found ${nWeights}`);
  if (nWeights === 0 && bytes.length === 0) return new Float32Array(0);
  if (
    !(
      Number.isInteger(nPerRow) &&
      nPerRow > 0 &&
      nPerRow % type.blockSize === 0 &&
      nWeights % nPerRow === 0
    )
  ) {
    throw new OptionError(
      `${typeName}: expected rows of a multiple of ${type.blockSize} weights that divide ${nWeights}, found ${nPerRow}`,
    );
  }
  const raw = rowBytes(type, nPerRow),
    nRows = nWeights / nPerRow;
  const perBundle = type.rowsInterleaved;
  if (nRows % perBundle !== 0) {
    throw new OptionError(
      `${typeName}: expected a multiple of ${perBundle} rows, found ${nRows} of ${nPerRow} weights; set nPerRow`,
    );
  }
  const expected = raw * nRows + type.tensorTailBytes;
  if (bytes.length !== expected) {
    throw new OptionError(
      `${typeName}: expected ${expected} bytes for ${nWeights} weights, found ${bytes.length}`,
    );
  }
  const plain = plainType(type),
    interleave = rowsOf(type, nPerRow);
  const out = new Float32Array(nWeights),
    start = align(exports.heapBase());
  if (!interleave) {
    readRows(kernels, plain, bytes, nPerRow, out, start);
    return out;
  }
  // [layout][scale of all rows][a bundle][its plain rows], then as above
  const { words, bundleBytes, rowBytes: plainBytes, sharedScale } = interleave;
  const scale = align(start + words.length * 4),
    src = scale + 64,
    rows = align(src + bundleBytes),
    end = align(rows + perBundle * plainBytes);
  grow(memory, end);
  new Uint32Array(memory.buffer, start, words.length).set(words);
  if (sharedScale)
    new Uint8Array(memory.buffer, scale, 4).set(bytes.subarray(raw * nRows, raw * nRows + 4));
  for (let row = 0; row < nRows; row += perBundle) {
    new Uint8Array(memory.buffer, src, bundleBytes).set(
      bytes.subarray(row * raw, (row + perBundle) * raw),
    );
    exports.bundleToRows(start, src, sharedScale ? scale : 0, nPerRow, rows);
    const plainRowsOfBundle = new Uint8Array(memory.buffer, rows, perBundle * plainBytes).slice();
    const values = out.subarray(row * nPerRow, (row + perBundle) * nPerRow);
    readRows(kernels, plain, plainRowsOfBundle, nPerRow, values, end);
  }
  return out;
}

/** Values of whole rows of a plain type, row by row, through working memory from `start` on. */
function readRows(
  { exports, memory }: Dequantizers,
  type: GgmlType,
  bytes: Uint8Array,
  nPerRow: number,
  out: Float32Array,
  start: number,
): void {
  // one long row is cut into pieces of whole blocks, so that working memory stays small
  const piece =
    type.rowMetaBytes === 0 ? Math.min(nPerRow, PIECE - (PIECE % type.blockSize)) : nPerRow;
  const src = start,
    group = align(src + rowBytes(type, piece));
  const values = align(group + (exports.groupBytes(type.id, piece) >>> 0)),
    scratch = align(values + piece * 4);
  grow(memory, scratch + exports.scratchBytes());
  for (let at = 0, from = 0; at < out.length;) {
    const n = Math.min(piece, nPerRow - (at % nPerRow)),
      size = rowBytes(type, n);
    new Uint8Array(memory.buffer, src, size).set(bytes.subarray(from, from + size));
    exports.repackGroup(type.id, src, size, 1, n, group);
    exports.dequantizeRow(type.id, group, 0, n, values, scratch);
    out.set(new Float32Array(memory.buffer, values, n), at);
    at += n;
    from += size;
  }
}

/** plainRows, in this module's errors. */
function rowsOf(type: GgmlType, nPerRow: number): PlainRows | undefined {
  try {
    return plainRows(type, nPerRow);
  } catch (error) {
    throw new OptionError((error as Error).message, { cause: error });
  }
}

function grow(memory: WebAssembly.Memory, end: number): void {
  if (end > memory.buffer.byteLength)
    memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
}

const PIECE = 65536;
const align = (n: number) => Math.ceil(n / 64) * 64;

interface Dequantizers {
  readonly exports: KernelExports;
  readonly memory: WebAssembly.Memory;
}

let instance: Promise<Dequantizers> | undefined;

function dequantizers(): Promise<Dequantizers> {
  instance ??= (async () => {
    const { module, shared } = await chooseKernels("base", false);
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared });
    return { exports: instantiateKernels(module, memory), memory };
  })();
  return instance;
}
