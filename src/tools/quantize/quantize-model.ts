// A model quantised: the plan (plan.ts) as contents for the GGUF writer, which asks for one tensor after the other
// (convert.ts). What is written where is the caller's business (src/cli/quantize.ts).

import {
  type Gguf,
  type GgufContents,
  type Imatrix,
  type TensorInfo,
  tensorPieces,
  type TensorToWrite,
  typeByName,
} from "../../../formats/index.ts";
import { type Quantizer, quantizableTypes, typesThatNeedImatrix } from "../../quantize.ts";
import { supportedTypes } from "../../quants.ts";
import { partMetadata } from "../split.ts";
import { type ConvertOptions, convertTensor } from "./convert.ts";
import { quantizedMetadata } from "./output-metadata.ts";
import type { PlannedTensor, QuantizerTypes } from "./plan.ts";

export interface OutputOptions extends ConvertOptions {
  /** Number of the file type (general.file_type); undefined: what the input says. */
  readonly ftype: number | undefined;
  /** Named in the file. */
  readonly imatrix?: { readonly file: string; readonly matrix: Imatrix };
  /** As many files as the input has. */
  readonly keepSplit?: boolean;
}

/** What the kernels read and write. */
export async function quantizerTypes(): Promise<QuantizerTypes> {
  // rows that lie interleaved, or share a scale, cannot be read one by one
  const bySingleRows = (name: string) => {
    const { rowsInterleaved, tensorTailBytes } = typeByName(name);
    return rowsInterleaved === 1 && tensorTailBytes === 0;
  };
  return {
    written: new Set((await quantizableTypes()).filter(bySingleRows)),
    read: new Set((await supportedTypes()).filter(bySingleRows)),
    needImatrix: new Set(await typesThatNeedImatrix()),
  };
}

/**
 * What each file of the output holds. `gguf` and `quantizer` must stay open until all are written, one after the other.
 * Without `quantizer` only for ggufBytes.
 */
export function quantizedContents(
  gguf: Gguf,
  plan: readonly PlannedTensor[],
  quantizer: Quantizer | undefined,
  options: OutputOptions,
): GgufContents[] {
  const toWrite = (tensor: PlannedTensor): TensorToWrite => {
    const { source, type } = tensor,
      { name, shape } = source;
    return {
      name,
      shape,
      type,
      data: () =>
        type === source.type
          ? copyTensor(gguf, source, options)
          : convertTensor(gguf, tensor, quantizer!, options),
    };
  };
  const metadata = quantizedMetadata(gguf, options.ftype, options.imatrix);
  if (!options.keepSplit || gguf.sources.length === 1)
    return [{ metadata, tensors: plan.map(toWrite) }];
  return gguf.sources.map((_, index) => ({
    metadata: partMetadata(metadata, index, gguf.sources.length, plan.length),
    tensors: plan.filter(({ source }) => source.sourceIndex === index).map(toWrite),
  }));
}

async function* copyTensor(
  gguf: Gguf,
  tensor: TensorInfo,
  { signal, onBytes }: ConvertOptions,
): AsyncGenerator<Uint8Array> {
  for await (const piece of tensorPieces(gguf, tensor)) {
    signal?.throwIfAborted();
    yield piece;
    onBytes?.(piece.length);
  }
}
