// Every row of llama.cpp's table: the same tensor types and the same size, with and without importance weights.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { bytesSource, ggufBytes, readGguf, readImatrix } from "../../../../formats/index.ts";
import { ftypeCalled } from "../../../../src/tools/quantize/ftypes.ts";
import { planQuantization } from "../../../../src/tools/quantize/plan.ts";
import { quantizedContents } from "../../../../src/tools/quantize/quantize-model.ts";
import { hasShared, sharedModel, toolFile } from "../shared.ts";
import { ALL_TYPES } from "./models.ts";

interface Row {
  readonly ftype: string;
  readonly imatrix: boolean;
  readonly file_bytes: number;
  readonly tensor_types: Record<string, string>;
}

/** The table does not tell which path llama-quantize was given for the matrix; only its length is in the sizes. */
const IMATRIX_PATH = "x".repeat(88);

describe.skipIf(!hasShared)("llama.cpp's table", async () => {
  if (!hasShared) return;
  const open = (path: string) => bytesSource(path, readFileSync(path));
  const { rows } = JSON.parse(readFileSync(toolFile("quantize-table.json"), "utf8")) as {
    rows: Row[];
  };
  const gguf = await readGguf(open(sharedModel("tldr-6m-f16.gguf"))),
    matrix = await readImatrix(open(toolFile("tldr-6m.imatrix.dat")), 256);

  it("has a row for every type", () => expect(rows.length).toBe(50));

  it.each(rows)("$ftype, imatrix: $imatrix", ({ ftype: name, imatrix, ...expected }) => {
    const ftype = ftypeCalled(name),
      weights = imatrix ? matrix : undefined;
    const plan = planQuantization(gguf, ALL_TYPES, { ftype, imatrix: weights });
    expect(Object.fromEntries(plan.map(({ source, type }) => [source.name, type.name]))).toEqual(
      expected.tensor_types,
    );
    expect(plan.map(({ source }) => source.name)).toEqual(Object.keys(expected.tensor_types));
    const [contents] = quantizedContents(gguf, plan, undefined, {
      ftype: ftype.number,
      imatrix: weights && { file: IMATRIX_PATH, matrix: weights },
    });
    expect(ggufBytes(contents)).toBe(expected.file_bytes);
  });

  it.each(["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "Q2_K_S"])(
    "refuses %s without a matrix, as llama.cpp does",
    (name) => {
      expect(rows.some((row) => row.ftype === name && !row.imatrix)).toBe(false);
      expect(() => planQuantization(gguf, ALL_TYPES, { ftype: ftypeCalled(name) })).toThrow(
        /^blk\.\S+: expected importance weights, which \w+ needs, found no matrix; /,
      );
    },
  );
});
