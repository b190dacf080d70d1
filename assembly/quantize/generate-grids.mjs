// Writes grids.ts: the grids of the IQ1, IQ2 and IQ3 types as digit codes, and how many neighbours their searches list.
//   node assembly/quantize/generate-grids.mjs ../shared/reference/quants/tables
// The tables are those of ggml, by value (LAYOUTS.md, section 2); a code has one digit per value, the first lowest.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [source] = process.argv.slice(2);
/** Name, table, its values in order, bits of a digit, distances whose points are neighbours (ggml's `nwant`). */
const grids = [
  ["IQ2_XXS", "iq2xxs_grid", [8, 25, 43], 2, 2],
  ["IQ2_XS", "iq2xs_grid", [8, 25, 43], 2, 2],
  ["IQ2_S", "iq2s_grid", [8, 25, 43], 2, 1],
  ["IQ1", "iq1s_grid", [-1, 0, 1], 2, 3],
  ["IQ3_XXS", "iq3xxs_grid", [4, 12, 20, 28, 36, 44, 52, 62], 3, 2],
  ["IQ3_S", "iq3s_grid", [1, 3, 5, 7, 9, 11, 13, 15], 3, 3],
];

const distance = (a, b) => a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0);

/** u16 that the neighbour lists take: for every code off the grid a count and the points of the nearest distances. */
function listLength(points, digits, dims, wanted) {
  const onGrid = new Set(points.map((p) => p.join()));
  const at = Array(dims).fill(0);
  let length = 0;
  for (let n = 0; n < digits ** dims; n++) {
    for (let i = 0, rest = n; i < dims; i++, rest = Math.floor(rest / digits))
      at[i] = rest % digits;
    if (onGrid.has(at.join())) continue;
    const counts = [];
    for (const p of points) {
      const d = distance(p, at);
      counts[d] = (counts[d] ?? 0) + 1;
    }
    const near = Object.values(counts).slice(0, wanted);
    length += 1 + near.reduce((a, b) => a + b, 0);
  }
  return length;
}

let text = `// Written by generate-grids.mjs: edit that. Grids of the IQ types, one code a point: digits of 2 bits (IQ3: 3 bits), the
// first value lowest. NEIGHBOURS: u16 of all neighbour lists (grid.ts).
// Source: ggml-common.h and ggml-quants.c, by value.
`;
for (const [name, file, values, bits, wanted] of grids) {
  const table = JSON.parse(readFileSync(join(source, `${file}.json`), "utf8"));
  const rows = Array.isArray(table[0]) ? table : (table.values ?? table.data);
  const points = rows.map((row) => row.map((v) => values.indexOf(v)));
  const codes = points.map((p) => p.reduce((code, digit, i) => code + digit * 2 ** (bits * i), 0));
  if (codes.some((c, i) => i > 0 && c <= codes[i - 1]))
    throw new Error(`${file}: expected ascending codes`);
  const length = listLength(points, values.length, points[0].length, wanted);
  text += `\nexport const ${name}_NEIGHBOURS: u32 = ${length};\n// prettier-ignore\nexport const ${name}_CODES: usize = memory.data<u16>([\n`;
  for (let i = 0; i < codes.length; i += 16) text += `  ${codes.slice(i, i + 16).join(", ")},\n`;
  text += "]);\n";
}
writeFileSync(join(fileURLToPath(new URL(".", import.meta.url)), "grids.ts"), text);
