// GGUF bytes put together by hand, independent of the writer under test, so that tests can make files that
// no sane writer would. `rawGguf` lays out a file; each part is bytes or a value of the helpers below.
import { bytesSource, type Source } from "../../formats/source.ts";

export type Bytes = number[];

const le = (value: number | bigint, size: number): Bytes => {
  const bits = BigInt.asUintN(size * 8, BigInt(value));
  return Array.from({ length: size }, (_, i) => Number((bits >> BigInt(8 * i)) & 0xffn));
};
export const u8 = (n: number): Bytes => le(n, 1);
export const u16 = (n: number): Bytes => le(n, 2);
export const u32 = (n: number): Bytes => le(n, 4);
export const u64 = (n: number | bigint): Bytes => le(n, 8);
export const f32 = (n: number): Bytes => [...new Uint8Array(Float32Array.of(n).buffer)];
export const f64 = (n: number): Bytes => [...new Uint8Array(Float64Array.of(n).buffer)];
export const raw = (text: string): Bytes => [...new TextEncoder().encode(text)];
export const str = (text: string): Bytes => [...u64(raw(text).length), ...raw(text)];

/** Numbers of the value types, as the specification lists them. */
export const T = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** A key with its type number and value bytes. */
export const kv = (key: string, type: number, value: Bytes): Bytes => [
  ...str(key),
  ...u32(type),
  ...value,
];

/** The value bytes of an array: element type, count, elements. */
export const array = (type: number, count: number | bigint, ...elements: Bytes[]): Bytes => [
  ...u32(type),
  ...u64(count),
  ...elements.flat(),
];

/** A directory entry. */
export const tensor = (
  name: string,
  dims: (number | bigint)[],
  typeId: number,
  offset: number | bigint,
): Bytes => [
  ...str(name),
  ...u32(dims.length),
  ...dims.flatMap((n) => u64(n)),
  ...u32(typeId),
  ...u64(offset),
];

export interface RawFile {
  magic?: Bytes;
  version?: Bytes;
  nTensors?: number | bigint;
  nKeys?: number | bigint;
  keys?: Bytes[];
  tensors?: Bytes[];
  /** Pads the header to it (default 32). */
  alignment?: number;
  /** Bytes of zeros behind the padded header (default 0). */
  data?: number;
}

export function rawGguf(file: RawFile): Uint8Array {
  const { keys = [], tensors = [], alignment = 32, data = 0 } = file;
  const header = [
    ...(file.magic ?? raw("GGUF")),
    ...(file.version ?? u32(3)),
    ...u64(file.nTensors ?? tensors.length),
    ...u64(file.nKeys ?? keys.length),
    ...keys.flat(),
    ...tensors.flat(),
  ];
  const dataOffset = data === 0 ? header.length : Math.ceil(header.length / alignment) * alignment;
  const bytes = new Uint8Array(dataOffset + data);
  bytes.set(header);
  return bytes;
}

export const rawSource = (file: RawFile, name = "test.gguf"): Source =>
  bytesSource(name, rawGguf(file));
