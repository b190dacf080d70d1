// The type table against the reference data: sizes of every ggml and ik_llama.cpp type.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import {
  countWeights,
  findTypeById,
  GGML_TYPES,
  rowBytes,
  tensorBytes,
  typeById,
  typeByName,
} from "../../formats/types.ts";

const QUANTS = fileURLToPath(new URL("../../../shared/reference/quants/", import.meta.url));
const present = existsSync(QUANTS);
if (!present) console.warn(`SKIPPED: the type table against ${QUANTS}: not there`);

interface Reference {
  type: string;
  id: number;
  block_size: number;
  type_size: number;
  row_meta_bytes: number;
  row_bytes_1024?: number;
  rows_interleaved?: number;
  sections: { name: string; shape: number[]; bytes: number }[];
}

function references(): Reference[] {
  return ["ggml", "ik"].flatMap((folder) =>
    readdirSync(QUANTS + folder)
      .filter((file) => /^[A-Z].*\.json$/.test(file))
      .map((file) => JSON.parse(readFileSync(`${QUANTS}${folder}/${file}`, "utf8")) as Reference),
  );
}

describe.skipIf(!present)("reference sizes", () => {
  it.each(present ? references().map((r) => [r.type, r] as const) : [])("%s", (name, r) => {
    const type = typeByName(name);
    expect(type).toMatchObject({
      id: r.id,
      name,
      blockSize: r.block_size,
      typeSize: r.type_size,
      rowMetaBytes: r.row_meta_bytes,
    });
    expect(typeById(r.id)).toBe(type);
    expect(type.rowsInterleaved).toBe(r.rows_interleaved ?? 1);
    if (r.row_bytes_1024 !== undefined) expect(rowBytes(type, 1024)).toBe(r.row_bytes_1024);
    // Weights as stored: 8 rows (16 in the types that interleave 16) of 1024.
    const stored = r.sections.find((s) => s.name === "q" || s.name === "qi");
    const values = r.sections.find((s) => s.name === "dq" || s.name === "dqi");
    if (stored && values) expect(tensorBytes(type, values.shape.toReversed())).toBe(stored.bytes);
  });

  it("covers every type that holds quantised weights", () => {
    const plain = ["F32", "I8", "I16", "I32", "I64", "F64"];
    const named = new Set(references().map((r) => r.type));
    const missing = GGML_TYPES.filter((t) => !named.has(t.name) && !plain.includes(t.name));
    expect(missing).toEqual([]);
  });
});

describe("table", () => {
  it("has one entry per id and name", () => {
    expect(new Set(GGML_TYPES.map((t) => t.id)).size).toBe(GGML_TYPES.length);
    expect(new Set(GGML_TYPES.map((t) => t.name)).size).toBe(GGML_TYPES.length);
  });

  it("gives rows and tensors of well-known sizes", () => {
    expect(rowBytes(typeByName("Q4_0"), 4096)).toBe(2304);
    expect(rowBytes(typeByName("Q4_K"), 4096)).toBe(2304);
    expect(rowBytes(typeByName("Q6_K"), 256)).toBe(210);
    expect(rowBytes(typeByName("IQ4_KS"), 1024)).toBe(548);
    expect(tensorBytes(typeByName("F32"), [])).toBe(4);
    expect(tensorBytes(typeByName("F16"), [3, 5, 7])).toBe(210);
    expect(tensorBytes(typeByName("I64"), [3])).toBe(24);
    expect(tensorBytes(typeByName("Q4_0_R8"), [32, 16])).toBe(288);
    expect(tensorBytes(typeByName("IQ1_S_R4"), [32, 4])).toBe(32);
    expect(countWeights([3, 5, 7])).toBe(105);
  });

  it("gives I2_S its tail once per tensor", () => {
    expect(tensorBytes(typeByName("I2_S"), [256, 8])).toBe((256 * 8) / 4 + 32);
    expect(rowBytes(typeByName("I2_S"), 256)).toBe(64);
  });

  it("finds types by name in any case, and ik_llama.cpp's name for Q1_0", () => {
    expect(typeByName("q4_k").name).toBe("Q4_K");
    expect(typeByName("iq2_xxs_r4").name).toBe("IQ2_XXS_R4");
    expect(typeByName("Q1_0_G128")).toBe(typeByName("Q1_0"));
    expect(() => typeByName("Q4_X")).toThrow(GgufError);
  });

  it.each([
    [4, "Q4_2"],
    [5, "Q4_3"],
    [31, "Q4_0_4_4"],
    [32, "Q4_0_4_8"],
    [33, "Q4_0_8_8"],
    [37, "IQ4_NL_4_8"],
    [38, "IQ4_NL_8_8"],
  ])("names the removed type %i", (id, name) => {
    expect(() => typeById(id)).toThrow(`found id ${id}, the removed type ${name}; `);
    expect(findTypeById(id)).toBeUndefined();
  });

  it.each([43, 100, 2 ** 31, 2 ** 32 - 1])("refuses id %i", (id) => {
    expect(() => typeById(id)).toThrow(`expected a known type id, found id ${id}`);
  });
});

describe("sizes that cannot be", () => {
  const q4 = typeByName("Q4_0");
  it.each([0, -32, 31, 33, 1.5, NaN, Infinity, 2 ** 53])("row of %d weights", (n) => {
    expect(() => rowBytes(q4, n)).toThrow("expected a positive multiple of 32 weights");
  });
  it.each([[[32, 0]], [[32, -1]], [[32, 2 ** 53]], [[2 ** 40, 2 ** 40]], [[32, 2 ** 30, 2 ** 30]]])(
    "shape %j",
    (shape) => {
      expect(() => tensorBytes(q4, shape)).toThrow(GgufError);
    },
  );
  it("rows that do not fill an interleaved group", () => {
    expect(() => tensorBytes(typeByName("Q4_0_R8"), [32, 12])).toThrow("ne1 a multiple of 8 rows");
    expect(() => tensorBytes(typeByName("Q4_0_R8"), [32])).toThrow("ne1 a multiple of 8 rows");
  });
});
