// Loading weights with the real kernels into a small bank: vectors of any length and type, matrices in chunks, from bytes
// that the caller reads and from a file that every thread opens, and what goes wrong. What a whole model's loading promises
// is tested in model.test.ts.

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Gguf } from "../../formats/gguf.ts";
import {
  bytesSource,
  rowBytes,
  type Source,
  tensorBytes,
  typeByName,
} from "../../formats/index.ts";
import { plainType } from "../../src/interleaved/index.ts";
import type * as Instances from "../../src/kernels/instance.ts";
import type * as Kernels from "../../src/kernels/module.ts";
import type { KernelExports } from "../../src/kernels/exports.ts";
import { Bank, type BankLimits, STAGING_BYTES } from "../../src/memory/bank.ts";
import type { PlacedWeight } from "../../src/memory/placed.ts";
import type * as Quants from "../../src/quants.ts";
import type * as Repack from "../../src/repack.ts";
import type * as InlinePools from "../../src/threads/inline-pool.ts";
import type * as Pool from "../../src/threads/pool.ts";
import { fileSource } from "../../src/platform/node.ts";
import { loadWeights } from "../../src/weights.ts";
import { dequantize, f32ToF16 } from "../reference/dequantize.ts";
import { failureOf } from "./special-models.ts";

const builtModule = (path: string) =>
  import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const { chooseKernels, probeMemory } = (await builtModule("kernels/module.js")) as typeof Kernels;
