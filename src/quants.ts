// The public API of samebit/quants: values of quantised bytes, without a model. The kernels do the work: the bytes are
// repacked four rows at a time and read back, which is the way every embedding takes.

import { rowBytes } from "../formats/types.ts";
import { OptionError } from "./errors.ts";
import type { KernelExports } from "./kernels/exports.ts";
import { chooseKernels, instantiateKernels } from "./kernels/module.ts";
import { namesOf, typeCalled } from "./quantize/request.ts";
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
  return namesOf(kernels.exports.isSupported);
}

/**
 * f32 values of nWeights weights stored as ggml type `typeName` (`Q4_K`). Bit-exact with ggml's scalar code.
 * Throws OptionError for an unknown type, or bytes of the wrong length; RunError "flush-to-zero" where denormal numbers are
 * rounded away.
 */
export async function dequantize(
  typeName: string,
  bytes: Uint8Array,
  nWeights: number,
  { nPerRow = nWeights }: DequantizeOptions = {},
): Promise<Float32Array> {
  const { exports, memory } = await dequantizers();
  checkDenormals(exports);
  const type = typeCalled(typeName);
  if (!type || !exports.isSupported(type.id)) {
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
  if (bytes.length !== raw * nRows) {
    throw new OptionError(
      `${typeName}: expected ${raw * nRows} bytes for ${nWeights} weights, found ${bytes.length}`,
    );
  }
  // one long row is cut into pieces of whole blocks, so that working memory stays small
  const piece =
    type.rowMetaBytes === 0 ? Math.min(nPerRow, PIECE - (PIECE % type.blockSize)) : nPerRow;
  const out = new Float32Array(nWeights);
  const src = align(exports.heapBase()),
    group = align(src + rowBytes(type, piece));
  const values = align(group + (exports.groupBytes(type.id, piece) >>> 0)),
    scratch = align(values + piece * 4);
  const end = scratch + exports.scratchBytes();
  if (end > memory.buffer.byteLength)
    memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
  for (let at = 0, from = 0; at < nWeights;) {
    const n = Math.min(piece, nPerRow - (at % nPerRow)),
      size = rowBytes(type, n);
    new Uint8Array(memory.buffer, src, size).set(bytes.subarray(from, from + size));
    exports.repackGroup(type.id, src, size, 1, n, group);
    exports.dequantizeRow(type.id, group, 0, n, values, scratch);
    out.set(new Float32Array(memory.buffer, values, n), at);
    at += n;
    from += size;
  }
  return out;
}

const PIECE = 65536;
const align = (n: number) => Math.ceil(n / 64) * 64;

let instance: Promise<{ exports: KernelExports; memory: WebAssembly.Memory }> | undefined;

function dequantizers() {
  instance ??= (async () => {
    const { module } = await chooseKernels("base");
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
    return { exports: instantiateKernels(module, memory), memory };
  })();
  return instance;
}
