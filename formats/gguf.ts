// Reading a model: one GGUF file, or a series of split files, into metadata and a directory of tensors.
// Tensor data stays where it is; whoever wants it reads it from the sources by offset.
import { GgufError, quote } from "./errors.ts";
import { DEFAULT_MAX_HEADER_BYTES, type GgufHeader, readHeader } from "./gguf-header.ts";
import type { Metadata } from "./metadata.ts";
import type { Source } from "./source.ts";
import { SPLIT_COUNT, SPLIT_NO, SPLIT_TENSORS, splitPlace, splitSiblings } from "./split.ts";
import type { GgmlType } from "./types.ts";

/** Where a tensor is and what it is. Checked: the bytes exist, are aligned and belong to it alone. */
export interface TensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** GGUF order: the row length (ne0) first. 0 to 4 dimensions, each at least 1. */
  readonly shape: readonly number[];
  /** Product of `shape`. */
  readonly nWeights: number;
  /** Bytes from the start of its file. */
  readonly offset: number;
  /** Size of the data in bytes, as `tensorBytes(type, shape)` computes it. */
  readonly bytes: number;
  /** Index into `Gguf.sources`: 0 unless the model is split. */
  readonly sourceIndex: number;
}

/** A model file, or a series of split files read as one. */
export interface Gguf {
  /** 2 or 3. */
  readonly version: number;
  /** Bytes; `general.alignment` of the first file, or 32. */
  readonly alignment: number;
  /** In file order, with typed getters. Of the first file, when split. */
  readonly metadata: Metadata;
  /** By name, in file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The files, in order. They stay open; `closeGguf` closes them. */
  readonly sources: readonly Source[];
}

export interface ReadGgufOptions {
  /** Opens a sibling of a split file by name (path or URL). Without it, only files that are whole can be read. */
  readonly open?: (name: string) => Source | Promise<Source>;
  /** Bytes of header to read at most in each file (default 256 MiB; the largest known need 32 MiB). */
  readonly maxHeaderBytes?: number;
}

/**
 * Reads the header of a model. Give one source, with `options.open` to let it find the other files of a
 * split model (any file of the series will do), or all sources of a split model in any order.
 *
 * Reads the headers only, in chunks of at most 4 MiB. Throws GgufError for anything wrong with the files;
 * errors of the sources themselves pass through. On an error, sources that it opened are closed, those
 * given are not.
 */
export async function readGguf(
  source: Source | readonly Source[],
  options: ReadGgufOptions = {},
): Promise<Gguf> {
  const maxHeaderBytes = options.maxHeaderBytes ?? DEFAULT_MAX_HEADER_BYTES;
  const given = isList(source) ? source : [source];
  if (given.length === 0) {
    throw new GgufError({ subject: "readGguf", expected: "at least one source", found: "none" });
  }
  const opened: Source[] = [];
  try {
    const parts: Part[] = [];
    for (const one of given) parts.push(await readPart(one, maxHeaderBytes));
    const { count } = parts[0];
    if (given.length === 1 && count > 1) {
      for (const name of siblingNames(parts[0], options)) {
        opened.push(await options.open!(name));
        parts.push(await readPart(opened.at(-1)!, maxHeaderBytes));
      }
    }
    return assemble(parts, count);
  } catch (error) {
    for (const one of opened) await one.close?.();
    throw error;
  }
}

/** Closes the files of a model. */
export async function closeGguf(gguf: Gguf): Promise<void> {
  for (const source of gguf.sources) await source.close?.();
}

/** The bytes of one tensor. For large tensors, or to fill WASM memory, use the source and offset directly. */
export async function readTensor(gguf: Gguf, tensor: TensorInfo): Promise<Uint8Array> {
  return gguf.sources[tensor.sourceIndex].read(tensor.offset, tensor.bytes);
}

/** One file of a series and its place in it, from its own keys. */
interface Part {
  readonly source: Source;
  readonly header: GgufHeader;
  readonly index: number;
  readonly count: number;
}

async function readPart(source: Source, maxHeaderBytes: number): Promise<Part> {
  const header = await readHeader(source, maxHeaderBytes);
  return { source, header, ...splitPlace(header.metadata) };
}

/** Names of the files of the series that are still to be opened. */
function siblingNames(part: Part, options: ReadGgufOptions): string[] {
  const { source, index, count } = part;
  const names = splitSiblings(source.name);
  if (names.length !== count || names[index] !== source.name) {
    const digits = [index + 1, count].map((n) => String(n).padStart(5, "0"));
    throw new GgufError({
      subject: "split model",
      expected: `a name that ends in -${digits[0]}-of-${digits[1]}.gguf`,
      found: quote(source.name),
      remedy:
        "give the files back the names that gguf-split gave them, or merge them with gguf-split --merge",
    });
  }
  const others = names.filter((_, i) => i !== index);
  if (options.open) return others;
  throw new GgufError({
    subject: "split model",
    expected: `all ${count} files`,
    found: `file ${index + 1} only`,
    source: source.name,
    remedy: `give the other files as well (${others[0]}${count > 2 ? " ..." : ""})`,
  });
}

function assemble(parts: Part[], count: number): Gguf {
  const series: Part[] = [];
  for (const part of parts) {
    const { source, index } = part;
    if (part.count !== count || parts.length !== count || series[index]) {
      throw new GgufError({
        subject: "split model",
        expected: `${count} files with ${SPLIT_NO} 0 to ${count - 1} and ${SPLIT_COUNT} ${count}`,
        found: `${parts.length} files, one with ${SPLIT_NO} ${index} and ${SPLIT_COUNT} ${part.count}`,
        source: source.name,
        remedy: "use all files of one model, each once",
      });
    }
    series[index] = part;
  }
  const { version, alignment, metadata } = series[0].header;
  const tensors = new Map<string, TensorInfo>();
  for (const [sourceIndex, { source, header }] of series.entries()) {
    for (const { name, type, shape, nWeights, offset, bytes } of header.tensors) {
      const earlier = tensors.get(name);
      if (earlier) {
        throw new GgufError({
          subject: `tensor ${quote(name)}`,
          expected: "a name that no other tensor has",
          found: `the same in ${series[earlier.sourceIndex].source.name}`,
          source: source.name,
        });
      }
      tensors.set(name, { name, type, shape, nWeights, offset, bytes, sourceIndex });
    }
  }
  const expected = metadata.getU32(SPLIT_TENSORS, tensors.size);
  if (count > 1 && expected !== tensors.size) {
    throw new GgufError({
      subject: SPLIT_TENSORS,
      expected: `${expected} tensors in ${count} files`,
      found: String(tensors.size),
      source: metadata.source,
      remedy: "a file of the series may be from another model",
    });
  }
  return { version, alignment, metadata, tensors, sources: series.map((part) => part.source) };
}

// Array.isArray does not narrow a readonly array.
function isList(source: Source | readonly Source[]): source is readonly Source[] {
  return Array.isArray(source);
}
