// How long loading takes beside reading the file, in seconds of the clock and of the processor; medians, taking turns.
//   node bench/load.mjs model.gguf.. [--threads 2] [--rounds 3] [--cold]
// read: the file through one small buffer, one thread. fill: the file straight into fresh shared memory, all threads: the
// least that loading into new memory can cost without repacking. load: loadModel. token: `samebit run`, one token, the whole
// process. --cold drops the system's file cache before each (Linux, as root). Needs the built package (npm run build).

import { execFileSync } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

const BUFFER = 4 << 20,
  /** Of one shared memory. */
  BANK = 65535 * 65536;

if (!isMainThread) fillWorker(workerData);
else if (process.argv[2] === "--one")
  await one(process.argv[3], process.argv[4], Number(process.argv[5]));
else compare();

/** Runs each measurement in a process of its own, so that every memory is fresh. */
function compare() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      threads: { type: "string", default: "2" },
      rounds: { type: "string", default: "3" },
      cold: { type: "boolean", default: false },
    },
  });
  const self = fileURLToPath(import.meta.url),
    cli = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
  const node = (...args) =>
    execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const median = (xs) => xs.toSorted((a, b) => a - b)[xs.length >> 1];
  for (const path of positionals) {
    const found = { read: [], fill: [], load: [], token: [] };
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const what of Object.keys(found)) {
        if (values.cold) dropCaches();
        else node(self, "--one", "read", path, "1");
        const start = performance.now();
        if (what === "token") {
          node(cli, "run", "-m", path, "-p", "a", "-n", "1", "-c", "512", "-t", values.threads);
          found.token.push({ clock: (performance.now() - start) / 1000, cpu: NaN });
        } else found[what].push(JSON.parse(node(self, "--one", what, path, values.threads)));
      }
    }
    const read = median(found.read.map(({ clock }) => clock));
    console.log(
      `${path}, ${values.cold ? "cold" : "warm"}, ${values.threads} threads, ${values.rounds} rounds`,
    );
    for (const [what, runs] of Object.entries(found)) {
      const clock = median(runs.map((run) => run.clock)),
        cpu = median(runs.map((run) => run.cpu));
      const processor = Number.isNaN(cpu) ? "" : `${cpu.toFixed(2)} s of processor`;
      console.log(
        `${what.padEnd(6)} ${clock.toFixed(2)} s (x${(clock / read).toFixed(2)} of read)  ${processor}`,
      );
    }
  }
}

function dropCaches() {
  execFileSync("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "3");
}

async function one(what, path, threads) {
  const start = performance.now(),
    before = process.cpuUsage();
  if (what === "read") readAll(path);
  else if (what === "fill") await fillAll(path, threads);
  else {
    const { loadModel } = await import("../dist/src/index.js");
    await loadModel(path, { threads, nCtx: 512 });
  }
  const clock = (performance.now() - start) / 1000,
    { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ clock, cpu: (user + system) / 1e6 }));
  process.exit(0);
}

function readAll(path) {
  const file = openSync(path, "r"),
    buffer = new Uint8Array(BUFFER);
  for (let at = 0, got = 1; got > 0; at += got) got = readSync(file, buffer, 0, BUFFER, at);
  closeSync(file);
}

async function fillAll(path, threads) {
  const file = openSync(path, "r"),
    { size } = fstatSync(file);
  closeSync(file);
  const memories = [];
  for (let left = size; left > 0; left -= BANK) {
    const pages = Math.ceil(Math.min(left, BANK) / 65536);
    memories.push(new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true }));
  }
  const workers = Array.from(
    { length: threads },
    (_, thread) =>
      new Worker(new URL(import.meta.url), { workerData: { path, memories, thread, threads } }),
  );
  await Promise.all(workers.map((worker) => new Promise((done) => worker.once("message", done))));
}

/** Every `threads`th piece of the file, to its place in the memories. */
function fillWorker({ path, memories, thread, threads }) {
  const file = openSync(path, "r");
  memories.forEach(({ buffer }, bank) => {
    const bytes = new Uint8Array(buffer);
    for (let at = thread * BUFFER; at < bytes.length; at += threads * BUFFER)
      readSync(file, bytes, at, Math.min(BUFFER, bytes.length - at), bank * BANK + at);
  });
  parentPort.postMessage("done");
}
