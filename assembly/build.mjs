// Builds the WebAssembly kernels: one source, three builds (lanes/ says where they differ).
//   node assembly/build.mjs [--force]
// Copies abi.ts to src/memory, writes the generated sources (generate.mjs), compiles the targets of asconfig.json side by side and
// leaves <name>.wasm in build/ and dist/kernels/, beside them dots-<name>.wasm, the loop by which one is chosen. Does nothing where a hash
// of all inputs is unchanged.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { generatedSources } from "./generate.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
/** What is compiled: the kernels in three builds, and the loop that tells which relaxed one is the faster. */
const modules = [
  ...["dot32", "rel16", "base"].map((target) => ({
    name: target,
    target,
    entry: "assembly/index.ts",
  })),
  ...["dot32", "rel16"].map((target) => ({
    name: `dots-${target}`,
    target,
    entry: "assembly/matmul/dot-loop.ts",
  })),
];
const asc = join(
  dirname(createRequire(import.meta.url).resolve("assemblyscript/package.json")),
  "bin/asc.js",
);

/** Files of a directory tree with one of the endings, sorted, as paths from the root. */
function filesUnder(directory, endings) {
  return readdirSync(join(root, directory), { recursive: true })
    .map((name) => join(directory, String(name)))
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .sort();
}

function writeWhenChanged(path, text) {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function compile({ name, target, entry }) {
  // a name of our own: two builds may run at once
  const outFile = `build/${name}.${process.pid}.wasm`;
  const args = [asc, entry, "--target", target, "--outFile", outFile];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code !== 0) return reject(new Error(`kernels: asc failed for ${name} (exit ${code})`));
      renameSync(join(root, outFile), join(root, `build/${name}.wasm`));
      resolve();
    });
  });
}

async function main() {
  const abi = readFileSync(join(root, "assembly/abi.ts"), "utf8");
  const note = "// Copied from assembly/abi.ts by assembly/build.mjs: edit it there.\n";
  writeWhenChanged(join(root, "src/memory/abi.generated.ts"), note + abi);
  for (const [path, text] of Object.entries(generatedSources()))
    writeWhenChanged(join(root, path), text);

  const hash = createHash("sha256");
  const compiler = JSON.parse(readFileSync(join(dirname(asc), "../package.json"), "utf8")).version;
  hash.update(`asc ${compiler}`);
  for (const path of [...filesUnder("assembly", [".ts", ".mjs"]), "asconfig.json"]) {
    hash.update(`\0${relative(".", path)}\0`).update(readFileSync(join(root, path)));
  }
  const digest = hash.digest("hex");
  const stamp = join(root, "build/inputs.sha256");
  const wasm = modules.map(({ name }) => join(root, `build/${name}.wasm`));
  const fresh =
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === digest &&
    wasm.every((path) => existsSync(path));
  if (!fresh || process.argv.includes("--force")) {
    mkdirSync(join(root, "build"), { recursive: true });
    await Promise.all(modules.map(compile));
    writeFileSync(stamp, digest);
  }
  mkdirSync(join(root, "dist/kernels"), { recursive: true });
  modules.forEach(({ name }, i) => copyFileSync(wasm[i], join(root, `dist/kernels/${name}.wasm`)));
}

await main();
