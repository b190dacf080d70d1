// Speed of the matmul kernels on one thread: GB/s of weights for one column (decode), GOP/s for tiles (prefill).
//   node bench/kernels.mjs [--builds rel16,base] [--types Q4_0,Q4_K] [--time 300] [--prototype DIR]
// Run `npm run build` first. Weights repeat one byte, 0x3c: every f16 scale is then normal, and speed does not depend
// on the rest (but for marked groups, half.ts); those of grid types (IQ1, IQ2, IQ3) are random, so that the look-ups go
// everywhere. L2: 0.6 MB of weights; L3: 4096 rows of 4096. The best of many short runs counts.
// --prototype DIR: DIR/build/f_{relaxed,rel16,base}.wasm, kernels with exports run_TYPE_gGcC(rows, nb, w, groupBytes, y,
// tileBytes, columns, out); both are timed in the same run and the ratio to the prototype's best tile is printed.

import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";

const { values } = parseArgs({
  options: {
    builds: { type: "string", default: "dot32,rel16,base" },
    types: { type: "string" },
    time: { type: "string", default: "300" },
    prototype: { type: "string" },
  },
});

const K = 4096,
  ROWS = 4096,
  PREFILL_ROWS = 256,
  COLUMNS = 48;
/** Name, ggml number, bytes of a row of K weights. */
const types = [
  ["F32", 0, 4 * K],
  ["F16", 1, 2 * K],
  ["BF16", 30, 2 * K],
  ["Q4_0", 2, (K / 32) * 18],
  ["Q4_1", 3, (K / 32) * 20],
  ["Q5_0", 6, (K / 32) * 22],
  ["Q5_1", 7, (K / 32) * 24],
  ["Q8_0", 8, (K / 32) * 34],
  ["IQ4_NL", 20, (K / 32) * 18],
  ["Q2_K", 10, (K / 256) * 84],
  ["Q3_K", 11, (K / 256) * 110],
  ["Q4_K", 12, (K / 256) * 144],
  ["Q5_K", 13, (K / 256) * 176],
  ["Q6_K", 14, (K / 256) * 210],
  ["IQ4_XS", 23, (K / 256) * 136],
  ["IQ2_XXS", 16, (K / 256) * 66],
  ["IQ2_XS", 17, (K / 256) * 74],
  ["IQ2_S", 22, (K / 256) * 82],
  ["IQ3_XXS", 18, (K / 256) * 98],
  ["IQ3_S", 21, (K / 256) * 110],
  ["IQ1_S", 19, (K / 256) * 50],
  ["IQ1_M", 29, (K / 256) * 56],
  ["TQ1_0", 34, (K / 256) * 54],
  ["TQ2_0", 35, (K / 256) * 66],
  ["MXFP4", 39, (K / 32) * 17],
  ["NVFP4", 40, (K / 64) * 36],
  ["Q1_0", 41, (K / 128) * 18],
  ["Q2_0", 42, (K / 64) * 18],
  ["Q6_0", 133, (K / 32) * 26],
  ["IQ1_BN", 134, 2 + (K / 64) * 13],
  ["IQ2_BN", 135, 4 + (K / 64) * 16],
  ["Q8_KV", 151, 8 + K],
  ["IQ2_K", 137, (K / 256) * 76],
  ["IQ3_K", 138, (K / 256) * 110],
  ["IQ4_K", 139, (K / 256) * 144],
  ["IQ5_K", 140, (K / 256) * 176],
  ["IQ6_K", 141, (K / 256) * 212],
  ["IQ2_KS", 145, 2 + (K / 256) * 70],
  ["IQ3_KS", 156, 2 + (K / 256) * 102],
  ["IQ4_KS", 144, 4 + (K / 256) * 136],
  ["IQ4_KSS", 146, 4 + (K / 256) * 128],
  ["IQ5_KS", 152, 4 + (K / 256) * 168],
  ["IQ2_KL", 157, 2 + (K / 256) * 86],
  ["IQ1_KT", 158, 4 + (K / 256) * 56],
  ["IQ2_KT", 153, 4 + (K / 256) * 68],
  ["IQ3_KT", 154, 4 + (K / 256) * 100],
  ["IQ4_KT", 155, 4 + (K / 256) * 128],
].filter(([name]) => !values.types || values.types.split(",").includes(name));

const Y = 1 << 20,
  OUT = 24 << 20,
  X = 26 << 20,
  SCRATCH = 28 << 20,
  W = 32 << 20;
/** Rows whose weights fit L2 beside everything else, in whole decode tiles. */
const l2Rows = (rowBytes) => Math.floor(600_000 / rowBytes / 16) * 16;

/** An instance over its own memory, all of it 0x3c. */
function instantiate(file) {
  const memory = new WebAssembly.Memory({ initial: 2048, maximum: 65536, shared: true });
  const module = new WebAssembly.Module(readFileSync(file));
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
  new Uint8Array(memory.buffer, Y).fill(0x3c);
  return { memory, exports };
}

/** The weights: random bytes or 0x3c. */
function fillWeights(memory, random) {
  const bytes = new Uint8Array(memory.buffer, W);
  if (!random) return bytes.fill(0x3c);
  let seed = 1;
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 24;
}

/** Best time of each named function, in seconds; they take turns, so that a busy moment hits them alike. */
function best(functions) {
  const found = {};
  const rounds = 5;
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({
      time: Number(values.time) / rounds,
      iterations: 5,
      warmup: round === 0,
      warmupTime: 50,
    });
    for (const [name, fn] of Object.entries(functions)) bench.add(name, fn);
    bench.runSync();
    for (const { name, result } of bench.tasks) {
      found[name] = Math.min(found[name] ?? Infinity, result.latency.min / 1e3);
    }
  }
  return found;
}

