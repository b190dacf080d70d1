// The counterpart of the reader's cursor: header fields and metadata values appended to a growing buffer,
// little-endian, each value checked to fit the type it is written as.
import { GgufError, quote } from "./errors.ts";
import { MAX_ARRAY_DEPTH } from "./gguf-limits.ts";
import { ARRAY_CLASSES, type MetadataArray, type MetadataValue, VALUE_TYPES } from "./metadata.ts";
import { encodeUtf8 } from "./utf8.ts";

// Smallest and largest value of each integer type.
const RANGES: Record<string, readonly [bigint, bigint]> = {
  u8: [0n, 0xffn],
  i8: [-0x80n, 0x7fn],
  u16: [0n, 0xffffn],
  i16: [-0x8000n, 0x7fffn],
  u32: [0n, 0xffff_ffffn],
  i32: [-0x8000_0000n, 0x7fff_ffffn],
  u64: [0n, 0xffff_ffff_ffff_ffffn],
  i64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
};

/** Whether `value` (a whole number) can be stored as integer type `type`. False for types that are not integers. */
export function fitsInteger(type: string, value: bigint): boolean {
  const range = RANGES[type];
  return range !== undefined && value >= range[0] && value <= range[1];
}

export class ByteBuilder {
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Everything appended so far. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number | bigint): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** The characters of `text` alone, without a length. */
  text(text: string): void {
    this.raw(encodeUtf8(text));
  }

  /** Length and bytes of a string that is already encoded. */
  string(bytes: Uint8Array): void {
    this.u64(bytes.length);
    this.raw(bytes);
  }

  /** Type and value of a key. `subject` names it in errors. */
  value(subject: string, value: MetadataValue): void {
    this.u32(VALUE_TYPES.indexOf(value.type));
    if (value.type === "array") {
      this.#array(subject, value.value, 1);
      return;
    }
    if (value.type === "string") {
      this.string(encodeUtf8(value.value));
      return;
    }
    checkValue(subject, value);
    const at = this.#grow(ARRAY_CLASSES[value.type].BYTES_PER_ELEMENT);
    switch (value.type) {
      case "bool":
      case "u8":
        return this.#view.setUint8(at, Number(value.value));
      case "i8":
        return this.#view.setInt8(at, value.value);
      case "u16":
        return this.#view.setUint16(at, value.value, true);
      case "i16":
        return this.#view.setInt16(at, value.value, true);
      case "u32":
        return this.#view.setUint32(at, value.value, true);
      case "i32":
        return this.#view.setInt32(at, value.value, true);
      case "f32":
        return this.#view.setFloat32(at, value.value, true);
      case "f64":
        return this.#view.setFloat64(at, value.value, true);
      case "u64":
        return this.#view.setBigUint64(at, value.value, true);
      case "i64":
        return this.#view.setBigInt64(at, value.value, true);
    }
  }

  #array(subject: string, { elementType, values }: MetadataArray, depth: number): void {
    if (depth > MAX_ARRAY_DEPTH) {
      throw new GgufError({
        subject,
        expected: `arrays nested at most ${MAX_ARRAY_DEPTH} deep`,
        found: "a deeper one",
      });
    }
    this.u32(VALUE_TYPES.indexOf(elementType));
    this.u64(values.length);
    if (elementType === "string") {
      for (const text of values as readonly string[]) this.string(encodeUtf8(text));
      return;
    }
    if (elementType === "array") {
      for (const inner of values as readonly MetadataArray[])
        this.#array(subject, inner, depth + 1);
      return;
    }
    const ArrayClass = ARRAY_CLASSES[elementType];
    const isClass = values instanceof ArrayClass;
    if (!isClass || (elementType === "bool" && !values.every((byte) => byte <= 1))) {
      throw new GgufError({
        subject,
        expected: `a ${ArrayClass.name} for elements of type ${elementType}`,
        found: isClass ? "bytes other than 0 and 1" : (values as object).constructor.name,
      });
    }
    // Host order is file order: see gguf-values.ts.
    this.raw(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  #grow(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

function checkValue(subject: string, { type, value }: MetadataValue): void {
  const isFloat = type === "f32" || type === "f64";
  const kind = type === "bool" ? "boolean" : type === "u64" || type === "i64" ? "bigint" : "number";
  const whole = typeof value === "bigint" || Number.isSafeInteger(value);
  const fits =
    typeof value === kind &&
    (type === "bool" || isFloat || (whole && fitsInteger(type, BigInt(value as number | bigint))));
  if (fits) return;
  throw new GgufError({
    subject,
    expected: `a ${kind} that fits ${type}`,
    found: `${typeof value} ${quote(String(value))}`,
  });
}
