// Writes the tables of assembly/quants/README.md: every tensor type, what samebit does with it, and its error on gaussian
// weights. Facts come from the code; the last column is here. Run it when a type is added or learns something:
//   npm run build && node bench/type-table.mjs
// Errors of types that samebit cannot write come from ik_llama.cpp's quantiser, by way of ../shared/reference/quants; where
// that is absent the figures of the README stay.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GGML_TYPES, rowBytes, typeByName } from "../dist/formats/types.js";
import { plainType } from "../dist/src/interleaved/index.js";
import { dequantize, quantizableTypes, quantize, supportedTypes } from "../dist/src/quants.js";
import { table, withTables } from "./markdown-tables.mjs";

const README = fileURLToPath(new URL("../assembly/quants/README.md", import.meta.url));
const SHARED = fileURLToPath(new URL("../../shared/reference/quants/", import.meta.url));

/** When to use a type; every type that is read and not interleaved has one. */
const USE = {
  F32: "norms, biases; reference runs",
  F16: "the source of quantisations",
  BF16: "as trained; the source of quantisations",
  Q4_0: "fast and simple; Q4_K is better at the same size",
  Q4_1: "Q4_K is smaller and as good",
  Q5_0: "rows that are no multiple of 256; else Q5_K",
  Q5_1: "rows that are no multiple of 256; else Q5_K",
  Q8_0: "practically lossless; small models",
  Q2_K: "2 bits without importance weights; with them IQ2_S is better",
  Q3_K: "between 3 and 4 bits without importance weights",
  Q4_K: "the usual choice: size, speed and quality in balance",
  Q5_K: "where Q4_K is not good enough",
  Q6_K: "hardly to be told from Q8_0; output matrices",
  IQ2_XXS: "largest models in least memory; needs importance weights",
  IQ2_XS: "as IQ2_XXS, a little larger; needs importance weights",
  IQ2_S: "best of ggml's 2-bit types",
  IQ3_XXS: "3 bits with importance weights",
  IQ3_S: "better than Q3_K at the same size",
  IQ1_S: "when nothing else fits; needs importance weights",
  IQ1_M: "when nothing else fits",
  IQ4_NL: "4 bits where rows are no multiple of 256",
  IQ4_XS: "slightly smaller than Q4_K, nearly as good",
  TQ1_0: "models trained ternary",
  TQ2_0: "models trained ternary; simpler than TQ1_0",
  MXFP4: "models trained in it (gpt-oss)",
  NVFP4: "models trained in it",
  Q1_0: "models trained with signs alone",
  Q2_0: "models trained ternary or with two bits",
  Q6_0: "6 bits where rows are no multiple of 256",
  IQ1_BN: "BitNet; smallest",
  IQ2_BN: "BitNet; plain 2-bit codes",
  I2_S: "BitNet's own files; kept as IQ2_BN",
  IQ2_K: "smaller than Q2_K",
  IQ3_K: "better than Q3_K at the same size",
  IQ4_K: "better than Q4_K at the same size",
  IQ5_K: "better than Q5_K at the same size",
  IQ6_K: "between Q6_K and Q8_0",
  IQ4_KS: "the size of IQ4_XS, one scale a row",
  IQ2_KS: "between IQ2_XXS and IQ2_XS in size",
  IQ4_KSS: "just 4 bits",
  IQ5_KS: "smaller than Q5_K, nearly as good",
  IQ2_KT: "trellis codes: least error at its size",
  IQ3_KT: "trellis codes: least error at its size",
  IQ4_KT: "trellis codes: least error at its size",
  IQ1_KT: "trellis codes: least error at its size",
  IQ3_KS: "between 3 and 3.5 bits",
  IQ2_KL: "between IQ2_S and IQ3_XXS in size",
  Q8_KV: "ik_llama.cpp's cache type; Q8_0 for weights",
};

/** Weights of a row whose metadata counts in the bits per weight, and of the rows whose error is measured. */
const WIDTH = 4096;
const ROWS = 16;

