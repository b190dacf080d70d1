// What a caller wants quantised, checked before any byte is written: types, lengths, importance weights.

import { type GgmlType, GGML_TYPES, rowBytes, typeById, typeByName } from "../../formats/types.ts";
import { OptionError } from "../errors.ts";
import type { KernelExports } from "../kernels/exports.ts";

export interface QuantizeOptions {
  /** Weights of a row; default: all of them in one row. */
  readonly nPerRow?: number;
  /**
   * Importance weights, one for each of the nPerRow columns: finite, none negative. Types whose codes do not depend on
   * them take and ignore them.
   */
  readonly imatrix?: Float32Array;
}

/** Weights as a file holds them: whole rows of a type that the kernels read, such as F16; none that interleaves rows. */
export interface StoredWeights {
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Rows to convert: `rows` of `k` weights, `bytes` in type `source`. */
export interface QuantizeRequest {
  readonly type: GgmlType;
  readonly source: GgmlType;
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly k: number;
  readonly imatrix: Float32Array | undefined;
}

/** The type called `name`, or undefined: for callers whose message lists the names. */
export function typeCalled(name: string): GgmlType | undefined {
  try {
    return typeByName(name);
  } catch {
    return undefined;
  }
}

/** Names of the types that are accepted, for messages and lists. */
export const namesOf = (accepts: (id: number) => boolean | number): string[] =>
  GGML_TYPES.filter((type) => accepts(type.id)).map((type) => type.name);

/** What quantize was asked for. Throws OptionError. */
export function checkRequest(
  exports: KernelExports,
  typeName: string,
  values: Float32Array | StoredWeights,
  { nPerRow, imatrix }: QuantizeOptions,
): QuantizeRequest {
  const type = acceptedType("type", typeName, exports.isQuantizable);
  const { source, bytes } = storedOf(exports, type, values);
  const { rows, k } = shapeOf(type, source, bytes.length, nPerRow);
  if (rows > 0) checkImatrix(type, imatrix, k, exports);
  return { type, source, bytes, rows, k, imatrix };
}

function acceptedType(
  what: string,
  name: string,
  accepts: (id: number) => boolean | number,
): GgmlType {
  const type = typeCalled(name);
  if (type && accepts(type.id)) return type;
  throw new OptionError(
    `${what}: expected one of ${namesOf(accepts).join(", ")}, found ${String(name)}`,
  );
}

function storedOf(
  exports: KernelExports,
  type: GgmlType,
  values: Float32Array | StoredWeights,
): { source: GgmlType; bytes: Uint8Array } {
  if (values instanceof Float32Array) {
    const { buffer, byteOffset, byteLength } = values;
    return { source: typeByName("F32"), bytes: new Uint8Array(buffer, byteOffset, byteLength) };
  }
  if (!(values?.bytes instanceof Uint8Array)) {
    throw new OptionError(
      `${type.name}: expected values as a Float32Array, or { type, bytes } with a Uint8Array, found something else`,
    );
  }
  return {
    source: acceptedType("values.type", values.type, (id) => isReadable(exports, id)),
    bytes: values.bytes,
  };
}

/** Whether the kernels read single rows of a type; interleaved rows must be set apart first (src/interleaved). */
const isReadable = (exports: KernelExports, id: number): boolean =>
  Boolean(exports.isSupported(id)) && typeById(id).rowsInterleaved === 1;

/** Rows and their width. */
function shapeOf(
  type: GgmlType,
  source: GgmlType,
  nBytes: number,
  nPerRow: number | undefined,
): { rows: number; k: number } {
  if (nBytes === 0 && nPerRow === undefined) return { rows: 0, k: 0 };
  // without nPerRow everything is one row
  const k = nPerRow ?? ((nBytes - source.rowMetaBytes) / source.typeSize) * source.blockSize,
    block = Math.max(type.blockSize, source.blockSize);
  const bytes = Number.isInteger(k) && k > 0 && k % block === 0 ? rowBytes(source, k) : undefined;
  if (bytes !== undefined && nBytes % bytes === 0) return { rows: nBytes / bytes, k };
  const found =
    source.name === "F32" ? `divide ${nBytes / 4}` : `fill ${nBytes} bytes of ${source.name}`;
  throw new OptionError(
    `${type.name}: expected rows of a multiple of ${block} weights that ${found}, found ${k}`,
  );
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
