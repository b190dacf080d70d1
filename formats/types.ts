// The ggml type table: how many bytes the weights of each tensor type take in a file. The reader checks
// every tensor against it, the writer lays tensors out with it, kernels look their type up by name.
// Sources: ggml's and ik_llama.cpp's type traits, as collected in LAYOUTS.md (sections 1, 3 and 3.2).
import { GgufError } from "./errors.ts";

/** A tensor type. One object per id: compare types with `===` or by `name`. */
export interface GgmlType {
  /** The number in the file. */
  readonly id: number;
  /** Name as in ggml, for example `Q4_K`, `IQ2_KS`, `Q4_0_R8`. */
  readonly name: TypeName;
  /** Weights per block; a row is a whole number of blocks. */
  readonly blockSize: number;
  /** Bytes per block of one row. In an interleaved type the blocks of several rows lie side by side. */
  readonly typeSize: number;
  /** Bytes of row scales per row, before the blocks (0 for every type of ggml itself). */
  readonly rowMetaBytes: number;
  /** Rows stored together as one group (1: rows follow each other). ne1 is a multiple of it. */
  readonly rowsInterleaved: number;
  /** Bytes after the last row, once per tensor: 32 for I2_S (one f32 scale and padding), otherwise 0. */
  readonly tensorTailBytes: number;
}

// [id, name, blockSize, typeSize, rowMetaBytes = 0, rowsInterleaved = 1, tensorTailBytes = 0]
type Row = readonly [number, string, number, number, number?, number?, number?];

