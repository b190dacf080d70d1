// Every file type of ../shared/reference/tools/quantize-table.json written by samebit quantize, and its perplexity beside
// llama.cpp's of its own file: a markdown table for RESULTS.md. Fails where ours is worse by more than llama.cpp's error bar,
// or of another size.
//   npm run build && node bench/quantize-table.mjs [--only Q4_K_M,IQ2_XS] [--threads 2]

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { only: { type: "string" }, threads: { type: "string", default: "2" } },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const shared = here("../../shared/"),
  tools = `${shared}reference/tools/`;
const table = JSON.parse(readFileSync(`${tools}quantize-table.json`, "utf8")),
  wanted = values.only?.split(",");

function samebit(...args) {
  const main = here("../dist/src/cli/main.js");
  return execFileSync(process.execPath, [main, ...args, "-t", values.threads], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** A file names its matrix, and paths differ in length: by that much, rounded to the alignment, sizes may differ. */
const PATH_BYTES = 256;

const folder = mkdtempSync(join(tmpdir(), "samebit-table-")),
  file = join(folder, "model.gguf");
let worse = 0;
console.log("| type | imatrix | bytes | perplexity | llama.cpp's | of its error bar |");
console.log("|---|---|---|---|---|---|");
for (const row of table.rows) {
  if (wanted && !wanted.includes(row.ftype)) continue;
  const imatrix = row.imatrix ? ["--imatrix", `${tools}tldr-6m.imatrix.dat`] : [];
  samebit("quantize", ...imatrix, `${shared}models/tldr-6m-f16.gguf`, file, row.ftype);
  const text = ["-f", `${tools}tldr-val.txt`, "-c", String(table.n_ctx)];
  const { perplexity } = JSON.parse(samebit("perplexity", "-m", file, ...text, "--json"));
  const bars = (perplexity - row.perplexity) / row.perplexity_error,
    bytes = statSync(file).size;
  const isSameSize = Math.abs(bytes - row.file_bytes) <= (row.imatrix ? PATH_BYTES : 0);
  if (bars > 1 || !isSameSize) worse++;
  console.log(
    `| ${row.ftype} | ${row.imatrix ? "yes" : ""} | ${bytes} | ${perplexity.toFixed(4)} | ` +
      `${row.perplexity.toFixed(4)} ± ${row.perplexity_error.toFixed(4)} | ${bars.toFixed(2)} |`,
  );
}
rmSync(folder, { recursive: true });
process.exitCode = worse > 0 ? 1 : 0;
