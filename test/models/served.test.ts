// What is said of every architecture: that it is all of them, that they are tested as it says, and that the READMEs say the
// same (`node bench/architecture-table.mjs` writes them).
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DOCUMENTS } from "../../bench/architecture-table.mjs";
import { withTables } from "../../bench/markdown-tables.mjs";
import { ARCHITECTURES } from "../../models/index.ts";
import { SERVED } from "../../models/served.ts";
import { RANDOM_ENCODERS } from "../reference/random-encoders.ts";
import { RANDOM_MODELS } from "../reference/random-models.ts";
import { hasShared } from "../reference/vectors.ts";
import { loadZooCase, zooNames } from "../reference/zoo.ts";

describe("SERVED", () => {
  it("has every name of the registry", () => {
    expect(Object.keys(SERVED).sort()).toEqual(ARCHITECTURES.flatMap((a) => a.names).sort());
  });

  it("says of every name how it is tested, and is", () => {
    const random = (arch: string): (false | undefined)[] =>
      [...RANDOM_MODELS, ...RANDOM_ENCODERS]
        .filter((model) => model.arch === arch)
        .map((model) => model.peer);
    const inZoo = zooNames().map((name) => loadZooCase(name).arch);
    const missing: string[] = [];
    for (const [name, [tested]] of Object.entries(SERVED)) {
      if (tested === "llama.cpp") expect(random(name), name).toContain(undefined);
      if (tested === "reference") expect(random(name), name).not.toEqual([]);
      if (tested === "zoo" && !inZoo.includes(name)) missing.push(name);
    }
    if (hasShared("zoo")) expect(missing).toEqual([]);
  });

  it("names a tokenizer and models of each", () => {
    for (const [name, [, tokenizers, models]] of Object.entries(SERVED)) {
      expect(new Set(tokenizers).size, name).toBe(tokenizers.length);
      expect(tokenizers, name).not.toEqual([]);
      expect(models, name).toMatch(/^[^|]+$/);
    }
  });
});

describe.each(DOCUMENTS)("$file.pathname", ({ file, write }) => {
  it("has the table that the code gives", () => {
    const text = readFileSync(file, "utf8");
    expect(text.split("<!-- table 1 -->").length).toBe(3);
    expect(withTables(text, [write(SERVED)]), "run node bench/architecture-table.mjs").toBe(text);
  });
});