const TABLE = [
  // ggml: plain numbers
  [0, "F32", 1, 4],
  [1, "F16", 1, 2],
  [24, "I8", 1, 1],
  [25, "I16", 1, 2],
  [26, "I32", 1, 4],
  [27, "I64", 1, 8],
  [28, "F64", 1, 8],
  [30, "BF16", 1, 2],
  // ggml: blocks (Q8_1 and Q8_K hold activations; ggml accepts them in a file)
  [2, "Q4_0", 32, 18],
  [3, "Q4_1", 32, 20],
  [6, "Q5_0", 32, 22],
  [7, "Q5_1", 32, 24],
  [8, "Q8_0", 32, 34],
  [9, "Q8_1", 32, 36],
  [10, "Q2_K", 256, 84],
  [11, "Q3_K", 256, 110],
  [12, "Q4_K", 256, 144],
  [13, "Q5_K", 256, 176],
  [14, "Q6_K", 256, 210],
  [15, "Q8_K", 256, 292],
  [16, "IQ2_XXS", 256, 66],
  [17, "IQ2_XS", 256, 74],
  [18, "IQ3_XXS", 256, 98],
  [19, "IQ1_S", 256, 50],
  [20, "IQ4_NL", 32, 18],
  [21, "IQ3_S", 256, 110],
  [22, "IQ2_S", 256, 82],
  [23, "IQ4_XS", 256, 136],
  [29, "IQ1_M", 256, 56],
  [34, "TQ1_0", 256, 54],
  [35, "TQ2_0", 256, 66],
  [39, "MXFP4", 32, 17],
  [40, "NVFP4", 64, 36],
  [41, "Q1_0", 128, 18],
  [42, "Q2_0", 64, 18],
  // ik_llama.cpp. I2_S: chunks of 128 two-bit codes for the whole tensor, then the 32-byte tail with its scale.
  [36, "I2_S", 128, 32, 0, 1, 32],
  [133, "Q6_0", 32, 26],
  [134, "IQ1_BN", 64, 13, 2],
  [135, "IQ2_BN", 64, 16, 4],
  [137, "IQ2_K", 256, 76],
  [138, "IQ3_K", 256, 110],
  [139, "IQ4_K", 256, 144],
  [140, "IQ5_K", 256, 176],
  [141, "IQ6_K", 256, 212],
  [144, "IQ4_KS", 256, 136, 4],
  [145, "IQ2_KS", 256, 70, 2],
  [146, "IQ4_KSS", 256, 128, 4],
  [151, "Q8_KV", 32, 32, 8],
  [152, "IQ5_KS", 256, 168, 4],
  [153, "IQ2_KT", 256, 68, 4],
  [154, "IQ3_KT", 256, 100, 4],
  [155, "IQ4_KT", 256, 128, 4],
  [156, "IQ3_KS", 256, 102, 2],
  [157, "IQ2_KL", 256, 86, 2],
  [158, "IQ1_KT", 256, 56, 4],
  // ik_llama.cpp: rows interleaved
  [202, "Q4_0_R8", 32, 18, 0, 8],
  [206, "Q5_0_R4", 32, 22, 0, 4],
  [208, "Q8_0_R8", 32, 34, 0, 8],
  [210, "Q2_K_R4", 256, 84, 0, 4],
  [211, "Q3_K_R4", 256, 110, 0, 4],
  [212, "Q4_K_R4", 256, 144, 0, 4],
  [213, "Q5_K_R4", 256, 176, 0, 4],
  [214, "Q6_K_R4", 256, 210, 0, 4],
  [216, "IQ2_XXS_R4", 256, 66, 0, 4],
  [217, "IQ2_XS_R4", 256, 74, 0, 4],
  [218, "IQ3_XXS_R4", 256, 98, 0, 4],
  [219, "IQ1_S_R4", 32, 6, 2, 4],
  [220, "IQ4_NL_R4", 32, 18, 0, 4],
  [221, "IQ3_S_R4", 256, 110, 0, 4],
  [222, "IQ2_S_R4", 256, 82, 0, 4],
  [223, "IQ4_XS_R8", 256, 136, 0, 8],
  [229, "IQ1_M_R4", 32, 7, 2, 4],
  [230, "BF16_R16", 1, 2, 0, 16],
  [233, "Q6_0_R4", 32, 26, 0, 4],
  [335, "IQ2_BN_R4", 64, 16, 4, 4],
  [337, "IQ2_K_R4", 256, 76, 0, 4],
  [338, "IQ3_K_R4", 256, 110, 0, 4],
  [339, "IQ4_K_R4", 256, 144, 0, 4],
  [340, "IQ5_K_R4", 256, 176, 0, 4],
  [344, "IQ4_KS_R4", 256, 136, 4, 4],
  [352, "IQ5_KS_R4", 256, 168, 4, 4],
  [353, "MXFP4_R8", 32, 17, 0, 8],
  [397, "Q8_K_R16", 256, 258, 0, 16],
  [398, "Q8_KV_R8", 32, 32, 4, 8],
  [399, "Q8_K_R8", 256, 258, 0, 8],
] as const satisfies readonly Row[];

/** Every type name, as a union: a kernel table typed `Record<TypeName, ...>` is complete or does not compile. */
export type TypeName = (typeof TABLE)[number][1];

/** Every known type, those of ggml first. */
export const GGML_TYPES: readonly GgmlType[] = TABLE.map((row: Row) => {
  const [id, name, blockSize, typeSize, rowMetaBytes, rowsInterleaved, tensorTailBytes] = row;
  return Object.freeze({
    id,
    name: name as TypeName,
    blockSize,
    typeSize,
    rowMetaBytes: rowMetaBytes ?? 0,
    rowsInterleaved: rowsInterleaved ?? 1,
    tensorTailBytes: tensorTailBytes ?? 0,
  });
});

// Ids that once meant something; both projects reject files that use them.
const REMOVED = new Map([
  [4, "Q4_2"],
  [5, "Q4_3"],
  [31, "Q4_0_4_4"],
  [32, "Q4_0_4_8"],
  [33, "Q4_0_8_8"],
  [37, "IQ4_NL_4_8"],
  [38, "IQ4_NL_8_8"],
]);