/** n numbers in a normal distribution (Box and Muller), from a seed. */
function gaussian(seed, n) {
  let s = seed >>> 0;
  const uniform = () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return (s + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: n },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** Root of the mean squared error, relative to that of the values. */
function relativeError(values, found) {
  let error = 0,
    square = 0;
  values.forEach((x, i) => {
    error += (x - found[i]) ** 2;
    square += x ** 2;
  });
  return Math.sqrt(error / square);
}

/** Error of a type on 16 gaussian rows of 4096, importance weights all 1; undefined: samebit cannot write it. */
export async function measuredError(name) {
  if (!(await quantizableTypes()).includes(name)) return undefined;
  const values = gaussian(1, ROWS * WIDTH),
    imatrix = new Float32Array(WIDTH).fill(1);
  const bytes = await quantize(name, values, { nPerRow: WIDTH, imatrix });
  return relativeError(values, await dequantize(name, bytes, values.length, { nPerRow: WIDTH }));
}

/** Error of the reference's gaussian row, where the reference data is there. */
function referenceError(name) {
  const file = `${SHARED}ik/${name}.json`;
  if (!existsSync(file)) return undefined;
  const { rmse } = JSON.parse(readFileSync(file, "utf8"));
  const bytes = readFileSync(`${SHARED}input.bin`);
  const row = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 4096));
  return rmse && rmse[0] / Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length);
}

/** Text of an error. */
export const errorText = (error) => (error === 0 ? "0" : error.toPrecision(3));

const isPlain = (type) => type.rowsInterleaved === 1;
const maker = ({ id }) => (id > 42 || id === 36 ? "ik" : "ggml");

function rowScale({ rowMetaBytes, tensorTailBytes, name }) {
  if (tensorTailBytes > 0) return "f32 for the tensor, 32 bytes at its end";
  if (rowMetaBytes === 0) return "";
  return name === "Q8_KV" ? "f32, and the sum i32" : rowMetaBytes === 4 ? "f32" : "f16";
}

const { speeds } = JSON.parse(readFileSync(new URL("type-speeds.json", import.meta.url), "utf8"));

/** A speed of a type; in brackets as codes (weights: "fast"). */
function speedText(name, kind) {
  const compact = speeds[name]?.[kind],
    fast = speeds[`${name} fast`]?.[kind];
  if (compact === undefined) return "";
  return fast === undefined ? String(compact) : `${compact} (${fast})`;
}

/** The two tables; errors: text by type name. */
export async function typeTables(errors) {
  const read = new Set(await supportedTypes()),
    written = new Set(await quantizableTypes());
  const mark = (yes) => (yes ? "yes" : "");
  const bits = (type) => String(+((8 * rowBytes(type, WIDTH)) / WIDTH).toFixed(4));
  const plain = GGML_TYPES.filter(isPlain).map((type) => [
    type.name,
    type.id,
    bits(type),
    type.blockSize,
    rowScale(type),
    maker(type),
    mark(read.has(type.name)),
    mark(read.has(type.name)),
    mark(written.has(type.name)),
    errors.get(type.name) ?? "",
    speedText(type.name, "decode"),
    speedText(type.name, "prefill"),
    USE[type.name] ?? (type.name.startsWith("Q8_") ? "activations of llama.cpp" : "not weights"),
  ]);
  const interleaved = GGML_TYPES.filter((type) => !isPlain(type)).map((type) => [
    type.name,
    type.id,
    bits(type),
    type.rowsInterleaved,
    plainType(type) === type ? "itself" : plainType(type).name,
  ]);
  return [
    table(
      [
        "type",
        "id",
        "bits",
        "block",
        "row scale",
        "by",
        "read",
        "multiplied",
        "written",
        "error",
        "writing",
        "prompt",
        "use it for",
      ],
      plain,
    ),
    table(["type", "id", "bits", "rows", "becomes"], interleaved),
  ];
}

/** Errors that the README has. */
export function committedErrors(text) {
  const rows = text.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  return new Map(rows.filter((cells) => cells.length === 15).map((cells) => [cells[1], cells[10]]));
}

async function main() {
  const text = readFileSync(README, "utf8"),
    errors = committedErrors(text);
  for (const name of Object.keys(USE)) {
    if (typeByName(name).blockSize === 1) continue;
    const measured = await measuredError(name),
      reference = measured === undefined ? referenceError(name) : undefined;
    if (measured !== undefined) errors.set(name, errorText(measured));
    else if (reference !== undefined) errors.set(name, `${errorText(reference)} (r)`);
  }
  writeFileSync(README, withTables(text, await typeTables(errors)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
