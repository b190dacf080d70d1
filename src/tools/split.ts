// Cuts a model into files as llama.cpp's gguf-split does: tensors stay in order, the first file carries the metadata. Merging
// is writing what was read (contentsOf).

import {
  contentsOf,
  type Gguf,
  type GgufContents,
  type MetadataValue,
  SPLIT_COUNT,
  SPLIT_NO,
  SPLIT_TENSORS,
  type TensorToWrite,
} from "../../formats/index.ts";
import { OptionError } from "../errors.ts";

export interface SplitOptions {
  /** Tensors of a file at most. */
  readonly maxTensors?: number;
  /** Bytes of tensor data of a file at most; a tensor that is larger has a file of its own. */
  readonly maxBytes?: number;
  /** The first file holds metadata only. */
  readonly noTensorFirstSplit?: boolean;
}

/** How many files a header can number: u16. */
const MAX_FILES = 65535;

/** What each file of the series holds, in order. `gguf` must stay open until all are written. */
export function splitContents(
  gguf: Gguf,
  { maxTensors = Infinity, maxBytes = Infinity, noTensorFirstSplit = false }: SplitOptions,
): GgufContents[] {
  const { metadata, tensors } = contentsOf(gguf),
    groups: TensorToWrite[][] = [[]];
  if (noTensorFirstSplit) groups.push([]);
  let bytes = 0;
  for (const tensor of tensors) {
    const size = Math.ceil(gguf.tensors.get(tensor.name)!.bytes / gguf.alignment) * gguf.alignment,
      group = groups.at(-1)!;
    if (group.length > 0 && (group.length >= maxTensors || bytes + size > maxBytes)) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(tensor);
    bytes += size;
  }
  if (groups.length > MAX_FILES)
    throw new OptionError(
      `split: expected at most ${MAX_FILES} files, found ${groups.length}; use larger ones`,
    );
  const own = [...metadata].filter(
    ([key]) => ![SPLIT_NO, SPLIT_COUNT, SPLIT_TENSORS].includes(key),
  );
  return groups.map((group, index) => ({
    metadata: partMetadata(own, index, groups.length, gguf.tensors.size),
    tensors: group,
  }));
}

/** Keys of file `index` of `count`: the first one carries the model's, all say where they belong. */
export function partMetadata(
  own: readonly (readonly [string, MetadataValue])[],
  index: number,
  count: number,
  nTensors: number,
): (readonly [string, MetadataValue])[] {
  return [
    // data of every file is aligned as the model's
    ...(index === 0 ? own : own.filter(([key]) => key === "general.alignment")),
    // types as gguf-split's
    [SPLIT_NO, { type: "u16", value: index }],
    [SPLIT_COUNT, { type: "u16", value: count }],
    [SPLIT_TENSORS, { type: "i32", value: nTensors }],
  ];
}
