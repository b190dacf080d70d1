// Reads the tokenizer's keys out of GGUF metadata, each with its type checked. The values come
// from a file: every mistake is a TokenizerError that names the key.
import { describeValue, type MetadataValue } from "../../formats/metadata.ts";
import { TokenizerError } from "./errors.ts";

/** What a tokenizer needs of a GGUF file. `Gguf` of formats/ has it. */
export interface VocabularySource {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
}

const CONVERT_AGAIN = "convert the model again with a current converter";

/** Typed access to metadata. A missing key is `undefined`; a wrong type throws. */
export class VocabularyMetadata {
  readonly #values: ReadonlyMap<string, MetadataValue>;

  constructor(source: VocabularySource) {
    this.#values = source.metadata;
  }

  string(key: string): string | undefined {
    const v = this.#values.get(key);
    if (v === undefined || v.type === "string") return v?.value;
    throw this.wrong(key, "a string");
  }

  bool(key: string): boolean | undefined {
    const v = this.#values.get(key);
    if (v === undefined || v.type === "bool") return v?.value;
    throw this.wrong(key, "a bool");
  }

  /** A non-negative integer. */
  index(key: string): number | undefined {
    const v = this.#values.get(key);
    if (v === undefined) return undefined;
    const n = typeof v.value === "bigint" || typeof v.value === "number" ? Number(v.value) : -1;
    if (v.type !== "f32" && v.type !== "f64" && n >= 0 && Number.isSafeInteger(n)) return n;
    // Converters write -1 for "none" in signed keys.
    if (v.type === "i32" && v.value === -1) return undefined;
    throw this.wrong(key, "a non-negative integer");
  }

  strings(key: string): readonly string[] | undefined {
    const v = this.#values.get(key);
    if (v === undefined) return undefined;
    if (v.type === "array") {
      if (v.value.elementType === "string") return v.value.values;
      // Some writers give an empty array the wrong element type.
      if (v.value.values.length === 0) return [];
    }
    throw this.wrong(key, "an array of strings");
  }

  /** An array of `count` (or more) f32 or i32 values; `f32: false` leaves i32 alone. */
  numbers(key: string, count: number, f32: boolean): Float32Array | Int32Array | undefined {
    const v = this.#values.get(key);
    if (v === undefined) return undefined;
    const array = v.type === "array" ? v.value : undefined;
    if (array?.elementType === "i32" || (f32 && array?.elementType === "f32")) {
      if (array.values.length >= count) return array.values;
      throw this.wrong(key, `${count} values, one for each token`);
    }
    throw this.wrong(key, `an array of ${f32 ? "f32 or i32" : "i32"}`);
  }

  bytes(key: string): Uint8Array | undefined {
    const v = this.#values.get(key);
    if (v === undefined) return undefined;
    const array = v.type === "array" ? v.value : undefined;
    if (array?.elementType === "u8" || array?.elementType === "i8") {
      return new Uint8Array(array.values.buffer, array.values.byteOffset, array.values.length);
    }
    throw this.wrong(key, "an array of bytes");
  }

  wrong(key: string, expected: string, remedy = CONVERT_AGAIN): TokenizerError {
    const v = this.#values.get(key);
    const found = v === undefined ? "no such key" : describeValue(v);
    return new TokenizerError({ subject: key, expected, found, remedy });
  }
}
