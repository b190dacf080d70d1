// llama.cpp's `--override-kv KEY=TYPE:VALUE`: a metadata value set by the user, for files whose converter
// got it wrong. Applied after reading, before anything looks at the metadata.
import { GgufError, quote } from "./errors.ts";
import type { Gguf } from "./gguf.ts";
import { fitsInteger } from "./gguf-bytes.ts";
import { describeValue, Metadata, type MetadataValue } from "./metadata.ts";

/** One parsed override. `int` and `float` have no size yet: they take that of the value they replace. */
export type Override = { readonly key: string } & (
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "str"; readonly value: string }
);

// A comma ends an override only where the next one begins, so that string values may contain commas.
const NEXT = /,(?=[^,=]+=(?:int|float|bool|str):)/;
const PARTS = /^([^=]+)=(int|float|bool|str):(.*)$/s;
const INTEGER = /^[+-]?\d{1,20}$/;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Parses `KEY=TYPE:VALUE`, or several of them separated by commas; TYPE is int, float, bool or str.
 * Unlike llama.cpp it refuses numbers with anything behind them. Throws GgufError.
 */
export function parseOverrides(text: string): Override[] {
  return text.split(NEXT).map(parseOne);
}

function parseOne(text: string): Override {
  const match = PARTS.exec(text);
  if (!match) throw unfit(text, "KEY=TYPE:VALUE with TYPE int, float, bool or str");
  const [, key, type, value] = match;
  switch (type) {
    case "int": {
      const n = INTEGER.test(value) ? BigInt(value.replace("+", "")) : undefined;
      if (n === undefined || !(fitsInteger("i64", n) || fitsInteger("u64", n))) {
        throw unfit(text, "a decimal integer of at most 64 bits");
      }
      return { key, type, value: n };
    }
    case "float":
      if (!DECIMAL.test(value)) throw unfit(text, "a decimal number");
      return { key, type, value: Number(value) };
    case "bool":
      if (value !== "true" && value !== "false") throw unfit(text, "true or false");
      return { key, type, value: value === "true" };
    default:
      return { key, type: "str", value };
  }
}

function unfit(text: string, expected: string): GgufError {
  return new GgufError({
    subject: "--override-kv",
    expected,
    found: quote(text),
    remedy: "for example: --override-kv tokenizer.ggml.add_bos_token=bool:false",
  });
}

/**
 * The model with some metadata replaced or added; `gguf` itself is unchanged. A replaced value keeps the
 * type it has in the file; a new one becomes i64, f64, bool or string. Throws GgufError when the kinds
 * differ (llama.cpp ignores such an override) or the value does not fit. Offsets and splitting have
 * been settled by then: overriding general.alignment or split.* has no effect on where tensors lie.
 */
export function applyOverrides(gguf: Gguf, overrides: readonly Override[]): Gguf {
  const metadata = new Metadata(gguf.metadata.source, gguf.metadata);
  for (const override of overrides) {
    metadata.set(override.key, replacement(override, metadata.get(override.key), metadata.source));
  }
  return { ...gguf, metadata };
}

function replacement(
  override: Override,
  old: MetadataValue | undefined,
  source: string,
): MetadataValue {
  const mismatch = (expected: string): GgufError =>
    new GgufError({
      subject: `--override-kv ${quote(override.key)}`,
      expected,
      found: `${override.type}:${override.value}`,
      source,
      remedy: `the file has ${old === undefined ? "no such key" : describeValue(old)}`,
    });
  switch (override.type) {
    case "str":
      if (old !== undefined && old.type !== "string") throw mismatch(expectedKind(old));
      return { type: "string", value: override.value };
    case "bool":
      if (old !== undefined && old.type !== "bool") throw mismatch(expectedKind(old));
      return { type: "bool", value: override.value };
    case "float":
      if (old !== undefined && old.type !== "f32" && old.type !== "f64")
        throw mismatch(expectedKind(old));
      return old?.type === "f32"
        ? { type: "f32", value: Math.fround(override.value) }
        : { type: "f64", value: override.value };
    case "int": {
      const type = old?.type ?? "i64";
      const kind = old === undefined ? "int" : expectedKind(old);
      if (kind !== "int") throw mismatch(kind);
      if (!fitsInteger(type, override.value)) throw mismatch(`an integer that fits ${type}`);
      return type === "u64" || type === "i64"
        ? { type, value: override.value }
        : ({ type, value: Number(override.value) } as MetadataValue);
    }
  }
}

/** The override type that can replace `old`. */
function expectedKind(old: MetadataValue): string {
  if (old.type === "array") return "a key that is not an array";
  if (old.type === "string") return "str";
  if (old.type === "bool") return "bool";
  return old.type === "f32" || old.type === "f64" ? "float" : "int";
}
