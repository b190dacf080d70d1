// What is in a GGUF file, as one JSON-able object and as a table for a terminal: metadata, tensors, and a
// summary per type. Pure: it looks at what the reader found and opens nothing.
import { printable } from "./errors.ts";
import type { Gguf } from "./gguf.ts";
import type { MetadataArray, MetadataValue } from "./metadata.ts";

/**
 * A metadata value as JSON can hold it. Integers beyond 2^53 - 1, NaN and infinities are strings; an f32 is
 * the shortest decimal that gives the same f32.
 */
export type InspectedScalar = string | number | boolean;

export type InspectedValue = { type: string; value: InspectedScalar } | InspectedArray;

export interface InspectedArray {
  type: "array";
  elementType: string;
  /** Counts all elements; `values` holds the first ones only: see `inspect`. */
  length: number;
  values: (InspectedScalar | InspectedArray)[];
}

export interface InspectedTensor {
  name: string;
  type: string;
  /** Row length first. */
  shape: number[];
  /** Index into `files`. */
  file: number;
  /** Bytes from the start of that file. */
  offset: number;
  bytes: number;
}

/** All tensors of one type. */
export interface TypeSummary {
  type: string;
  tensors: number;
  weights: number;
  bytes: number;
  bitsPerWeight: number;
}

export interface Inspection {
  version: number;
  alignment: number;
  files: { name: string; bytes: number }[];
  metadata: Record<string, InspectedValue>;
  tensors: InspectedTensor[];
  /** Largest share of bytes first. */
  types: TypeSummary[];
  totals: {
    fileBytes: number;
    tensors: number;
    /** Weights of all tensors. */
    parameters: number;
    tensorBytes: number;
    /** Over all tensors; 0 when there are none. */
    bitsPerWeight: number;
  };
}

export interface InspectOptions {
  /** Elements of each array to include (default 8). Infinity gives whole vocabularies. */
  readonly maxArrayValues?: number;
}

