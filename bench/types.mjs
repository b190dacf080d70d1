// Every tensor type, ours beside native kernels, one thread, in turns: a markdown table for RESULTS.md.
//   node bench/types.mjs [--types IQ2_XS,Q4_K] [--build rel16] [--rounds 5] [--time 200] [--no-cold] [--ik DIR]
// Run `npm run build` first. Native: llama.cpp's prebuilt libraries in bench/peers/node_modules (npm install --prefix
// bench/peers) for ggml's types, and with --ik those of a build of ik_llama.cpp (libggml.so in DIR) for its own;
// bench/peers/native-kernels.c is compiled with cc into the system's temporary folder. Native takes the better of its plain
// and its interleaved layout. Random blocks. In cache: 4096 rows of 4096; cold: as many rows as fill --cold MB (default 160,
// five times this machine's last-level cache). Prefill: 512 rows, 48 columns. Best processor times of all rounds: others may be busy here.
// A type that can be kept as codes (weights: "fast") has a second line. --save: our figures of these types to type-speeds.json, from which
// type-table.mjs has its columns.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { bytesOfRow, fillRows, random, types } from "../test/assembly/matmul/hashes.mjs";

const { values } = parseArgs({
  options: {
    types: { type: "string" },
    build: { type: "string", default: "rel16" },
    rounds: { type: "string", default: "5" },
    time: { type: "string", default: "200" },
    cold: { type: "string", default: "160" },
    "no-cold": { type: "boolean", default: false },
    cpu: { type: "string", default: "zen4" },
    ik: { type: "string" },
    save: { type: "boolean", default: false },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const seconds = Number(values.time) / 1e3;
const K = 4096,
  ROWS = 4096,
  GIVEN_ROWS = 64,
  PREFILL_ROWS = 512,
  COLUMNS = 48;

/** A child that runs ggml's kernels; ask(command) gives its answer line. */
function startNative(libraries, folder) {
  if (!libraries.every((path) => existsSync(path))) return undefined;
  const program = join(tmpdir(), "samebit-native-kernels");
  const flags = ["-O2", "-Wno-deprecated-non-prototype", here("peers/native-kernels.c"), "-ldl"];
  execFileSync("cc", ["-o", program, ...flags]);
  const env = { ...process.env, LD_LIBRARY_PATH: folder };
  const child = spawn(program, libraries, { env, stdio: ["pipe", "pipe", "ignore"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (command) => {
    child.stdin.write(`${command}\n`);
    const { value, done } = await lines.next();
    if (done || value === "error") throw new Error(`native kernels: no answer to "${command}"`);
    return value;
  };
  return { ask, stop: () => child.stdin.end() };
}

const bins = here("peers/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64");
const llama = startNative(
  [join(bins, "libggml-base.so"), join(bins, `libggml-cpu-${values.cpu}.so`)],
  bins,
);
const ik = values.ik && startNative([join(values.ik, "libggml.so")], values.ik);

// optimised code from the start: on a busy machine the background compiler may be late
setFlagsFromString("--no-liftoff");
const memory = new WebAssembly.Memory({ initial: 4096, maximum: 65536, shared: true });
const file = new URL(`../build/${values.build}.wasm`, import.meta.url);
const module = new WebAssembly.Module(readFileSync(file));
const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
const SOURCE = 1 << 20,
  Y = 4 << 20,
  OUT = 8 << 20,
  SCRATCH = 14 << 20,
  W = 16 << 20;

/** Functions that do one product each, in cache, cold, and prefill; id: the kernels' type number. */
function ours(id, rowBytes, coldRows) {
  const groupBytes = exports.groupBytes(id, K),
    format = exports.packFormat(id),
    T = exports.tileColumns(format);
  const end = W + (coldRows / 4) * groupBytes;
  if (end > memory.buffer.byteLength)
    memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
  const given = GIVEN_ROWS / 4;
  for (let g = 0; g < given; g++)
    exports.repackFast(id, SOURCE + 4 * g * rowBytes, rowBytes, 4, K, W + g * groupBytes, SCRATCH);
  const bytes = new Uint8Array(memory.buffer);
  for (let g = given; g < coldRows / 4; g += given)
    bytes.copyWithin(W + g * groupBytes, W, W + Math.min(given, coldRows / 4 - g) * groupBytes);
  const x = new Float32Array(memory.buffer, OUT, COLUMNS * K);
  for (let i = 0; i < x.length; i++) x[i] = (((i * 7919) % 2003) - 1001) / 1001;
  const units = exports.packUnits(format, K),
    bytes1 = exports.packTileBytes(format, 1, K),
    bytesT = exports.packTileBytes(format, T, K);
  const YT = Y + ((bytes1 + 15) & ~15);
  exports.packTile(format, 1, OUT, 4 * K, 1, K, 0, units, Y);
  for (let c = 0; c < COLUMNS; c += T)
    exports.packTile(format, T, OUT + 4 * K * c, 4 * K, T, K, 0, units, YT + (c / T) * bytesT);
  // as the plan does it: pieces of about 64 KB (128 KB for prefill)
  const product = (rows, tiles, columns, tile, tileBytes, pieceBytes) => () => {
    const step = Math.max(1, Math.floor(pieceBytes / groupBytes / 4)) * 4;
    for (let g = 0; g < rows / 4; g += step) {
      const n = Math.min(step, rows / 4 - g),
        w = W + g * groupBytes,
        out = OUT + 16 * g;
      exports.matmulTiles(
        id,
        n,
        w,
        groupBytes,
        tile,
        tileBytes,
        tiles,
        K,
        columns,
        out,
        4 * PREFILL_ROWS,
        SCRATCH,
      );
    }
  };
  return {
    warm: product(ROWS, 1, 1, Y, bytes1, 65536),
    cold: product(coldRows, 1, 1, Y, bytes1, 65536),
    prefill: product(PREFILL_ROWS, COLUMNS / T, T, YT, bytesT, 131072),
  };
}

/** Seconds of processor time so far: on a busy machine the only clock that shows what the kernels take. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Best processor time of a function in about `limit` seconds of it. */
function best(fn, limit) {
  let found = Infinity,
    now = processorTime();
  const end = now + limit;
  for (let i = 0; i < 3 || now < end; i++) {
    const start = now;
    fn();
    now = processorTime();
    found = Math.min(found, now - start);
  }
  return found;
}

console.log(
  `${cpus()[0]?.model}, node ${process.version} ${values.build}, one thread, ${K} x ${ROWS}\n`,
);
console.log(
  "| type | Gweights/s, in cache: ours | native | ratio | GB/s | cold: ours | native | ratio | " +
    "prefill GOP/s: ours | native | ratio |",
);
console.log("|---|---|---|---|---|---|---|---|---|---|---|");

const wanted = (values.types?.split(",") ?? Object.keys(types)).flatMap((name) => {
  const [id] = types[name],
    fast = exports.fastType(id);
  const compact = { name, id, kernel: id, label: name };
  return fast === id ? [compact] : [compact, { name, id, kernel: fast, label: `${name} fast` }];
});
const saved = {};
for (const { name, id, kernel, label } of wanted) {
  const rowBytes = bytesOfRow(name, K);
  const coldRows = values["no-cold"]
    ? ROWS
    : Math.ceil((Number(values.cold) * 1e6) / rowBytes / 16) * 16;
  fillRows(new DataView(memory.buffer), SOURCE, name, GIVEN_ROWS, K, random(id), false);
  const rowsFile = join(tmpdir(), "samebit-rows.bin");
  writeFileSync(
    rowsFile,
    new Uint8Array(memory.buffer).slice(SOURCE, SOURCE + GIVEN_ROWS * rowBytes),
  );
  const functions = ours(kernel, rowBytes, coldRows);
  const native = id >= 130 ? ik : llama;
  const work = {
    warm: [ROWS, 1, K * ROWS],
    prefill: [PREFILL_ROWS, COLUMNS, 2 * K * PREFILL_ROWS * COLUMNS],
    ...(values["no-cold"] ? {} : { cold: [coldRows, 1, K * coldRows] }),
  };
  const speed = {};
  for (const [kind, [rows, columns, operations]] of Object.entries(work)) {
    let mine = Infinity,
      theirs = Infinity;
    const unknown = new Set();
    const limit = seconds / Number(values.rounds);
    best(functions[kind], limit);
    for (let round = 0; round < Number(values.rounds); round++) {
      mine = Math.min(mine, best(functions[kind], limit));
      for (const interleaved of [0, 1]) {
        if (!native || unknown.has(interleaved)) continue;
        const command = `weights ${id} ${K} ${rows} ${rowsFile} ${interleaved}`;
        if ((await native.ask(command)) !== "ok") unknown.add(interleaved);
        else theirs = Math.min(theirs, Number(await native.ask(`time ${columns} ${limit}`)));
      }
    }
    speed[kind] = {
      ours: operations / mine / 1e9,
      native: theirs < Infinity ? operations / theirs / 1e9 : undefined,
    };
  }
  saved[label] = { decode: +speed.warm.ours.toFixed(1), prefill: +speed.prefill.ours.toFixed(0) };
  const cells = (found) =>
    found
      ? [
          found.ours.toFixed(1),
          found.native?.toFixed(1) ?? "",
          found.native ? (found.ours / found.native).toFixed(2) : "",
        ]
      : ["", "", ""];
  const bandwidth = ((speed.warm.ours * exports.groupBytes(kernel, K)) / 4 / K).toFixed(1);
  const row = [
    label,
    ...cells(speed.warm),
    bandwidth,
    ...cells(speed.cold),
    ...cells(speed.prefill),
  ];
  console.log(`| ${row.join(" | ")} |`);
}
if (values.save) {
  const path = here("type-speeds.json"),
    machine = `${cpus()[0]?.model}, Node ${process.versions.node}, ${values.build}`;
  // figures of other types stay, if they are this machine's
  const known = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {},
    speeds = { ...(known.machine === machine && known.speeds), ...saved };
  writeFileSync(path, `${JSON.stringify({ machine, speeds }, null, 2)}\n`);
}
llama?.stop();
ik?.stop();
