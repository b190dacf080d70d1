// samebit beside its peers in one run, interleaved: medians of tokens per second, and the ratio to a rival: wllama in the
// same Chromium, llama.cpp elsewhere.
//   npm install --prefix bench/peers && node bench/peers/compare.mjs model.gguf
//     [--prompt 128] [--generate 32] [--threads 2] [--rounds 5]
//     [--only chromium,llama]         contestants whose names hold one of these
//     [--leave-out sapphirerapids]    a second llama.cpp without the backends whose files' names hold one of these: that one
//                                     is the AMX build; where the processor has AMX, the next best is for AVX-512
//     [--fast]                        also samebit on Node 24 with weights: "fast"
// Models: bench/synthetic.mjs. Runtimes of test/runtimes, and Debian's chromium, take part where they are installed.

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: "string", default: "128" },
    generate: { type: "string", default: "32" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    "leave-out": { type: "string" },
    fast: { type: "boolean", default: false },
  },
});
const [model] = positionals;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const runtimes = here("../../test/runtimes/node_modules"),
  { node24, deno, bun } = {
    node24: `${runtimes}/node24/bin/node`,
    deno: `${runtimes}/deno/deno`,
    bun: `${runtimes}/bun/bin/bun`,
  };
const NATIVE = "llama.cpp",
  WLLAMA = "wllama, chromium";
const chromium = ["/usr/bin/chromium", `${runtimes}/playwright-core`];
const contestants = [
  {
    name: NATIVE,
    command: [process.execPath, here("native.mjs")],
    needs: [here("node_modules/node-llama-cpp")],
  },
  ...(values["leave-out"] ? [withoutBackends(values["leave-out"].split(","))] : []),
  { name: "samebit, node 24", command: [node24, here("samebit.mjs"), "compact"], needs: [node24] },
  ...(values.fast
    ? [{ name: "samebit fast, node 24", command: [node24, here("samebit.mjs"), "fast"], needs: [node24] }]
    : []),
  { name: "samebit, deno", command: [deno, "run", "-A", here("samebit.mjs"), "compact"], needs: [deno] },
  { name: "samebit, bun", command: [bun, here("samebit.mjs"), "compact"], needs: [bun] },
  {
    name: `samebit, node ${process.versions.node}`,
    command: [process.execPath, here("samebit.mjs"), "compact"],
    needs: [],
  },
  {
    name: WLLAMA,
    command: [process.execPath, here("browser.mjs"), "wllama"],
    needs: [...chromium, here("node_modules/@wllama/wllama")],
  },
  {
    name: "samebit, chromium",
    command: [process.execPath, here("browser.mjs"), "samebit"],
    needs: chromium,
    rival: WLLAMA,
  },
].filter(
  ({ name, needs }) =>
    needs.every((path) => existsSync(path)) &&
    (!values.only || values.only.split(",").some((part) => name.includes(part))),
);

/** llama.cpp in a folder of links, where some backends are missing; it chooses the best of those that are there. */
function withoutBackends(parts) {
  const folder = here("node_modules/.fewer-backends"),
    modules = `${folder}/node_modules`,
    platform = `@node-llama-cpp/${process.platform}-${process.arch}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(`${modules}/@node-llama-cpp`, { recursive: true });
  for (const name of readdirSync(here("node_modules")))
    if (!name.startsWith(".") && name !== "@node-llama-cpp")
      symlinkSync(here(`node_modules/${name}`), `${modules}/${name}`);
  cpSync(here(`node_modules/${platform}`), `${modules}/${platform}`, {
    recursive: true,
    dereference: true,
    filter: (path) => !parts.some((part) => path.endsWith(".so") && path.includes(part)),
  });
  symlinkSync(here("native.mjs"), `${folder}/native.mjs`);
  const flags = ["--preserve-symlinks", "--preserve-symlinks-main"];
  return {
    name: `${NATIVE} without ${parts.join(", ")}`,
    command: [process.execPath, ...flags, `${folder}/native.mjs`],
    needs: [`${modules}/node-llama-cpp`],
  };
}

function run(command) {
  return new Promise((resolve, reject) => {
    const args = [model, values.prompt, values.generate, values.threads];
    const child = spawn(command[0], [...command.slice(1), ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    child.on("error", reject);
    child.on("close", (code) => {
      const line = out
        .trim()
        .split("\n")
        .findLast((l) => l.startsWith("{"));
      if (line) resolve(JSON.parse(line));
      else reject(new Error(`${command.join(" ")}: exit ${code}`));
    });
  });
}

const median = (xs) => xs.toSorted((a, b) => a - b)[xs.length >> 1];
const results = new Map(contestants.map(({ name }) => [name, { pp: [], tg: [], build: "" }]));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { name, command } of contestants) {
    const { pp, tg, build = "" } = await run(command),
      result = results.get(name);
    result.pp.push(pp);
    result.tg.push(tg);
    result.build = build;
  }
}
console.log(
  `${model}: prompt ${values.prompt}, generate ${values.generate}, ${values.threads} threads, medians of ${values.rounds} rounds`,
);
for (const { name, rival = NATIVE } of contestants) {
  const mine = results.get(name),
    theirs = results.get(rival);
  const cell = (kind) => {
    const speed = median(mine[kind]);
    const ratio = theirs ? `(x${(speed / median(theirs[kind])).toFixed(2)})` : "";
    return `${kind} ${speed.toFixed(1).padStart(8)} t/s ${ratio.padEnd(8)}`;
  };
  console.log(
    `${name.padEnd(34)} ${mine.build.padEnd(22)} ${cell("pp")} ${cell("tg")} ${theirs ? `of ${rival}` : ""}`,
  );
}
