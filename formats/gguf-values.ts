// Strings and metadata values out of a file header, each checked against the bytes that are really there.
import type { Cursor } from "./cursor.ts";
import { DOWNLOAD_AGAIN, GgufError, quote } from "./errors.ts";
import { MAX_ARRAY_DEPTH } from "./gguf-limits.ts";
import {
  ARRAY_CLASSES,
  type MetadataArray,
  type MetadataValue,
  VALUE_TYPES,
  type ValueType,
} from "./metadata.ts";
import { decodeUtf8 } from "./utf8.ts";

// Bounds the memory for small objects: an empty array takes 12 bytes in the file and 10 times that here.
const MAX_NESTED_ARRAYS = 65_536;

/** Counts over the whole header. */
export interface ValueContext {
  nestedArrays: number;
}

/** A length-prefixed string of at most `maxBytes` bytes. `what` names it in errors. */
export async function readString(cursor: Cursor, what: string, maxBytes?: number): Promise<string> {
  await cursor.ensure(8, what);
  const length = cursor.count(`length of ${what}`, 1, maxBytes);
  await cursor.ensure(length, what);
  const text = decodeUtf8(cursor.bytes, cursor.position, cursor.position + length);
  cursor.skip(length);
  return text;
}

/** The type and value of `key`. */
export async function readValue(
  cursor: Cursor,
  key: string,
  context: ValueContext,
): Promise<MetadataValue> {
  const what = `value of ${quote(key)}`;
  const type = await readType(cursor, what);
  if (type === "string") return { type, value: await readString(cursor, what) };
  if (type === "array") return { type, value: await readArray(cursor, what, context, 1) };
  const { BYTES_PER_ELEMENT: size } = ARRAY_CLASSES[type];
  await cursor.ensure(size, what);
  const { view, position: at } = cursor;
  cursor.skip(size);
  switch (type) {
    case "u8":
      return { type, value: view.getUint8(at) };
    case "i8":
      return { type, value: view.getInt8(at) };
    case "u16":
      return { type, value: view.getUint16(at, true) };
    case "i16":
      return { type, value: view.getInt16(at, true) };
    case "u32":
      return { type, value: view.getUint32(at, true) };
    case "i32":
      return { type, value: view.getInt32(at, true) };
    case "f32":
      return { type, value: view.getFloat32(at, true) };
    case "f64":
      return { type, value: view.getFloat64(at, true) };
    case "u64":
      return { type, value: view.getBigUint64(at, true) };
    case "i64":
      return { type, value: view.getBigInt64(at, true) };
    case "bool":
      checkBool(cursor, what, view.getUint8(at), cursor.offset - 1);
      return { type, value: view.getUint8(at) === 1 };
  }
}

async function readType(cursor: Cursor, what: string): Promise<ValueType> {
  await cursor.ensure(4, what);
  const offset = cursor.offset;
  const id = cursor.u32();
  if (id < VALUE_TYPES.length) return VALUE_TYPES[id];
  throw new GgufError({
    subject: what,
    expected: `a value type from 0 to ${VALUE_TYPES.length - 1}`,
    found: String(id),
    source: cursor.source.name,
    offset,
    remedy: DOWNLOAD_AGAIN,
  });
}

async function readArray(
  cursor: Cursor,
  what: string,
  context: ValueContext,
  depth: number,
): Promise<MetadataArray> {
  const elementType = await readType(cursor, what);
  const countWhat = `element count of ${what}`;
  await cursor.ensure(8, countWhat);
  if (elementType === "string") {
    const count = cursor.count(countWhat, 8);
    return { elementType, values: await readStrings(cursor, what, count) };
  }
  if (elementType === "array") {
    const offset = cursor.offset;
    const count = cursor.count(countWhat, 12);
    context.nestedArrays += count;
    if (depth >= MAX_ARRAY_DEPTH || context.nestedArrays > MAX_NESTED_ARRAYS) {
      throw new GgufError({
        subject: what,
        expected: `arrays nested at most ${MAX_ARRAY_DEPTH} deep, ${MAX_NESTED_ARRAYS} in all`,
        found: depth >= MAX_ARRAY_DEPTH ? "a deeper one" : "more",
        source: cursor.source.name,
        offset,
      });
    }
    const values: MetadataArray[] = [];
    for (let i = 0; i < count; i++) values.push(await readArray(cursor, what, context, depth + 1));
    return { elementType, values };
  }
  const ArrayClass = ARRAY_CLASSES[elementType];
  const count = cursor.count(countWhat, ArrayClass.BYTES_PER_ELEMENT);
  const offset = cursor.offset;
  const bytes = await cursor.copy(count * ArrayClass.BYTES_PER_ELEMENT, what);
  if (elementType === "bool") bytes.forEach((byte, i) => checkBool(cursor, what, byte, offset + i));
  // The file's bytes are the array's: every host that runs WebAssembly threads is little-endian.
  return { elementType, values: new ArrayClass(bytes.buffer) } as MetadataArray;
}

// The hot loop of a vocabulary: whole strings straight out of the buffer. Whatever is not whole there, or
// claims an absurd length, goes through readString, which waits for more or throws.
async function readStrings(cursor: Cursor, what: string, count: number): Promise<string[]> {
  const values: string[] = [];
  while (values.length < count) {
    const { bytes, view } = cursor;
    let at = cursor.position;
    while (values.length < count && at + 8 <= bytes.length) {
      const length = view.getUint32(at, true);
      if (length > bytes.length - at - 8 || view.getUint32(at + 4, true) !== 0) break;
      values.push(decodeUtf8(bytes, at + 8, at + 8 + length));
      at += 8 + length;
    }
    cursor.skip(at - cursor.position);
    if (values.length < count) {
      values.push(await readString(cursor, `element ${values.length} of ${what}`));
    }
  }
  return values;
}

function checkBool(cursor: Cursor, what: string, byte: number, offset: number): void {
  if (byte <= 1) return;
  throw new GgufError({
    subject: what,
    expected: "0 or 1 for a bool",
    found: String(byte),
    source: cursor.source.name,
    offset,
    remedy: DOWNLOAD_AGAIN,
  });
}
