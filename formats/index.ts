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
export { parseSplitName, splitName, splitSiblings } from "./split.ts";