const { instantiateKernels } = (await builtModule("kernels/instance.js")) as typeof Instances;
const { dequantize: dequantizeInterleaved } = (await builtModule("quants.js")) as typeof Quants;
const { ThreadPool } = (await builtModule("threads/pool.js")) as typeof Pool;
const { InlinePool } = (await builtModule("threads/inline-pool.js")) as typeof InlinePools;
const { Repacker } = (await builtModule("repack.js")) as typeof Repack;
const folder = mkdtempSync(join(tmpdir(), "samebit-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));
let shared: Kernels.Kernels, plain: Kernels.Kernels, maths: KernelExports;
beforeAll(async () => {
  [shared, plain] = [await chooseKernels("base"), await chooseKernels("base", false)];
  maths = instantiateKernels(shared.module, probeMemory());
});
const moduleFor = ({ limits }: Bank) => (limits.shared ? shared : plain).module;
const kernelsOver = (bank: Bank) => instantiateKernels(moduleFor(bank), bank.memory);

interface TestTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** The bytes as a file: what every thread can open. */
function inFile(bytes: Uint8Array): Source {
  const path = join(folder, "weights.bin");
  writeFileSync(path, bytes);
  return fileSource(path);
}
const inMemory = (bytes: Uint8Array) => bytesSource("file", bytes);
const SOURCES = [
  ["memory", inMemory, false],
  ["a file", inFile, false],
  ["memory, in the calling thread", inMemory, true],
  ["a file, in the calling thread", inFile, true],
] as const;

function ggufOf(
  tensors: readonly TestTensor[],
  sourceOf: (bytes: Uint8Array) => Source = inMemory,
): Gguf {
  let offset = 64;
  const infos = new Map(),
    file = new Uint8Array(64 + tensors.reduce((sum, t) => sum + t.data.length, 0));
  for (const { name, type: typeName, shape, data } of tensors) {
    const type = typeByName(typeName),
      nWeights = shape.reduce((a, b) => a * b, 1);
    expect(data.length).toBe(tensorBytes(type, shape));
    infos.set(name, { name, type, shape, nWeights, offset, bytes: data.length, sourceIndex: 0 });
    file.set(data, offset);
    offset += data.length;
  }
  return { tensors: infos, sources: [sourceOf(file)] } as unknown as Gguf;
}

function placed(
  { name, type, shape: [k, m = 1, n = 1] }: TestTensor,
  layout: "matrix" | "vector",
  stored = typeByName(type).id,
): PlacedWeight {
  if (layout === "vector")
    return {
      name,
      shape: [k * m],
      layout,
      type: 0,
      bytes: k * m * 4,
      groupBytes: 0,
      expertBytes: 0,
    };
  const groupBytes = maths.groupBytes(stored, k),
    expertBytes = groupBytes * Math.ceil(m / 4);
  return {
    name,
    shape: [k, m, n],
    layout,
    type: stored,
    groupBytes,
    expertBytes,
    bytes: expertBytes * n,
  };
}

function bankFor(weights: readonly PlacedWeight[], inline = false): Bank {
  const limits: BankLimits = {
    heapBase: maths.heapBase(),
    nThreads: 1,
    nBatch: 1,
    nSequences: 1,
    nPages: { whole: 1, window: 0 },
    maxPagesPerSequence: 1,
    planBytes: 4096,
    arenaBytes: 64,
    maxBytes: 2 ** 30,
    nEmbd: 4,
    shared: !inline,
  };
  return new Bank(
    0,
    { weights: new Set(weights), caches: new Set(), states: new Set() },
    new Map(),
    limits,
  );
}

async function load(
  gguf: Gguf,
  bank: Bank,
  weights: readonly PlacedWeight[],
  { signal, onProgress, threads = 2 }: LoadTest = {},
): Promise<void> {
  const module = moduleFor(bank);
  const pool = bank.limits.shared
    ? await ThreadPool.start(module, [bank], threads)
    : new InlinePool(module, [bank]);
  try {
    const repacker = new Repacker([bank], pool, signal);
    await loadWeights({
      gguf,
      banks: [bank],
      kernels: [kernelsOver(bank)],
      repacker,
      weights,
      signal,
      onProgress,
    });
  } finally {
    await pool.close();
    for (const source of gguf.sources) await source.close?.();
  }
}

interface LoadTest {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  readonly threads?: number;
}

/** Row `row` of a matrix as it lies in the bank. */
function rowOf(bank: Bank, weight: PlacedWeight, expert: number, row: number): Float32Array {
  const kernels = kernelsOver(bank),
    out = bank.staging.address,
    [k] = weight.shape;
  const group =
    bank.weightAddress(weight) + expert * weight.expertBytes + (row >> 2) * weight.groupBytes;
  kernels.dequantizeRow(weight.type, group, row & 3, k, out, out + k * 4);
  return bank.f32(out, k).slice();
}

/** Pseudo-random bytes whose f16 scale, the first half of a block, is 1. */
function q8(nWeights: number): Uint8Array {
  const bytes = new Uint8Array((nWeights / 32) * 34);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = i % 34 === 0 ? 0 : i % 34 === 1 ? 0x3c : Math.imul(i, 2654435761) >>> 24;
  return bytes;
}

describe("vectors", () => {
  it.each([1, 5, 16384, 16385, 400_000])("of %i f32", async (n) => {
    const values = Float32Array.from({ length: n }, (_, i) => i * 0.5 - 3),
      tensor = { name: "v", type: "F32", shape: [n], data: new Uint8Array(values.buffer) };
    const weight = placed(tensor, "vector"),
      bank = bankFor([weight]);
    await load(ggufOf([tensor]), bank, [weight]);
    expect(bank.f32(bank.weightAddress(weight), n).every((x, i) => x === values[i])).toBe(true);
  });

  it("of other types, in one row or more", async () => {
    const halves = Uint16Array.from({ length: 40_000 }, (_, i) => f32ToF16(i / 64)),
      blocks = q8(20_480);
    const tensors = [
      { name: "half", type: "F16", shape: [200, 200], data: new Uint8Array(halves.buffer) },
      { name: "q8", type: "Q8_0", shape: [20_480], data: blocks },
    ];
    const weights = tensors.map((t) => placed(t, "vector")),
      bank = bankFor(weights);
    await load(ggufOf(tensors), bank, weights);
    weights.forEach((weight, i) => {
      const expected = dequantize(tensors[i].type, tensors[i].data, weight.bytes / 4);
      expect(
        bank.f32(bank.weightAddress(weight), expected.length).every((x, j) => x === expected[j]),
      ).toBe(true);
    });
  });

  it("of a type that no kernel converts are refused", async () => {
    const tensor = { name: "v", type: "I32", shape: [4], data: new Uint8Array(16) },
      weight = placed(tensor, "vector");
    expect(await failureOf(load(ggufOf([tensor]), bankFor([weight]), [weight]))).toMatchObject({
      name: "PlanError",
      message:
        "v: expected a tensor type that the kernels convert, found I32; requantise the model",
    });
  });

  it("of the plan's own numbers", async () => {
    const constant = Float32Array.of(1, 2, 3),
      weight: PlacedWeight = {
        ...placed({ name: "c", type: "F32", shape: [3], data: new Uint8Array(12) }, "vector"),
        constant,
      };
    const bank = bankFor([weight]);
    await load(ggufOf([]), bank, [weight]);
    expect(bank.f32(bank.weightAddress(weight), 3)).toEqual(constant);
  });
});

describe.each(SOURCES)("matrices from %s", (_, sourceOf, inline) => {
  // more rows than the staging area holds, no multiple of four; and experts whose last group is short
  it.each([
    ["many rows", [1024, 4711]],
    ["experts", [64, 6, 5]],
    ["one row", [96, 1]],
    ["one expert's worth of staging", [4096, 1201, 2]],
  ] as const)("%s", async (_, shape) => {
    const [k, m, n = 1] = shape as readonly number[],
      data = q8(k * m * n);
    const tensor = { name: "w", type: "Q8_0", shape, data },
      raw = (k / 32) * 34;
    for (const stored of n * m * k < 1e6 ? [8, 0] : [8]) {
      const weight = placed(tensor, "matrix", stored),
        bank = bankFor([weight], inline);
      await load(ggufOf([tensor], sourceOf), bank, [weight]);
      for (const expert of [0, n - 1]) {
        for (const row of new Set(
          [0, 1, 2, 3, m >> 1, (m >> 1) + 1, m - 2, m - 1].filter((r) => r >= 0 && r < m),
        )) {
          const at = (expert * m + row) * raw;
          expect(
            rowOf(bank, weight, expert, row),
            `expert ${expert}, row ${row}, stored as ${stored}`,
          ).toEqual(dequantize("Q8_0", data.subarray(at, at + raw), k));
        }
      }
    }
  });

  it("with rows longer than the staging area are refused", async () => {
    const k = STAGING_BYTES / 4,
      tensor = { name: "w", type: "F32", shape: [k, 1], data: new Uint8Array(k * 4) };
    const weight = placed(tensor, "matrix"),
      gguf = ggufOf([tensor], sourceOf);
    expect(await failureOf(load(gguf, bankFor([weight], inline), [weight]))).toMatchObject({
      message: expect.stringMatching(/^w: expected rows of at most/),
    });
  });

  it("with a bad scale are refused, with its offset in the file", async () => {
    const data = q8(64 * 8),
      tensor = { name: "w", type: "Q8_0", shape: [64, 8], data };
    data[34 * 7 + 1] = 0x7c;
    const weight = placed(tensor, "matrix"),
      gguf = ggufOf([tensor], sourceOf);
    expect(await failureOf(load(gguf, bankFor([weight], inline), [weight]))).toMatchObject({
      name: "GgufError",
      subject: "w",
      offset: 64 + 34 * 7,
      source: gguf.sources[0].name,
    });
  });

  it("count their bytes, and end with the signal", async () => {
    const shape = [1024, 1024],
      tensor = { name: "w", type: "Q8_0", shape, data: q8(1024 * 1024) };
    const weight = placed(tensor, "matrix"),
      counts: number[] = [];
    const onProgress = (done: number, total: number) => {
      expect(total).toBe(tensor.data.length);
      counts.push(done);
    };
    await load(ggufOf([tensor], sourceOf), bankFor([weight], inline), [weight], { onProgress });
    expect(counts.at(-1)).toBe(tensor.data.length);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    const controller = new AbortController(),
      cancelled = load(ggufOf([tensor], sourceOf), bankFor([weight], inline), [weight], {
        signal: controller.signal,
        onProgress: () => controller.abort("why"),
      });
    expect(await failureOf(cancelled)).toMatchObject({ failure: "cancelled", cause: "why" });
  });
});

describe("files that every thread opens", () => {
  const tensor = { name: "w", type: "Q8_0", shape: [4096, 64], data: q8(4096 * 64) };

  it("may have rows so wide that only some threads have room for a group", async () => {
    // a group of four rows takes half of the staging area
    const k = STAGING_BYTES / 32,
      values = Float32Array.from({ length: k * 6 }, (_, i) => i);
    const data = new Uint8Array(values.buffer),
      wide = { name: "w", type: "F32", shape: [k, 6], data },
      weight = placed(wide, "matrix"),
      bank = bankFor([weight]);
    await load(ggufOf([wide], inFile), bank, [weight], { threads: 3 });
    for (let row = 0; row < 6; row++)
      expect(rowOf(bank, weight, 0, row).every((x, i) => x === values[row * k + i])).toBe(true);
  });

  it("are refused when another one has taken its place", async () => {
    const weight = placed(tensor, "matrix"),
      gguf = ggufOf([tensor], inFile);
    truncateSync(join(folder, "weights.bin"), 1000);
    expect(await failureOf(load(gguf, bankFor([weight]), [weight]))).toMatchObject({
      name: "SamebitError",
      message: expect.stringMatching(
        /expected the file of \d+ bytes that was opened, found another of 1000/,
      ),
    });
  });
});

describe("interleaved types", () => {
  /** Random bytes of a tensor whose scales are ordinary numbers. */
  function randomData(name: string, shape: readonly number[]): Uint8Array {
    const type = typeByName(name),
      { rowsInterleaved: rows, rowMetaBytes, tensorTailBytes } = type,
      bytes = new Uint8Array(tensorBytes(type, shape)),
      view = new DataView(bytes.buffer);
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(i + 7, 2654435761) >>> 23;
    const bundle = rowBytes(type, shape[0]) * rows;
    if (tensorTailBytes) view.setFloat32(bytes.length - tensorTailBytes, 0.375, true);
    const scaleEach = rowMetaBytes ? bundle : type.typeSize * rows;
    for (let at = 0; at + scaleEach <= bytes.length && !tensorTailBytes; at += scaleEach) {
      for (let row = 0; row < rows; row++) {
        const value = 1 / (1 + ((at + row) % 61));
        if (rowMetaBytes === 4) view.setFloat32(at + 4 * row, value, true);
        else if (name !== "BF16_R16") view.setUint16(at + 2 * row, f32ToF16(value), true);
        // dmin of Q4_K_R4
        if (name === "Q4_K_R4") view.setUint16(at + 2 * (rows + row), f32ToF16(value), true);
      }
    }
    if (name === "BF16_R16")
      for (let i = 1; i < bytes.length; i += 2) bytes[i] = (bytes[i] & 0x80) | 0x3c;
    return bytes;
  }

  /** The tensor's rows by dequantize (which has its own tests), as [rows][k]. */
  async function expectedRows({ type, shape, data }: TestTensor): Promise<Float32Array[]> {
    const nWeights = shape.reduce((a, b) => a * b, 1),
      [k] = shape;
    const values = await dequantizeInterleaved(type, data, nWeights, { nPerRow: k });
    return Array.from({ length: nWeights / k }, (_, r) => values.subarray(r * k, (r + 1) * k));
  }

  // several chunks of staging memory; experts; a type whose plain blocks differ, scales of rows and of the whole tensor
  it.each([
    ["Q4_K_R4", [1024, 4 * 777]],
    ["Q8_0_R8", [64, 8, 5]],
    ["Q8_K_R16", [1024, 16 * 77]],
    ["IQ4_KS_R4", [512, 4 * 33]],
    ["IQ1_M_R4", [256, 8]],
    ["BF16_R16", [38, 32]],
    ["I2_S", [2048, 4111]],
    ["I2_S", [128, 6, 3]],
  ] as const)("%s of shape %j, in their plain type and as f32", async (name, shape) => {
    const tensor = { name: "w", type: name, shape, data: randomData(name, shape) },
      rows = await expectedRows(tensor),
      plain = plainType(typeByName(name)).id,
      [, m] = shape;
    for (const stored of shape[0] * shape[1] < 1e6 ? [plain, 0] : [plain]) {
      const weight = placed(tensor, "matrix", stored),
        bank = bankFor([weight]);
      await load(ggufOf([tensor]), bank, [weight]);
      for (let r = 0; r < rows.length; r += r % 40 === 39 ? 461 : 1) {
        const found = rowOf(bank, weight, Math.floor(r / m), r % m);
        expect(
          found.findIndex((x, i) => x !== rows[r][i]),
          `row ${r}`,
        ).toBe(-1);
      }
    }
  });

  it.each([
    ["Q4_0_R8", [64, 16]],
    ["IQ2_BN_R4", [128, 8]],
    ["I2_S", [128, 3]],
    ["IQ4_KS", [256, 3]],
  ] as const)("%s of shape %j as a vector", async (name, shape) => {
    const tensor = { name: "v", type: name, shape, data: randomData(name, shape) },
      weight = placed(tensor, "vector"),
      bank = bankFor([weight]),
      rows = await expectedRows(tensor);
    await load(ggufOf([tensor]), bank, [weight]);
    const found = bank.f32(bank.weightAddress(weight), shape[0] * shape[1]);
    rows.forEach((row, r) =>
      expect(found.slice(r * shape[0], (r + 1) * shape[0]), `row ${r}`).toEqual(row),
    );
  });

  it("refuse rows that their plain type does not allow, by the tensor's name", async () => {
    const shape = [288, 4],
      data = new Uint8Array(tensorBytes(typeByName("IQ1_S_R4"), shape)),
      tensor = { name: "w", type: "IQ1_S_R4", shape, data },
      weight = { ...placed({ ...tensor, shape: [256, 4] }, "matrix", 19), shape: [288, 4, 1] };
    expect(await failureOf(load(ggufOf([tensor]), bankFor([weight]), [weight]))).toMatchObject({
      name: "GgufError",
      message: expect.stringMatching(
        /^w: expected IQ1_S_R4 rows of a multiple of 256 weights, found 288; convert the tensor to/,
      ),
    });
  });

  it.each([
    ["Q4_K_R4", [256, 8], 4 * 144 + 2 * 5, "finite scales in its Q4_K_R4 blocks"],
    ["IQ4_KS_R4", [256, 8], 4 * 140 + 4 * 2 + 2, "finite scales in its IQ4_KS_R4 rows"],
    ["IQ2_KS", [256, 8], 72 * 5, "finite scales in its IQ2_KS rows"],
    ["I2_S", [128, 8], 256 + 2, "finite scales in its I2_S tensor"],
  ] as const)("%s with a bad scale is refused", async (name, shape, at, expected) => {
    const data = randomData(name, shape),
      tensor = { name: "w", type: name, shape, data };
    new DataView(data.buffer).setUint16(at, 0x7f80, true);
    const weight = placed(tensor, "matrix", plainType(typeByName(name)).id);
    const scaleAt = name === "IQ4_KS_R4" || name === "I2_S" ? at - 2 : at;
    expect(await failureOf(load(ggufOf([tensor]), bankFor([weight]), [weight]))).toMatchObject({
      name: "GgufError",
      expected,
      offset: 64 + scaleAt,
    });
  });
});

describe("flush-to-zero", () => {
  it("in the caller's thread is found before anything is converted", async () => {
    const kernels = { flushesDenormals: () => 1 } as unknown as KernelExports;
    expect(
      await failureOf(
        loadWeights({
          gguf: ggufOf([]),
          banks: [],
          kernels: [kernels],
          repacker: undefined as never,
          weights: [],
        }),
      ),
    ).toMatchObject({
      name: "RunError",
      failure: "flush-to-zero",
      message: expect.stringMatching(/^caller's thread: expected denormal numbers to be kept/),
    });
  });
});
