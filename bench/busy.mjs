// Whether a second thread hurts when another process keeps a core busy: tokens per second of 1 and 2 threads, both with
// a busy core, taking turns.
//   node bench/busy.mjs model.gguf [--rounds 7] [--generate 24]
// The bar is 0.8: two threads on a busy machine at least 0.8 times as fast as one. Needs the built package (npm run build).

import { spawn } from "node:child_process";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "7" },
    generate: { type: "string", default: "24" },
  },
});
const { loadModel } = await import("../dist/src/index.js");
const runs = [];
for (const threads of [1, 2]) {
  const model = await loadModel(positionals[0], { threads, nCtx: 512 });
  runs.push({ threads, model, session: model.createSession(), idle: [], busy: [] });
}
const n = Number(values.generate);

async function tokensPerSecond({ session }) {
  session.truncate(0);
  await session.evaluate([1, 300]);
  const start = performance.now();
  for (let i = 0; i < n; i++) await session.evaluate([300 + i]);
  return n / ((performance.now() - start) / 1000);
}

for (const run of runs) await tokensPerSecond(run);
for (let round = 0; round < Number(values.rounds); round++) {
  for (const run of runs) run.idle.push(await tokensPerSecond(run));
  const other = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
  await new Promise((resolve) => setTimeout(resolve, 200)); // it has started and spins
  for (const run of runs) run.busy.push(await tokensPerSecond(run));
  other.kill("SIGKILL");
}
const median = (xs) => xs.toSorted((a, b) => a - b)[xs.length >> 1];
const [one, two] = runs;
for (const kind of ["idle", "busy"]) {
  const [a, b] = [median(one[kind]), median(two[kind])];
  console.log(
    `${kind}: 1 thread ${a.toFixed(1)} t/s, 2 threads ${b.toFixed(1)} t/s, ratio ${(b / a).toFixed(2)}`,
  );
}
for (const { model } of runs) await model.close();
