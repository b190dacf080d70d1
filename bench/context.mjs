// What a long context costs: milliseconds for one token at several positions, by type of the KV cache, the slope between
// them as bytes of cache read per second, and beside it how fast this machine's threads read plain memory.
//   node bench/context.mjs model.gguf [--positions 1024,4096,16384] [--types f16,q8_0] [--threads 2] [--rounds 9] [--cpu]
// The cache is filled with one byte instead of a prompt: speed hardly depends on what stands there. Types and positions
// take turns; medians count. --cpu, with one thread: processor time, which a busy machine disturbs less. Needs the built package (npm run build).

import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import asc from "assemblyscript/asc";

/** Reads `bytes` from `from` on, once; the sum keeps the loads alive. */
const READ = `export function read(from: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  for (let end = from + bytes; from < end; from += 64) {
    a = i32x4.add(a, v128.load(from));
    b = i32x4.add(b, v128.load(from, 16));
    c = i32x4.add(c, v128.load(from, 32));
    d = i32x4.add(d, v128.load(from, 48));
  }
  return i32x4.extract_lane(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)), 0);
}`;
const MEGABYTES = 256;
/** Tokens of one measurement. */
const TOKENS = 4;

if (isMainThread) await main();
else {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(workerData));
  const bytes = MEGABYTES << 20;
  exports.memory.grow(MEGABYTES * 16 + 1);
  new Uint8Array(exports.memory.buffer).fill(1);
  parentPort.on("message", () => {
    const start = performance.now();
    exports.read(65536, bytes);
    parentPort.postMessage(bytes / (performance.now() - start) / 1e6);
  });
  parentPort.postMessage(0);
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      positions: { type: "string", default: "1024,4096,16384" },
      types: { type: "string", default: "f16,q8_0" },
      threads: { type: "string", default: "2" },
      rounds: { type: "string", default: "9" },
      cpu: { type: "boolean", default: false },
    },
  });
  const { loadModel } = await import("../dist/src/index.js");
  const positions = values.positions.split(",").map(Number),
    types = values.types.split(","),
    threads = Number(values.threads);
  const nCtx = Math.max(...positions) + 64,
    models = [];
  for (const type of types) {
    const model = await loadModel(positionals[0], {
      threads,
      nCtx,
      cacheTypeK: type,
      cacheTypeV: type,
    });
    models.push({ type, ...filled(model, type) });
  }
  const clock = values.cpu ? cpuMilliseconds : () => performance.now(),
    times = new Map();
  for (let round = 0; round < Number(values.rounds) + 1; round++) {
    for (const position of positions) {
      for (const { type, model, session } of models) {
        goTo(model, session, position);
        const start = clock();
        for (let i = 0; i < TOKENS; i++) await session.evaluate([300 + i]);
        const key = `${type} ${position}`;
        if (round > 0) times.set(key, [...(times.get(key) ?? []), (clock() - start) / TOKENS]);
      }
    }
  }
  const plain = await plainRead(threads, Number(values.rounds));
  console.log(
    `${positionals[0]}: one token with ${threads} threads, medians of ${values.rounds} rounds`,
  );
  console.log(`plain reading of memory: ${plain.toFixed(1)} GB/s, all threads together`);
  for (const { type, cacheBytes } of models) {
    const at = positions.map((position) => median(times.get(`${type} ${position}`)));
    const cells = positions.map((position, i) => `${position}: ${at[i].toFixed(2)} ms`.padEnd(18));
    const slopes = positions.slice(1).map((position, i) => {
      const bytes = (position - positions[i]) * cacheBytes;
      return `${(bytes / (at[i + 1] - at[i]) / 1e6).toFixed(1)} GB/s`;
    });
    console.log(
      `${type.padEnd(5)} ${cells.join(" ")} slopes: ${slopes.join(", ")} (${cacheBytes} bytes a position)`,
    );
  }
  for (const { model } of models) await model.close();
}

/** A session over a full cache, and the bytes of the cache that a position takes. */
function filled(model, type) {
  const session = model.createSession(),
    { banks } = model.engine;
  let cacheBytes = 0;
  for (const bank of banks) {
    for (const [cache, { k, v }] of bank.placedCaches()) {
      const { pool, nHeadKv, kPageBytes, vPageBytes } = cache,
        nPages = bank.limits.nPages[pool];
      fill(bank.u8(k, kPageBytes * nPages), kPageBytes / nHeadKv, type);
      fill(bank.u8(v, vPageBytes * nPages), vPageBytes / nHeadKv, type);
      cacheBytes += (kPageBytes + vPageBytes) / 16;
    }
  }
  return { model, session, cacheBytes };
}

/** One byte everywhere but in the marks of f16 blocks: what stands there is normal (assembly/ops/kv-page.ts). */
function fill(bytes, blockBytes, type) {
  bytes.fill(0x2c);
  if (type !== "f16") return;
  for (let at = 0; at < bytes.length; at += blockBytes) bytes.fill(0, at, at + 16);
}

/** Gives the session `position` tokens that were never evaluated. */
function goTo({ engine: { cache } }, session, position) {
  session.truncate(0);
  cache.reserve(session.sequence, position);
  cache.advance(session.sequence, position);
}

function cpuMilliseconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** GB/s of all threads together, each over memory of its own that no cache holds. */
async function plainRead(threads, rounds) {
  const { binary } = await asc.compileString(READ, {
    optimizeLevel: 1,
    runtime: "stub",
    enable: ["simd"],
  });
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL(import.meta.url), { workerData: binary }),
  );
  const answers = () => Promise.all(workers.map((w) => new Promise((r) => w.once("message", r))));
  await answers();
  const speeds = [];
  for (let round = 0; round < rounds + 3; round++) {
    workers.forEach((w) => w.postMessage(0));
    speeds.push((await answers()).reduce((a, b) => a + b));
  }
  await Promise.all(workers.map((w) => w.terminate()));
  return median(speeds.slice(3)); // the first ones run in the baseline compiler
}

function median(xs) {
  return xs.toSorted((a, b) => a - b)[xs.length >> 1];
}
