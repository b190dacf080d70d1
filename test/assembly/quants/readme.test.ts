// The tables of assembly/quants/README.md against the code: `node bench/type-table.mjs` writes them.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { withTables } from "../../../bench/markdown-tables.mjs";
import {
  committedErrors,
  errorText,
  measuredError,
  typeTables,
} from "../../../bench/type-table.mjs";
import { GGML_TYPES, typeByName } from "../../../formats/types.ts";

const text = readFileSync(new URL("../../../assembly/quants/README.md", import.meta.url), "utf8");
const errors = committedErrors(text);

describe("the table of types", () => {
  it("says what the code says, of every type", async () => {
    expect(withTables(text, await typeTables(errors)), "run node bench/type-table.mjs").toBe(text);
    for (const { name } of GGML_TYPES) expect(text).toContain(`\n| ${name} |`);
  });

  it("has an error for every plain type of blocks that is written", async () => {
    const lines = text.split("\n").filter((line) => line.split("|").length === 15);
    const rows = lines.map((line) => line.split("|").map((cell) => cell.trim()));
    const written = rows.filter((cells) => cells[9] === "yes").map((cells) => cells[1]);
    expect(written.length).toBeGreaterThan(20);
    for (const name of written.filter((n) => typeByName(n!).blockSize > 1))
      expect(errors.get(name!), name).toMatch(/^0\.\d+$/);
  });

  // the quick ones; the script measures all
  it.each(["Q4_0", "Q8_0", "Q6_K", "TQ2_0", "MXFP4", "IQ4_NL"])(
    "%s has the error that it says",
    async (name) => {
      expect(errors.get(name)).toBe(errorText((await measuredError(name))!));
    },
  );
});
