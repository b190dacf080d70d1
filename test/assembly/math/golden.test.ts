// This engine's results against the committed hashes. A change of golden.json is a new version of
// NUMERICS.md. To write it anew: UPDATE_GOLDEN=1 npx vitest run test/assembly/math/golden.test.ts

import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { compileSelftest } from "./compile.ts";
import { hashes } from "./golden.mjs";

const goldenFile = new URL("./golden.json", import.meta.url);

it("gives the committed bits for every function", async () => {
  const found = await hashes(await compileSelftest());
  if (process.env.UPDATE_GOLDEN) writeFileSync(goldenFile, JSON.stringify(found, null, 2) + "\n");
  expect(found).toEqual(JSON.parse(readFileSync(goldenFile, "utf8")));
});
