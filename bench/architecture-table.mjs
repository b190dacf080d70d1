// Writes the tables of architectures: all that is known of each into models/README.md, names by proof into README.md.
// Facts come from models/served.ts. Run it when an architecture is added or tested otherwise:
//   npm run build && node bench/architecture-table.mjs

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { table, withTables } from "./markdown-tables.mjs";

const MODELS = new URL("../models/", import.meta.url);

/** The two READMEs with their tables. */
export const DOCUMENTS = [
  { file: new URL("../README.md", import.meta.url), write: proofTable },
  { file: new URL("README.md", MODELS), write: architectureTable },
];

/** What each kind of proof is, strongest first. */
const PROOFS = {
  zoo: "llama.cpp's logits of random-weight models, kept for the suite",
  "llama.cpp":
    "llama.cpp itself on random models (`test/peers`), and our slow reference in the suite",
  reference: "our slow reference alone",
};

/** The file of every name: it says `names: ["a", "b"]`. */
function sourceFiles() {
  const files = new Map();
  for (const file of readdirSync(MODELS).filter((name) => name.endsWith(".ts"))) {
    const source = readFileSync(new URL(file, MODELS), "utf8");
    for (const [, names] of source.matchAll(/^\s*names: (\[[^\]]*\]),$/gm))
      for (const name of JSON.parse(names)) files.set(name, file);
  }
  return files;
}

/** Every architecture, by name. */
function architectureTable(served) {
  const files = sourceFiles();
  const rows = Object.keys(served)
    .sort()
    .map((name) => {
      const [tested, tokenizers, models] = served[name],
        file = files.get(name);
      return [`[${name}](${file})`, models, tokenizers.join(", "), tested];
    });
  return table(["architecture", "models", "tokenizer", "tested"], rows);
}

/** The names of every kind of proof, in the order of `served`. */
function proofTable(served) {
  const names = (proof) => Object.keys(served).filter((name) => served[name][0] === proof);
  return table(
    ["proven by", "architectures (`general.architecture`)"],
    Object.keys(PROOFS).map((proof) => [PROOFS[proof], names(proof).join(", ")]),
  );
}

async function main() {
  const { SERVED } = await import("../dist/models/served.js");
  for (const { file, write } of DOCUMENTS)
    writeFileSync(file, withTables(readFileSync(file, "utf8"), [write(SERVED)]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
