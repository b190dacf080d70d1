// Every build's products against the committed hashes. A change of golden.json is a new version of NUMERICS.md.
// To write it anew: UPDATE_GOLDEN=1 npx vitest run test/assembly/matmul/golden.test.ts

import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { blockTypes } from "../quants/blocks.ts";
import { matmulHashes } from "./hashes.mjs";
import { Kernels, builds } from "./kernels.ts";

const goldenFile = new URL("./golden.json", import.meta.url);

it.each(builds)("%s gives the committed bits for every type", async (build) => {
  const kernels = await Kernels.create(build);
  const found = matmulHashes(kernels.call, kernels.memory, 1 << 17);
  if (process.env.UPDATE_GOLDEN) writeFileSync(goldenFile, JSON.stringify(found, null, 2) + "\n");
  expect(found).toEqual(JSON.parse(readFileSync(goldenFile, "utf8")));
  expect(Object.keys(found)).toEqual(blockTypes.map((type) => type.name));
});
