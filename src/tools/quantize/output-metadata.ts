// The keys of a quantised file: the model's own, what llama.cpp adds (version and type of the quantisation, where the
// importance weights came from), and its place in a series of files.

import {
  type Gguf,
  type Imatrix,
  type MetadataValue,
  SPLIT_COUNT,
  SPLIT_NO,
  SPLIT_TENSORS,
} from "../../../formats/index.ts";

type Entry = readonly [string, MetadataValue];

const VERSION = "general.quantization_version",
  FILE_TYPE = "general.file_type";
/** Of the block formats: ggml's GGML_QNT_VERSION. */
const QUANTIZATION_VERSION = 2;

const u32 = (value: number): MetadataValue => ({ type: "u32", value });
const string = (value: string): MetadataValue => ({ type: "string", value });

/** `ftype`: number of the file type; undefined: as it is. `imatrix`: with the name that the file is to carry for it. */
export function quantizedMetadata(
  { metadata }: Gguf,
  ftype: number | undefined,
  imatrix?: { readonly file: string; readonly matrix: Imatrix },
): Entry[] {
  const fileType = ftype === undefined ? metadata.get(FILE_TYPE) : u32(ftype);
  const replaced = [VERSION, FILE_TYPE, SPLIT_NO, SPLIT_COUNT, SPLIT_TENSORS];
  return [
    ...[...metadata].filter(
      ([key]) => !replaced.includes(key) && !(imatrix && key.startsWith("quantize.imatrix.")),
    ),
    [VERSION, u32(QUANTIZATION_VERSION)],
    ...(fileType ? [[FILE_TYPE, fileType] as const] : []),
    ...(imatrix ? imatrixKeys(imatrix.file, imatrix.matrix) : []),
  ];
}

function imatrixKeys(file: string, { entries, datasets, chunkCount }: Imatrix): Entry[] {
  const keys: Entry[] = [["quantize.imatrix.file", string(file)]];
  if (datasets.length > 0) keys.push(["quantize.imatrix.dataset", string(datasets[0])]);
  keys.push(["quantize.imatrix.entries_count", u32(entries.size)]);
  if (chunkCount > 0) keys.push(["quantize.imatrix.chunks_count", u32(chunkCount)]);
  return keys;
}