/** Describes a model. The answer is plain data that `JSON.stringify` takes as it is. */
export function inspect(gguf: Gguf, options: InspectOptions = {}): Inspection {
  const maxValues = options.maxArrayValues ?? 8;
  const tensors = [...gguf.tensors.values()];
  const types = new Map<string, TypeSummary>();
  for (const { type, nWeights, bytes } of tensors) {
    const empty = { type: type.name, tensors: 0, weights: 0, bytes: 0, bitsPerWeight: 0 };
    const summary = types.get(type.name) ?? empty;
    types.set(type.name, summary);
    summary.tensors++;
    summary.weights += nWeights;
    summary.bytes += bytes;
    summary.bitsPerWeight = (summary.bytes * 8) / summary.weights;
  }
  const files = gguf.sources.map(({ name, size }) => ({ name, bytes: size }));
  const parameters = sum(tensors, (t) => t.nWeights);
  const tensorBytes = sum(tensors, (t) => t.bytes);
  return {
    version: gguf.version,
    alignment: gguf.alignment,
    files,
    // fromEntries defines own properties, so that a key named __proto__ is data like any other.
    metadata: Object.fromEntries(
      Array.from(gguf.metadata, ([key, value]) => [key, inspectValue(value, maxValues)]),
    ),
    tensors: tensors.map(({ name, type, shape, sourceIndex, offset, bytes }) => {
      return { name, type: type.name, shape: [...shape], file: sourceIndex, offset, bytes };
    }),
    types: [...types.values()].sort((a, b) => b.bytes - a.bytes),
    totals: {
      fileBytes: sum(files, (f) => f.bytes),
      tensors: tensors.length,
      parameters,
      tensorBytes,
      bitsPerWeight: parameters === 0 ? 0 : (tensorBytes * 8) / parameters,
    },
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function inspectValue(value: MetadataValue, maxValues: number): InspectedValue {
  if (value.type === "array") return inspectArray(value.value, maxValues);
  return { type: value.type, value: scalar(value.type, value.value) };
}

function inspectArray({ elementType, values }: MetadataArray, maxValues: number): InspectedArray {
  const first: InspectedArray["values"] = [];
  for (let i = 0; i < values.length && i < maxValues; i++) {
    const value = values[i];
    first.push(
      typeof value === "object"
        ? inspectArray(value, maxValues)
        : elementType === "bool"
          ? value !== 0
          : scalar(elementType, value),
    );
  }
  return { type: "array", elementType, length: values.length, values: first };
}

function scalar(type: string, value: string | number | bigint | boolean): InspectedScalar {
  if (typeof value === "bigint") {
    const n = Number(value);
    return Number.isSafeInteger(n) ? n : String(value);
  }
  if (typeof value !== "number") return value;
  if (!Number.isFinite(value)) return String(value);
  return type === "f32" ? shortestF32(value) : value;
}

/** 1e-5 for the f32 nearest to it, which as a double is 0.000009999999747378752. */
function shortestF32(value: number): number {
  // 9 significant digits tell any two f32 apart.
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/** A readable report of an inspection, lines separated by "\n". Text from the file is escaped for terminals. */
export function formatInspection(inspection: Inspection): string {
  const { files, metadata, tensors, types, totals } = inspection;
  const keys = Object.entries(metadata);
  const sections = [
    [
      ...files.map((file) => `${printable(file.name)}: ${size(file.bytes)}`),
      `GGUF version ${inspection.version}, ${plural(totals.tensors, "tensor")}, ` +
        `${plural(keys.length, "key")}, alignment ${inspection.alignment}`,
      totals.tensors === 0
        ? "no tensors (vocabulary or metadata only)"
        : `${count(totals.parameters)} parameters in ${size(totals.tensorBytes)}, ` +
          `${totals.bitsPerWeight.toFixed(2)} bits per weight`,
    ],
  ];
  if (keys.length > 0) {
    const rows = keys.map(([key, value]) => [
      cut(printable(key)),
      typeText(value),
      valueText(value),
    ]);
    sections.push(["Metadata", ...table([["key", "type", "value"], ...rows], "")]);
  }
  if (tensors.length > 0) {
    const split = files.length > 1;
    const rows = tensors.map((t) => [
      printable(t.name),
      t.type,
      t.shape.join(" x "),
      ...(split ? [String(t.file + 1)] : []),
      String(t.offset),
      String(t.bytes),
    ]);
    const head = ["name", "type", "shape", ...(split ? ["file"] : []), "offset", "bytes"];
    sections.push(["Tensors", ...table([head, ...rows], split ? "lllrrr" : "lllrr")]);
    const perType = types.map((t) => [
      t.type,
      String(t.tensors),
      String(t.weights),
      String(t.bytes),
      t.bitsPerWeight.toFixed(4),
      `${((100 * t.bytes) / totals.tensorBytes).toFixed(1)}%`,
    ]);
    const typeHead = ["type", "tensors", "weights", "bytes", "bits/weight", "share"];
    sections.push(["Types", ...table([typeHead, ...perType], "lrrrrr")]);
  }
  return sections.map((lines) => lines.join("\n")).join("\n\n");
}

function typeText(value: InspectedValue): string {
  return "elementType" in value ? `${value.elementType}[${value.length}]` : value.type;
}

// 100: a chat template is shown by its beginning; the rest of the row fits a wide terminal.
const MAX_CELL = 100;

function cut(text: string): string {
  return text.length <= MAX_CELL ? text : `${text.slice(0, MAX_CELL)}...`;
}

function valueText(value: InspectedValue): string {
  return cut("elementType" in value ? arrayText(value) : scalarText(value.value));
}

function arrayText({ values, length }: InspectedArray): string {
  const shown = values.map((v) => (typeof v === "object" ? arrayText(v) : scalarText(v)));
  return `[${shown.join(", ")}${values.length < length ? ", ..." : ""}]`;
}

function scalarText(value: InspectedScalar): string {
  return typeof value === "string" ? `"${printable(value)}"` : String(value);
}

/** Rows of cells as lines, indented; `align` has l or r for each column (l where it is short). */
function table(rows: string[][], align: string): string[] {
  const widths = rows[0].map((_, i) =>
    rows.reduce((most, row) => Math.max(most, row[i].length), 0),
  );
  return rows.map((row) => {
    const cells = row.map((cell, i) =>
      align[i] === "r" ? cell.padStart(widths[i]) : cell.padEnd(widths[i]),
    );
    return `  ${cells.join("  ")}`.trimEnd();
  });
}

function size(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  if (bytes < 1024) return `${bytes} bytes`;
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(2)} ${units[unit]}`;
}

function count(n: number): string {
  if (n < 1e6) return String(n);
  return n < 1e9 ? `${(n / 1e6).toFixed(2)} M` : `${(n / 1e9).toFixed(2)} B`;
}

function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
