// The table of types against the format's own table and against the code: what is wrong is refused when the kernels are built.

import { describe, expect, it } from "vitest";
import { generateTypes } from "../../../assembly/quants/generate-types.mjs";
import { readTypes, typesText } from "../../../assembly/quants/read-types.mjs";
import { GGML_TYPES, typeByName } from "../../../formats/types.ts";

const text = typesText();
const types = readTypes();

describe("the kernels' table of types", () => {
  it.each(types)("$name has the sizes of the format", ({ name, id, weights, bytes, meta }) => {
    const type = typeByName(name);
    expect(id).toBe(type.id);
    expect(meta).toBe(type.rowMetaBytes);
    // IQ1_M_R4: eight of ik_llama.cpp's blocks of 32 weights are one of ours
    const blocks = weights / type.blockSize;
    expect(Number.isInteger(blocks) ? blocks : 0).toBe(name === "IQ1_M_R4" ? 8 : 1);
    expect(bytes).toBe(blocks * type.typeSize);
  });

  it("has every type of rows that are not interleaved, but for those that no model multiplies", () => {
    const names = new Set(types.map(({ name }) => name));
    const others = GGML_TYPES.filter((t) => t.rowsInterleaved === 1 && !names.has(t.name));
    // I2_S becomes IQ2_BN at load
    const expected = ["I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K", "I2_S"];
    expect(others.map(({ name }) => name)).toEqual(expected);
  });

  it("gives each type what follows from its row", () => {
    const files = generateTypes();
    const lookups = files["quants/types.generated.ts"];
    expect(lookups).toMatch(/^ {2}Q4_K = 12,$/m);
    expect(lookups).toMatch(/^ {2}256, 144, 0, 0, .*KSlab\.bytes.*\/\/ Q4_K$/m);
    const calls = files["quants/calls.generated.ts"];
    expect(calls).toContain("case GgmlType.Q4_K: return repackQ4_K(src, rowBytes, nRows, k, dst);");
    // not the family's repackWords; its parameter nb instead of k
    expect(calls).toContain("GgmlType.IQ4_K: return repackIQ4_K(src, rowBytes, nRows, k >> 8, dst");
    expect(calls).toContain("GgmlType.Q8_KV: return unpackQ8_KV(group, first, n, slab);");
    expect(files["matmul/calls.generated.ts"]).toMatch(/GgmlType.TQ2_0: return tq2_0Column\(/);
    expect(files["quantize/calls.generated.ts"]).not.toContain("IQ1_M_R4");
  });
});

/** The table with one row more. */
const withRow = (row: string, family = "all form=q8x32") => `${text}\n${family}\n${row}\n`;
/** The table with Q8_0's row changed. */
const q8 = (change: (row: string) => string) => text.replace(/^Q8_0 .*$/m, change);
const NEW = "Q9_9 250 32 20 repack=repackQ4_0 dequantize=dequantizeQ4_0 quantize=quantizeQ4_0";

it("takes a new type whose functions a row names or the code has", () => {
  const files = generateTypes(withRow(`${NEW} meta=2 column=q4_0 tiles=q4_0`));
  expect(files["quants/types.generated.ts"]).toMatch(/^ {2}32, 20, 2, 0, .*\/\/ Q9_9$/m);
  expect(files["quants/calls.generated.ts"]).toContain("GgmlType.Q9_9: return repackQ4_0(");
  expect(files["matmul/calls.generated.ts"]).toContain("GgmlType.Q9_9: return q4_0(");
});

describe("a table that is wrong", () => {
  it.each([
    [
      "an unknown column",
      q8((row) => `${row} sabl=k`),
      /Q8_0: expected a column of .*slab.*, found sabl=k; /,
    ],
    [
      "a column twice",
      q8((row) => `${row} least=9`),
      /Q8_0: expected least once, found it again, least=9/,
    ],
    [
      "a value of another kind",
      q8((row) => row.replace("least=8", "least=x")),
      /Q8_0: expected a number after least, found "least=x"/,
    ],
    [
      "a value for a bare word",
      q8((row) => row.replace("marked", "marked=1")),
      /expected nothing after marked, found "marked=1"/,
    ],
    [
      "a missing number",
      q8(() => "Q8_0 8 32 marked"),
      /Q8_0: expected a number as bytes, found marked/,
    ],
    [
      "a large id",
      q8((row) => row.replace(" 8 ", " 256 ")),
      /Q8_0: expected an id below 256, found 256/,
    ],
    [
      "an id of another",
      q8((row) => row.replace(" 8 ", " 2 ")),
      /expected a name and an id of its own, found those of line \d+/,
    ],
    [
      "an unknown slab",
      q8((row) => `${row} slab=j`),
      /Q8_0: expected a slab of floats, .*, found j/,
    ],
    ["no form", withRow(NEW, "all"), /Q9_9: expected form=\.\., found none/],
    [
      "an unknown form",
      withRow(`${NEW} column=q4_0 tiles=q4_0 form=q8x99`),
      /expected a form of f32, .*, found q8x99/,
    ],
  ])("%s is refused with the row's place", (_, table, message) => {
    expect(() => generateTypes(table)).toThrow(message);
    expect(() => generateTypes(table)).toThrow(
      /^assembly\/quants\/types\.txt:\d+, \w+: expected .*; /,
    );
  });

  it.each([
    [
      "no function to interleave",
      withRow("Q9_9 250 32 20"),
      /a function for repack, found no repackQ9_9 exported in assembly; write it or name one: repack=\.\./,
    ],
    [
      "no function to read back",
      withRow("Q9_9 250 32 20 repack=repackQ4_0"),
      /found no dequantizeQ9_9/,
    ],
    [
      "no tiles",
      withRow(NEW),
      /a function for column, or a slab, found no template Q9_9Column or Q9_9 with such @tiles/,
    ],
    [
      "tiles of one column alone",
      withRow(`${NEW} column=q8_0 tiles=q8_0`),
      /@tiles for tiles, found q8_0 of 1 columns/,
    ],
    [
      "a function that is not there",
      withRow(`${NEW} column=q4_0 tiles=q9_9Tiles`),
      /q9_9Tiles exported in assembly, found none/,
    ],
    [
      "a constant for a function",
      withRow(`${NEW} column=q4_0 tiles=MARK_BYTES`),
      /a function for tiles, found MARK_BYTES/,
    ],
    [
      "parameters that a call does not have",
      withRow(`${NEW} column=q4_0 tiles=exactF16 unpack=codes slab=offset32 product=widenF16`),
      /parameters of codes among group, .*, found nGroups/,
    ],
    [
      "a column without use",
      withRow(`${NEW} column=q4_0 tiles=q4_0 least=3`),
      /least only with a slab and tiles, found least=3/,
    ],
    [
      "blocks that do not fill a slab",
      withRow(`${NEW.replace("32", "96")} slab=k unpack=unpackQ4_K product=slabQ4_K column=q4_0`),
      /found 96 weights/,
    ],
    [
      "a slab with one column that slab7 does not read",
      withRow(`${NEW} slab=signed8 unpack=unpackIQ4_XS`),
      /a column, or unsigned7 .*, found signed8, form=q8x32/,
    ],
  ])("%s is refused", (_, table, message) => {
    expect(() => generateTypes(table)).toThrow(message);
    expect(() => generateTypes(table)).toThrow(
      /^assembly\/quants\/types\.txt:\d+, Q9_9: expected .*; /,
    );
  });
});
