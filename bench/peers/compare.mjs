// samebit beside its peers in one run, interleaved: medians of tokens per second and ratios to the first peer.
//   npm install --prefix bench/peers && node bench/peers/compare.mjs model.gguf [--prompt 128] [--generate 32] [--threads 2] [--rounds 5]
// Runtimes of test/runtimes take part where they are installed.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: "string", default: "128" }, generate: { type: "string", default: "32" },
    threads: { type: "string", default: "2" }, rounds: { type: "string", default: "5" }, only: { type: "string" },
  },
});
const [model] = positionals;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const runtimes = here("../../test/runtimes/node_modules");
const contestants = [
  { name: "llama.cpp (node-llama-cpp)", command: [process.execPath, here("native.mjs")], needs: here("node_modules/node-llama-cpp") },
  { name: "samebit, node 24", command: [`${runtimes}/node24/bin/node`, here("samebit.mjs")], needs: `${runtimes}/node24/bin/node` },
  { name: "samebit, deno", command: [`${runtimes}/deno/deno`, "run", "-A", here("samebit.mjs")], needs: `${runtimes}/deno/deno` },
  { name: "samebit, bun", command: [`${runtimes}/bun/bin/bun`, here("samebit.mjs")], needs: `${runtimes}/bun/bin/bun` },
  { name: `samebit, node ${process.versions.node}`, command: [process.execPath, here("samebit.mjs")], needs: process.execPath },
].filter((c) => existsSync(c.needs) && (!values.only || c.name.includes(values.only) || c.name.startsWith("llama")));

function run(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], [...command.slice(1), model, values.prompt, values.generate, values.threads], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    child.on("error", reject);
    child.on("close", (code) => {
      const line = out.trim().split("\n").findLast((l) => l.startsWith("{"));
      if (line) resolve(JSON.parse(line));
      else reject(new Error(`${command.join(" ")}: exit ${code}`));
    });
  });
}
const median = (xs) => xs.toSorted((a, b) => a - b)[xs.length >> 1];
const results = contestants.map(() => ({ pp: [], tg: [], build: "" }));
for (let round = 0; round < Number(values.rounds); round++) {
  for (let i = 0; i < contestants.length; i++) {
    const { pp, tg, build = "" } = await run(contestants[i].command);
    results[i].pp.push(pp);
    results[i].tg.push(tg);
    results[i].build = build;
  }
}
console.log(`${model}: prompt ${values.prompt}, generate ${values.generate}, ${values.threads} threads, medians of ${values.rounds} rounds`);
const [first] = results;
for (let i = 0; i < contestants.length; i++) {
  const { pp, tg, build } = results[i], p = median(pp), t = median(tg);
  console.log(`${`${contestants[i].name} ${build}`.padEnd(32)} pp ${p.toFixed(1).padStart(8)} t/s (${(p / median(first.pp)).toFixed(2)})   tg ${t.toFixed(1).padStart(7)} t/s (${(t / median(first.tg)).toFixed(2)})`);
}
