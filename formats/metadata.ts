// The key-value pairs of a GGUF file: every value keeps the type it has in the file, so that a file read
// and written again is the same file. Readers of hyperparameters use the typed getters.
import { GgufError, quote } from "./errors.ts";

/** Value types of GGUF by their number in the file. */
export const VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

export type ValueType = (typeof VALUE_TYPES)[number];

/** The typed array that holds a numeric array of each type. A bool array holds bytes 0 and 1. */
export const ARRAY_CLASSES = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  bool: Uint8Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
} as const;

export type NumericType = keyof typeof ARRAY_CLASSES;

/**
 * An array value. `elementType` says what `values` is: the typed array of that type for numbers
 * (`Uint8Array` of 0 and 1 for bool, Big...64Array for u64 and i64), strings, or nested arrays.
 */
export type MetadataArray =
  | {
      readonly [T in NumericType]: ArrayOf<T, InstanceType<(typeof ARRAY_CLASSES)[T]>>;
    }[NumericType]
  | ArrayOf<"string", readonly string[]>
  | ArrayOf<"array", readonly MetadataArray[]>;

interface ArrayOf<T, V> {
  readonly elementType: T;
  readonly values: V;
}

/**
 * A value with its GGUF type. The rule for 64-bit integers: u64 and i64 are always `bigint`; every other
 * number is a `number` (an f32 keeps its exact value). `getNumber` converts where that is safe.
 */
export type MetadataValue =
  | {
      readonly type: "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64";
      readonly value: number;
    }
  | { readonly type: "u64" | "i64"; readonly value: bigint }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly value: MetadataArray };

/**
 * Metadata in file order. Every getter throws GgufError when the key is missing, unless a fallback is
 * given, and always when the value is of another kind.
 */
export class Metadata extends Map<string, MetadataValue> {
  /** Name of the file, for errors. */
  readonly source: string;

  constructor(source: string, entries: Iterable<readonly [string, MetadataValue]> = []) {
    super(entries);
    this.source = source;
  }

  getString(key: string): string;
  getString<F>(key: string, fallback: F): string | F;
  getString(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "a string", fallback, (v) =>
      v.type === "string" ? v.value : undefined,
    );
  }

  /** Any integer or float type as a number. A 64-bit integer beyond +-(2^53 - 1) is an error. */
  getNumber(key: string): number;
  getNumber<F>(key: string, fallback: F): number | F;
  getNumber(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "a number", fallback, asNumber);
  }

  /** Any integer type, as long as it holds 0 to 2^32 - 1. A float is an error even where it is whole. */
  getU32(key: string): number;
  getU32<F>(key: string, fallback: F): number | F;
  getU32(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "an integer from 0 to 2^32 - 1", fallback, (v) => {
      if (v.type === "f32" || v.type === "f64") return undefined;
      const n = asNumber(v);
      return n !== undefined && n >= 0 && n <= 0xffffffff ? n : undefined;
    });
  }

  getBool(key: string): boolean;
  getBool<F>(key: string, fallback: F): boolean | F;
  getBool(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "a bool", fallback, (v) => (v.type === "bool" ? v.value : undefined));
  }

  /** An array of any element type, as it is in the file. */
  getArray(key: string): MetadataArray;
  getArray<F>(key: string, fallback: F): MetadataArray | F;
  getArray(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "an array", fallback, (v) => (v.type === "array" ? v.value : undefined));
  }

  /** An array of strings. The array is the stored one: do not change it. */
  getStrings(key: string): readonly string[];
  getStrings<F>(key: string, fallback: F): readonly string[] | F;
  getStrings(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "an array of strings", fallback, (v) => {
      if (v.type !== "array") return undefined;
      if (v.value.elementType === "string") return v.value.values;
      // Some writers give an empty array the wrong element type.
      return v.value.values.length === 0 ? [] : undefined;
    });
  }

  /** An array of integers or floats as plain numbers (a copy). 64-bit integers as in `getNumber`. */
  getNumbers(key: string): number[];
  getNumbers<F>(key: string, fallback: F): number[] | F;
  getNumbers(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "an array of numbers", fallback, (v) => {
      if (v.type !== "array") return undefined;
      const { elementType, values } = v.value;
      if (values.length === 0) return [];
      if (elementType === "string" || elementType === "array" || elementType === "bool")
        return undefined;
      const numbers = Array.from(values as ArrayLike<number | bigint>, Number);
      return elementType.endsWith("64") &&
        elementType !== "f64" &&
        !numbers.every(Number.isSafeInteger)
        ? undefined
        : numbers;
    });
  }

  /** An array of bools (a copy). */
  getBools(key: string): boolean[];
  getBools<F>(key: string, fallback: F): boolean[] | F;
  getBools(key: string, ...fallback: unknown[]): unknown {
    return this.#find(key, "an array of bools", fallback, (v) => {
      if (v.type !== "array") return undefined;
      if (v.value.values.length === 0) return [];
      return v.value.elementType === "bool"
        ? Array.from(v.value.values, (b) => b !== 0)
        : undefined;
    });
  }

  // `fallback` is [] when the caller gave none: an explicit undefined is a fallback too.
  #find(
    key: string,
    expected: string,
    fallback: unknown[],
    convert: (value: MetadataValue) => unknown,
  ): unknown {
    const value = this.get(key);
    if (value === undefined && fallback.length > 0) return fallback[0];
    const result = value === undefined ? undefined : convert(value);
    if (result !== undefined) return result;
    throw new GgufError({
      subject: `key ${quote(key)}`,
      expected,
      found: value === undefined ? "no such key" : describeValue(value),
      source: this.source,
      remedy:
        "the file does not fit its purpose, or was converted wrongly; --override-kv can set single values",
    });
  }
}

/** `u32 4096`, `string "llama"`, `array of 32000 strings`: a value in a few words, for errors. */
export function describeValue(v: MetadataValue): string {
  if (v.type === "array") return `an array of ${v.value.values.length} x ${v.value.elementType}`;
  return `${v.type} ${v.type === "string" ? quote(v.value) : String(v.value)}`;
}

function asNumber(v: MetadataValue): number | undefined {
  if (typeof v.value === "number") return v.value;
  if (typeof v.value !== "bigint") return undefined;
  const n = Number(v.value);
  return Number.isSafeInteger(n) ? n : undefined;
}
