// Writing GGUF version 3: the header is laid out in memory, tensor data streams from its providers to a
// sink, so that a model of any size can be written. The layout is ggml's own (tensors in order, each padded
// to the alignment), so that reading a file of that layout and writing it again gives the same bytes.
import { GgufError, quote } from "./errors.ts";
import type { Gguf, TensorInfo } from "./gguf.ts";
import { ByteBuilder } from "./gguf-bytes.ts";
import { alignmentOf, MAX_DIMS, MAX_KEY_BYTES, MAX_NAME_BYTES } from "./gguf-limits.ts";
import { Metadata, type MetadataValue } from "./metadata.ts";
import { SPLIT_COUNT, SPLIT_NO, SPLIT_TENSORS } from "./split.ts";
import { type GgmlType, tensorBytes } from "./types.ts";
import { encodeUtf8 } from "./utf8.ts";

/** Where a file is written to: bytes in order, from the start. */
export interface Sink {
  /** Takes all of `bytes`. It may keep them and must not change them; an error it throws ends the writing. */
  write(bytes: Uint8Array): void | Promise<void>;
}

/** Bytes of a tensor: at once, or in pieces that are asked for one after the other. */
export type TensorData =
  | Uint8Array
  | (() => Uint8Array | Promise<Uint8Array> | Iterable<Uint8Array> | AsyncIterable<Uint8Array>);

export interface TensorToWrite {
  readonly name: string;
  readonly type: GgmlType;
  /** GGUF order: the row length first. */
  readonly shape: readonly number[];
  /** Exactly `tensorBytes(type, shape)` bytes. A function is called when the tensor's turn comes. */
  readonly data: TensorData;
}

export interface GgufContents {
  /** In the order they are to stand in the file. `general.alignment` (u32, default 32) is obeyed. */
  readonly metadata: Iterable<readonly [string, MetadataValue]>;
  readonly tensors: Iterable<TensorToWrite>;
}

/**
 * Writes a GGUF file of version 3 and answers its size in bytes. Throws GgufError before the first byte
 * is written when names, values or shapes are unfit (duplicate, too long, out of the range of their
 * type), and later when a provider gives more or fewer bytes than its tensor has.
 */
export async function writeGguf(sink: Sink, contents: GgufContents): Promise<number> {
  const { tensors, sizes, header, dataOffset, alignment, bytes } = layOut(contents);
  await sink.write(header);
  await pad(sink, dataOffset - header.length);
  for (const [i, tensor] of tensors.entries()) {
    await writeTensor(sink, tensor, sizes[i]);
    await pad(sink, padded(sizes[i], alignment) - sizes[i]);
  }
  return bytes;
}

/** Bytes of the file that writeGguf would write; no tensor's data is asked for. Throws as it does. */
export function ggufBytes(contents: GgufContents): number {
  return layOut(contents).bytes;
}

function layOut(contents: GgufContents) {
  const tensors = [...contents.tensors];
  const metadata = [...contents.metadata];
  const alignment = alignmentOf(new Metadata("output", metadata));
  const header = new ByteBuilder();
  header.text("GGUF");
  header.u32(3);
  header.u64(tensors.length);
  header.u64(metadata.length);
  const keys = new Set<string>();
  for (const [key, value] of metadata) {
    header.string(checkedName("key", key, MAX_KEY_BYTES, keys));
    header.value(`key ${quote(key)}`, value);
  }
  const names = new Set<string>();
  const sizes: number[] = [];
  let offset = 0;
  for (const { name, type, shape } of tensors) {
    header.string(checkedName("tensor", name, MAX_NAME_BYTES, names));
    if (shape.length > MAX_DIMS) {
      throw new GgufError({
        subject: `tensor ${quote(name)}`,
        expected: `at most ${MAX_DIMS} dimensions`,
        found: `[${shape.join(", ")}]`,
      });
    }
    const bytes = tensorBytes(type, shape);
    header.u32(shape.length);
    for (const n of shape) header.u64(n);
    header.u32(type.id);
    header.u64(offset);
    sizes.push(bytes);
    offset += padded(bytes, alignment);
  }
  const headerBytes = header.finish();
  // As gguf-py does it (ggml reads both): a file without tensors ends with its header.
  const dataOffset =
    tensors.length > 0 ? padded(headerBytes.length, alignment) : headerBytes.length;
  return {
    tensors,
    sizes,
    header: headerBytes,
    dataOffset,
    alignment,
    bytes: dataOffset + offset,
  };
}

/**
 * What to write to copy a model that was read: its metadata, and its tensors streamed from their sources.
 * A split model becomes one file: the keys that describe the series are left out.
 */
export function contentsOf(gguf: Gguf): GgufContents {
  const metadata = [...gguf.metadata].filter(
    ([key]) => gguf.sources.length === 1 || ![SPLIT_NO, SPLIT_COUNT, SPLIT_TENSORS].includes(key),
  );
  const tensors = [...gguf.tensors.values()].map((tensor) => {
    const { name, type, shape } = tensor;
    return { name, type, shape, data: () => tensorPieces(gguf, tensor) };
  });
  return { metadata, tensors };
}

// 4 MiB: large enough that the cost per read vanishes, small beside any model.
const PIECE = 4 * 1024 * 1024;

/** A tensor's bytes as they are in its file, a few MiB at a time. */
export async function* tensorPieces(
  gguf: Gguf,
  { offset, bytes, sourceIndex }: TensorInfo,
): AsyncIterable<Uint8Array> {
  const source = gguf.sources[sourceIndex];
  for (let done = 0; done < bytes; done += PIECE) {
    yield await source.read(offset + done, Math.min(PIECE, bytes - done));
  }
}

async function writeTensor(
  sink: Sink,
  { name, data }: TensorToWrite,
  bytes: number,
): Promise<void> {
  const provided = ArrayBuffer.isView(data) ? data : await data();
  let written = 0;
  for await (const piece of ArrayBuffer.isView(provided) ? [provided] : provided) {
    written += piece.length;
    if (written > bytes) break;
    await sink.write(piece);
  }
  if (written === bytes) return;
  throw new GgufError({
    subject: `tensor ${quote(name)}`,
    expected: `${bytes} bytes of data`,
    found: written > bytes ? `at least ${written}` : String(written),
    remedy: "the file written so far is incomplete: remove it",
  });
}

async function pad(sink: Sink, bytes: number): Promise<void> {
  if (bytes > 0) await sink.write(new Uint8Array(bytes));
}

function padded(length: number, alignment: number): number {
  return Math.ceil(length / alignment) * alignment;
}

function checkedName(kind: string, name: string, maxBytes: number, seen: Set<string>): Uint8Array {
  const bytes = encodeUtf8(name);
  if (bytes.length === 0 || bytes.length > maxBytes || seen.has(name)) {
    throw new GgufError({
      subject: `${kind} ${quote(name)}`,
      expected: `a unique name of 1 to ${maxBytes} bytes`,
      found: seen.has(name) ? "a second one" : `${bytes.length} bytes`,
    });
  }
  seen.add(name);
  return bytes;
}