/** What a type costs with our kernels: functions by name, and packing one column. */
function ours({ memory, exports }, id, rowBytes) {
  const format = exports.packFormat(id),
    T = exports.tileColumns(format);
  const groupBytes = exports.groupBytes(id, K),
    units = exports.packUnits(format, K);
  exports.repackGroup(id, X, rowBytes, 4, K, W);
  const bytes = new Uint8Array(memory.buffer);
  for (let g = 1; g < ROWS / 4; g++) bytes.copyWithin(W + g * groupBytes, W, W + groupBytes);
  const bytes1 = exports.packTileBytes(format, 1, K),
    bytesT = exports.packTileBytes(format, T, K);
  const Y1 = Y,
    YT = Y + ((bytes1 + 15) & ~15);
  exports.packTile(format, 1, X, 4 * K, 1, K, 0, units, Y1);
  for (let c = 0; c < COLUMNS; c += T)
    exports.packTile(format, T, X, 0, T, K, 0, units, YT + (c / T) * bytesT);
  const decode = (rows) => () => {
    for (let g = 0; g < rows / 4; g += 8) {
      exports.matmulTile(
        id,
        Math.min(8, rows / 4 - g),
        W + g * groupBytes,
        groupBytes,
        Y1,
        K,
        1,
        OUT + 16 * g,
        0,
        SCRATCH,
      );
    }
  };
  return {
    T,
    l2: decode(l2Rows(rowBytes)),
    l3: decode(ROWS),
    prefill: () => {
      const stride = 4 * PREFILL_ROWS;
      for (let g = 0; g < PREFILL_ROWS / 4; g += 8) {
        exports.matmulTiles(
          id,
          8,
          W + g * groupBytes,
          groupBytes,
          YT,
          bytesT,
          COLUMNS / T,
          K,
          T,
          OUT + 16 * g,
          stride,
          SCRATCH,
        );
      }
    },
    pack: () => exports.packTile(format, 1, X, 4 * K, 1, K, 0, units, Y1),
  };
}

/** The prototype's tiles of a type: { "l2 g4": fn, .. }. Its constants live at address 1024. */
function prototype({ memory, exports }, name, rowBytes) {
  const view = new DataView(memory.buffer);
  const masks = [
    0x0f0f0f0f, 0x3f3f3f3f, 0x30303030, 0x00ff00ff, 0x8fffe000, 0x77800000, 255, 0x000f000f,
    0x00010001,
  ];
  masks.forEach((mask, i) =>
    [0, 4, 8, 12].forEach((k) => view.setUint32(1024 + 16 * i + k, mask, true)),
  );
  const type = name.toLowerCase(),
    found = {};
  const nb = K / (type === "q4_0" || type === "q8_0" ? 32 : 256);
  for (const key of Object.keys(exports)) {
    const tile = new RegExp(`^run_${type}_g(\\d+)c(\\d+)$`).exec(key);
    if (!tile) continue;
    const C = Number(tile[2]),
      run = exports[key];
    // 2 bytes an element and 20% are more than any of its packings takes
    const tileBytes = Math.ceil(C * K * 2.4);
    if (C === 1) {
      found[`l2 ${key}`] = () => run(l2Rows(rowBytes), nb, W, 4 * rowBytes, Y, tileBytes, 1, OUT);
      found[`l3 ${key}`] = () => run(ROWS, nb, W, 4 * rowBytes, Y, tileBytes, 1, OUT);
    } else {
      found[`prefill ${key}`] = () =>
        run(PREFILL_ROWS, nb, W, 4 * rowBytes, Y, tileBytes, COLUMNS, OUT);
    }
  }
  return found;
}

const runtime = globalThis.Deno
  ? `deno ${Deno.version.deno}`
  : globalThis.Bun
    ? `bun ${Bun.version}`
    : `node ${process.version}`;
console.log(`${cpus()[0]?.model ?? "unknown CPU"}, ${runtime}, ${K} x ${ROWS}, one thread`);
console.log("build  type    decode GB/s L2 L3   Gweights/s L3   prefill GOP/s   pack us");
for (const build of values.builds.split(",")) {
  const kernels = instantiate(new URL(`../build/${build}.wasm`, import.meta.url));
  const other =
    values.prototype &&
    join(values.prototype, "build", `f_${build === "dot32" ? "relaxed" : build}.wasm`);
  const proto = other && existsSync(other) ? instantiate(other) : undefined;
  for (const [name, id, rowBytes] of types) {
    if (!kernels.exports.isSupported(id)) continue;
    fillWeights(kernels.memory, /^IQ[123]/.test(name));
    const { T, ...functions } = ours(kernels, id, rowBytes);
    const theirs = proto ? prototype(proto, name, rowBytes) : {};
    const times = best({ ...functions, ...theirs });
    const work = {
      l2: l2Rows(rowBytes) * rowBytes,
      l3: ROWS * rowBytes,
      prefill: 2 * PREFILL_ROWS * K * COLUMNS,
    };
    const cell = (kind) => {
      const speed = work[kind] / times[kind] / 1e9;
      const rivals = Object.keys(theirs)
        .filter((key) => key.startsWith(`${kind} `))
        .map((key) => times[key]);
      return rivals.length === 0
        ? speed.toFixed(1)
        : `${speed.toFixed(1)} (x${(Math.min(...rivals) / times[kind]).toFixed(2)})`;
    };
    const cells = [
      cell("l2"),
      cell("l3"),
      ((ROWS * K) / times.l3 / 1e9).toFixed(1),
      `${cell("prefill")} T=${T}`,
      (times.pack * 1e6).toFixed(1),
    ];
    console.log(`${build.padEnd(6)} ${name.padEnd(7)} ${cells.map((c) => c.padEnd(14)).join(" ")}`);
  }
}