const BY_ID = new Map(GGML_TYPES.map((type) => [type.id, type]));
const BY_NAME = new Map<string, GgmlType>(GGML_TYPES.map((type) => [type.name, type]));
// ik_llama.cpp's second name for the same bytes.
BY_NAME.set("Q1_0_G128", BY_NAME.get("Q1_0")!);

/** The type with this id, or undefined: for readers that raise an error with more context. */
export function findTypeById(id: number): GgmlType | undefined {
  return BY_ID.get(id);
}

/** Why `findTypeById(id)` found nothing: `{ found, remedy }` of the error message. */
export function unknownType(id: number): { found: string; remedy: string } {
  const removed = REMOVED.get(id);
  if (removed === undefined) {
    return {
      found: `id ${id}`,
      remedy: "the file may be damaged, or newer than this version of samebit",
    };
  }
  return {
    found: `id ${id}, the removed type ${removed}`,
    remedy:
      "ggml dropped this type: quantise the model again to a current one, such as Q4_0 or IQ4_NL",
  };
}

/** The type with this id. Throws GgufError, which names removed types. */
export function typeById(id: number): GgmlType {
  const type = BY_ID.get(id);
  if (type) return type;
  throw new GgufError({ subject: "tensor type", expected: "a known type id", ...unknownType(id) });
}

/** The type with this name as ggml spells it (`Q4_K`); upper and lower case are not told apart. Throws GgufError. */
export function typeByName(name: string): GgmlType {
  const type = BY_NAME.get(name) ?? BY_NAME.get(name.toUpperCase());
  if (type) return type;
  throw new GgufError({
    subject: "tensor type",
    expected: "a type name of ggml or ik_llama.cpp, such as Q4_K",
    found: JSON.stringify(name),
  });
}

/**
 * Bytes of one row of `nWeights` weights, row metadata included. For an interleaved type this is the
 * row's share of its group, so that rows x rowBytes is still the tensor. Throws GgufError when
 * `nWeights` is not a positive multiple of the block size.
 */
export function rowBytes(type: GgmlType, nWeights: number): number {
  if (!Number.isSafeInteger(nWeights) || nWeights <= 0 || nWeights % type.blockSize !== 0) {
    throw new GgufError({
      subject: `${type.name} row`,
      expected: `a positive multiple of ${type.blockSize} weights`,
      found: String(nWeights),
    });
  }
  return type.rowMetaBytes + (nWeights / type.blockSize) * type.typeSize;
}

/**
 * Bytes of a tensor. `shape` is in GGUF order, the row length first; an empty shape is one weight.
 * Throws GgufError when a dimension is not a positive integer, the row is not a whole number of blocks,
 * ne1 is not a whole number of interleaved groups, or the size exceeds 2^53 - 1.
 */
export function tensorBytes(type: GgmlType, shape: readonly number[]): number {
  let rows = 1;
  for (let i = 1; i < shape.length; i++) {
    if (!Number.isSafeInteger(shape[i]) || shape[i] <= 0)
      throw badShape("positive integers", shape);
    rows *= shape[i];
  }
  const ne1 = shape[1] ?? 1;
  if (ne1 % type.rowsInterleaved !== 0) {
    throw badShape(`ne1 a multiple of ${type.rowsInterleaved} rows for ${type.name}`, shape);
  }
  const nWeights = rows * (shape[0] ?? 1);
  const bytes = rows * rowBytes(type, shape[0] ?? 1) + type.tensorTailBytes;
  if (!Number.isSafeInteger(nWeights) || !Number.isSafeInteger(bytes)) {
    throw badShape("fewer than 2^53 weights and bytes", shape);
  }
  return bytes;
}

/** Weights of a tensor: the product of its shape. Exact for every shape that `tensorBytes` accepts. */
export function countWeights(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

function badShape(expected: string, shape: readonly number[]): GgufError {
  return new GgufError({ subject: "tensor shape", expected, found: `[${shape.join(", ")}]` });
}
