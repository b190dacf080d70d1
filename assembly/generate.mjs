// All generated sources of the kernels. They are not committed: build.mjs writes them, tests hand them to the compiler.

import { generateTiles } from "./matmul/generate-tiles.mjs";
import { generateTypes } from "./quants/generate-types.mjs";
import { generateCodes, generateTables } from "./quants/tables/generate-tables.mjs";

/**
 * { path from the root: text }.
 * @returns {Record<string, string>}
 */
export function generatedSources() {
  const types = Object.entries(generateTypes()).map(([path, text]) => [`assembly/${path}`, text]);
  return {
    "assembly/matmul/tiles.generated.ts": generateTiles(),
    "assembly/quants/grids.generated.ts": generateTables(),
    "assembly/quantize/grids.generated.ts": generateCodes(),
    ...Object.fromEntries(types),
  };
}
