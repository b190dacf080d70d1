// Speed of the quantisers: million weights a second of one thread, without and with importance weights.
//   node bench/quantize.mjs [--types Q4_K,IQ3_S] [--rounds 5] [--native EXECUTABLE LIBGGML_BASE.so]
// Run `npm run build` first. CPU time of the whole process, not wall-clock: machines are shared. Medians of rounds.
// --native: beside llama.cpp's own quantisers (bench/peers/quantize.c says how to build EXECUTABLE), call by call in turns;
// in brackets our speed over theirs.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { quantizableTypes, quantize } from "../dist/src/quants.js";
import { typeByName } from "../dist/formats/types.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    types: { type: "string" },
    rounds: { type: "string", default: "5" },
    native: { type: "boolean", default: false },
  },
});
const ROUNDS = Number(options.rounds),
  K = 4096,
  MOST_ROWS = 64;
/** A round takes about so long, in seconds. */
const ROUND_SECONDS = 0.1;
const NEEDS_IMATRIX = new Set(["IQ2_XXS", "IQ2_XS", "IQ1_S"]);

/** Nearly normal values: the sum of four uniform ones, from a seed. */
function gaussian(seed, n) {
  let s = seed;
  const uniform = () => (s = (Math.imul(s, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  return Float32Array.from(
    { length: n },
    () => 0.02 * Math.sqrt(3) * (uniform() + uniform() + uniform() + uniform()),
  );
}
const x = gaussian(1, K * MOST_ROWS),
  imatrix = gaussian(2, K).map((v) => Math.exp(40 * v));

/** CPU seconds of one call. */
async function ours(type, rows, weights) {
  const values = x.subarray(0, rows * K),
    before = process.cpuUsage();
  await quantize(type, values, { nPerRow: K, imatrix: weights });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** CPU seconds of one call of llama.cpp, in a process of its own that stays. */
function startNative([executable, library]) {
  const folder = mkdtempSync(join(tmpdir(), "quantize-"));
  const files = [x, imatrix].map((data, i) => {
    const path = join(folder, `${i}.f32`);
    writeFileSync(path, new Uint8Array(data.buffer));
    return path;
  });
  const child = spawn(executable, [library, ...files, String(K)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async seconds(id, rows, weighted) {
      child.stdin.write(`${id} ${rows} ${weighted ? 1 : 0}\n`);
      return Number((await lines.next()).value);
    },
    close() {
      child.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

async function measure(type, weights, native) {
  // V8 optimises while it warms up; then as many rows as make a round
  let rows = 1;
  for (;;) {
    await ours(type, rows, weights);
    const seconds = await ours(type, rows, weights);
    if (rows >= MOST_ROWS || seconds > ROUND_SECONDS / 2) break;
    rows = Math.min(MOST_ROWS, 2 * rows);
  }
  const our = [],
    their = [];
  for (let round = 0; round < ROUNDS; round++) {
    our.push(await ours(type, rows, weights));
    if (native) their.push(await native.seconds(typeByName(type).id, rows, weights !== undefined));
  }
  const speed = (list) => (rows * K) / median(list) / 1e6;
  return { our: speed(our), their: native && speed(their) };
}

const types = options.types?.split(",") ?? (await quantizableTypes()).filter((t) => t !== "F32");
const native = options.native ? startNative(positionals) : undefined;
/** Types that the library writes: those of ggml. */
const known = (type) => typeByName(type).id < 133 && !/^(NVFP4|Q[12]_0)$/.test(type);
const shown = ({ our, their }) =>
  `${our.toFixed(our < 10 ? 2 : 1)}${their ? ` (x${(our / their).toFixed(2)})` : ""}`;
console.log(`${cpus()[0].model.trim()}, node ${process.version}, Mweights/s of one thread`);
console.log(`${"type".padEnd(9)}${"without".padEnd(18)}with importance weights`);
for (const type of types) {
  const beside = native && known(type) ? native : undefined;
  const plain = NEEDS_IMATRIX.has(type) ? "-" : shown(await measure(type, undefined, beside));
  console.log(`${type.padEnd(9)}${plain.padEnd(18)}${shown(await measure(type, imatrix, beside))}`);
}
native?.close();
