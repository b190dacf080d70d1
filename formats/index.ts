// The public API of `samebit/gguf`: reading, inspecting, overriding and writing GGUF files.
export { GgufError } from "./errors.ts";
export { bytesSource, type Source } from "./source.ts";
export {
  countWeights,
  GGML_TYPES,
  type GgmlType,
  rowBytes,
  tensorBytes,
  typeById,
  typeByName,
  type TypeName,
} from "./types.ts";
export { Metadata, type MetadataArray, type MetadataValue, type ValueType } from "./metadata.ts";
export {
  closeGguf,
  type Gguf,
  readGguf,
  type ReadGgufOptions,
  readTensor,
  type TensorInfo,
} from "./gguf.ts";
export {
  parseSplitName,
  SPLIT_COUNT,
  SPLIT_NO,
  SPLIT_TENSORS,
  splitName,
  splitSiblings,
} from "./split.ts";
export {
  contentsOf,
  ggufBytes,
  type GgufContents,
  type Sink,
  type TensorData,
  tensorPieces,
  type TensorToWrite,
  writeGguf,
} from "./gguf-writer.ts";
export {
  addEntries,
  combineImatrices,
  type Imatrix,
  type ImatrixEntry,
  importance,
} from "./imatrix.ts";
export { readImatrix } from "./imatrix-file.ts";
export { encodeDat } from "./imatrix-dat.ts";
export { imatrixContents } from "./imatrix-gguf.ts";
export { applyOverrides, type Override, parseOverrides } from "./override.ts";
export {
  formatInspection,
  inspect,
  type InspectedArray,
  type InspectedTensor,
  type InspectedValue,
  type Inspection,
  type InspectOptions,
  type TypeSummary,
} from "./inspect.ts";
