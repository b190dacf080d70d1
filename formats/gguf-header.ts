// One GGUF file (version 2 or 3, little-endian): magic, counts, key-value pairs and the tensor directory,
// read and checked. Everything here treats the file as hostile: no count is believed before the bytes that
// it promises are known to exist. Source: the GGUF specification in ggml (docs/gguf.md).
import { Cursor } from "./cursor.ts";
import { GgufError, quote } from "./errors.ts";
import { alignmentOf, MAX_KEY_BYTES } from "./gguf-limits.ts";
import {
  type PlacedTensor,
  placeTensors,
  readTensorEntry,
  type TensorEntry,
} from "./gguf-tensors.ts";
import { readString, readValue, type ValueContext } from "./gguf-values.ts";
import { Metadata } from "./metadata.ts";
import type { Source } from "./source.ts";

export interface GgufHeader {
  readonly version: number;
  readonly alignment: number;
  /** Offset in the file where tensor data begins. */
  readonly dataOffset: number;
  readonly metadata: Metadata;
  /** In file order. */
  readonly tensors: PlacedTensor[];
}

/** Bytes of header that are read at most: real ones stay under 32 MiB, and memory is a small multiple. */
export const DEFAULT_MAX_HEADER_BYTES = 256 * 1024 * 1024;

// Far above real files (about 500 keys, 50,000 tensors), low enough to bound the memory for their objects.
const MAX_KEYS = 65_536;
const MAX_TENSORS = 262_144;
const MIN_KEY_BYTES = 14; // name length, one character, value type, one-byte value
const MIN_TENSOR_BYTES = 25; // name length, one character, no dimensions, type, offset

const V2 = 2; // 64-bit counts
const V3 = 3; // the same bytes; declares that big-endian files exist

/** Reads and checks the header of one file. Throws GgufError; errors of `source.read` pass through. */
export async function readHeader(source: Source, maxHeaderBytes: number): Promise<GgufHeader> {
  const cursor = new Cursor(source, maxHeaderBytes);
  const version = await readVersion(cursor);
  await cursor.ensure(16, "header");
  const nTensors = cursor.count("tensor count", MIN_TENSOR_BYTES, MAX_TENSORS);
  const nKeys = cursor.count("key count", MIN_KEY_BYTES, MAX_KEYS);

  const metadata = new Metadata(source.name);
  const context: ValueContext = { nestedArrays: 0 };
  for (let i = 0; i < nKeys; i++) {
    const at = cursor.offset;
    const key = await readString(cursor, `key ${i + 1} of ${nKeys}`, MAX_KEY_BYTES);
    if (key === "" || metadata.has(key)) {
      throw new GgufError({
        subject: `key ${i + 1} of ${nKeys}`,
        expected: "a name that no other key has",
        found: key === "" ? "an empty name" : `${quote(key)} again`,
        source: source.name,
        offset: at,
      });
    }
    metadata.set(key, await readValue(cursor, key, context));
  }
  const alignment = alignmentOf(metadata);

  const tensors: TensorEntry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < nTensors; i++) {
    tensors.push(await readTensorEntry(cursor, i, nTensors, names));
  }
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment;
  const placed = placeTensors(tensors, dataOffset, alignment, source);
  return { version, alignment, dataOffset, metadata, tensors: placed };
}

async function readVersion(cursor: Cursor): Promise<number> {
  const { name } = cursor.source;
  await cursor.ensure(Math.min(8, cursor.source.size), "header");
  const start = cursor.bytes.slice(0, 8);
  if (String.fromCharCode(...start.subarray(0, 4)) !== "GGUF" || start.length < 8) {
    throw new GgufError({
      subject: "magic",
      expected: '"GGUF" and a version',
      found: describeStart(start),
      source: name,
      offset: 0,
      remedy: remedyForStart(start),
    });
  }
  cursor.skip(4);
  const version = cursor.u32();
  if (version === V2 || version === V3) return version;
  const bigEndian = (version & 0xffff) === 0 && version !== 0;
  throw new GgufError({
    subject: "GGUF version",
    expected: "2 or 3, little-endian",
    found: bigEndian ? `a big-endian file of version ${version >>> 24}` : String(version),
    source: name,
    offset: 4,
    remedy: bigEndian
      ? "convert it with gguf-py's gguf_convert_endian.py"
      : version === 1
        ? "version 1 ended in 2023: convert the model again"
        : "the file may be damaged, or newer than this version of samebit",
  });
}

function describeStart(start: Uint8Array): string {
  if (start.length === 0) return "an empty file";
  const text = String.fromCharCode(...start);
  return `${quote(text)}${start.length < 8 ? " and the end of the file" : ""}`;
}

// What people really pass instead of a GGUF file.
function remedyForStart(start: Uint8Array): string {
  const text = String.fromCharCode(...start);
  if (text.startsWith("version "))
    return "this is a Git LFS pointer: fetch the file itself (git lfs pull)";
  if (/^\s*<(!|h)/i.test(text)) return "this is a web page: the download went to the wrong address";
  if (text.startsWith("PK")) return "this is a ZIP or PyTorch file: convert it to GGUF first";
  if (/^(lmgg|fmgg|tjgg|algg)/.test(text))
    return "this is a file from before GGUF: convert the model again";
  if (text.endsWith("\0\0\0") || text.endsWith("{"))
    return "is it a safetensors file? Convert it to GGUF first";
  return "is it a GGUF file?";
}
