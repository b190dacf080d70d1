// Runs single ops of assembly/ops on memory laid out by hand, from one thread and from three real ones: compiles
// the ops without the plan interpreter, and keeps instances in two worker threads beside this one.

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect } from "vitest";
import { Batch, Limit, Sequence, Word } from "../../../assembly/abi.ts";

const root = join(import.meta.dirname, "../../..");
const entry = `
export * from "./assembly/ops/index";
export { enterInstruction, enterRun } from "./assembly/work";
export { expf, tanhf } from "./assembly/math/index";
`;

type Functions = Record<string, (...args: number[]) => number>;

/** An f32 matrix in the machine's memory; stride in bytes. */
export interface Tensor {
  readonly address: number;
  readonly rows: number;
  readonly width: number;
  readonly stride: number;
}

export interface BatchRow {
  readonly position: number;
  /** Index into `sequences`; default 0. */
  readonly sequence?: number;
  readonly adapter?: number;
}

export interface SequenceSpec {
  /** Physical page of every 16 positions. */
  readonly pages: readonly number[];
  readonly length: number;
  readonly stateSlot?: number;
}

export class Machine {
  readonly memory: WebAssembly.Memory;
  readonly functions: Functions;
  #next = 1 << 20;
  #control: Int32Array;
  #workers: Worker[] = [];

  private constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    this.memory = memory;
    this.functions = instantiate(module, memory);
    // go (a generation), then how many workers have finished it
    this.#control = new Int32Array(new SharedArrayBuffer(64));
    for (let thread = 1; thread <= 2; thread++) {
      const workerData = {
        module,
        memory,
        control: this.#control.buffer,
        thread,
        command: this.#command,
      };
      this.#workers.push(new Worker(workerSource, { eval: true, workerData }));
    }
  }

  static async create(): Promise<Machine> {
    const module = await WebAssembly.compile(await compiled());
    const machine = new Machine(
      module,
      new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true }),
    );
    await Promise.all(machine.#workers.map((w) => new Promise((done) => w.once("message", done))));
    return machine;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((w) => w.terminate()));
  }

  readonly #command = new SharedArrayBuffer(256);
  #counter = 4096;
  #scratch = 1 << 19;
  #batch = 8192;
  #instruction = 12288;

  /** Forgets all allocations. */
  reset(): void {
    this.#next = 1 << 20;
  }

  /** Bytes aligned to 16, filled with NaN so that nothing uninitialised goes unseen. */
  allocate(bytes: number, fill = 0xff): number {
    const address = this.#next;
    this.#next = (address + bytes + 31) & ~15;
    if (this.#next > this.memory.buffer.byteLength)
      throw new RangeError("test memory is full: reset() it");
    new Uint8Array(this.memory.buffer, address, this.#next - address).fill(fill);
    return address;
  }

  f32(address: number, n: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, n);
  }

  u32(address: number, n: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, n);
  }

  u8(address: number, n: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, n);
  }

  /** A vector of floats. */
  vector(values: ArrayLike<number>): number {
    const address = this.allocate(values.length * 4);
    this.f32(address, values.length).set(values);
    return address;
  }

  words(values: ArrayLike<number>): number {
    const address = this.allocate(values.length * 4);
    this.u32(address, values.length).set(values);
    return address;
  }

  /** A tensor of NaN, or of `values`; `pad` floats lie between its rows. */
  tensor(rows: number, width: number, values?: ArrayLike<number>, pad = 0): Tensor {
    const stride = (((width + 3) & ~3) + pad) * 4;
    const tensor = { address: this.allocate(stride * ((rows + 7) & ~7)), rows, width, stride };
    if (values) {
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < width; c++)
          this.f32(tensor.address + r * stride, width)[c] = values[r * width + c]!;
      }
    }
    return tensor;
  }

  read(t: Tensor): Float32Array {
    const out = new Float32Array(t.rows * t.width);
    for (let r = 0; r < t.rows; r++)
      out.set(this.f32(t.address + r * t.stride, t.width), r * t.width);
    return out;
  }

  clear(t: Tensor): void {
    this.u8(t.address, t.rows * t.stride).fill(0xff);
  }

  /** Sets the batch: one row per token, write slots from the page tables, all rows as outputs. */
  batch(
    rows: readonly BatchRow[],
    sequences: readonly SequenceSpec[] = [],
    outputs?: readonly number[],
  ): void {
    const b = this.u32(this.#batch, Batch.bytes / 4);
    b.fill(0);
    const outputRows = outputs ?? rows.map((_, i) => i);
    b[Batch.nTokens >> 2] = rows.length;
    b[Batch.nOutputs >> 2] = outputRows.length;
    b[Batch.nSequences >> 2] = sequences.length;
    b[Batch.positions >> 2] = this.words(
      rows.flatMap((r) => [r.position, r.position + 1, r.position + 2, 0]),
    );
    b[Batch.sequenceOf >> 2] = this.words(rows.map((r) => r.sequence ?? 0));
    b[Batch.writeSlots >> 2] = this.words(
      rows.map((r) => {
        const pages = sequences[r.sequence ?? 0]?.pages ?? [];
        return (pages[r.position >> 4] ?? 0) * 16 + (r.position & 15);
      }),
    );
    b[Batch.outputRows >> 2] = this.words(outputRows);
    b[Batch.adapters >> 2] = this.words(rows.map((r) => r.adapter ?? 0));
    const table = this.allocate(sequences.length * Sequence.bytes, 0);
    b[Batch.sequences >> 2] = table;
    sequences.forEach((s, i) => {
      const record = this.u32(table + i * Sequence.bytes, 4);
      record[Sequence.pageTable >> 2] = this.words(s.pages);
      record[Sequence.length >> 2] = s.length;
      record[Sequence.stateSlot >> 2] = s.stateSlot ?? 0;
    });
  }

  setOutputStart(start: number): void {
    this.u32(this.#batch, Batch.bytes / 4)[Batch.outputStart >> 2] = start;
  }

  /** Runs `op` once; words by index, f32 words in `floats`. threads: 1 or 3. */
  run(
    op: string,
    words: Record<number, number>,
    floats: Record<number, number> = {},
    threads = 1,
  ): void {
    const ins = this.#instruction;
    this.u32(ins, 32).fill(0);
    for (const [i, value] of Object.entries(words)) this.u32(ins, 32)[Number(i)] = value;
    for (const [i, value] of Object.entries(floats)) this.f32(ins, 32)[Number(i)] = value;
    this.u32(this.#counter, 1)[0] = 0;
    this.u8(this.#scratch, 3 * Limit.scratchBytes).fill(0xff);
    if (threads === 1) {
      this.functions["enterRun"]!(this.#batch, this.#scratch, 0, 1);
      this.functions["enterInstruction"]!(this.#counter);
      this.functions[op]!(ins);
      return;
    }
    const text = new TextEncoder().encode(op);
    const command = new Uint8Array(this.#command);
    command.fill(0);
    command.set(text, 16);
    new Uint32Array(this.#command, 0, 4).set([this.#batch, this.#scratch, this.#counter, ins]);
    Atomics.store(this.#control, 1, 0);
    Atomics.add(this.#control, 0, 1);
    Atomics.notify(this.#control, 0);
    this.functions["enterRun"]!(this.#batch, this.#scratch, 0, 3);
    this.functions["enterInstruction"]!(this.#counter);
    this.functions[op]!(ins);
    for (let left = 2; left > 0;) {
      const done = Atomics.load(this.#control, 1);
      if (done < 0) throw new Error(`${op} trapped in a worker`);
      left = 2 - done;
      if (left > 0 && Atomics.wait(this.#control, 1, done, 10_000) === "timed-out")
        throw new Error(`${op} hangs`);
    }
  }

  /**
   * Runs `op` from one thread and from three, checks that `dst` gets the same bits, and returns it. `inPlace`: dst is
   * also an input, restored before the second run.
   */
  result(
    op: string,
    dst: Tensor,
    words: Record<number, number>,
    floats: Record<number, number> = {},
    inPlace = false,
  ): Float32Array {
    const all = {
      [Word.rows]: dst.rows,
      [Word.dst]: dst.address,
      [Word.dstStride]: dst.stride,
      [Word.width]: dst.width,
      ...words,
    };
    const before = this.u8(dst.address, dst.stride * dst.rows).slice();
    this.run(op, all, floats, 1);
    const one = this.read(dst);
    if (inPlace) this.u8(dst.address, before.length).set(before);
    else this.clear(dst);
    this.run(op, all, floats, 3);
    expectSameBits(this.read(dst), one);
    return one;
  }
}

/** Fails with the first differing index. */
export function expectSameBits(found: Float32Array, expected: Float32Array): void {
  const a = new Uint32Array(found.buffer, found.byteOffset, found.length);
  const b = new Uint32Array(expected.buffer, expected.byteOffset, expected.length);
  expect(found.length).toBe(expected.length);
  const at = a.findIndex((x, i) => x !== b[i]);
  if (at >= 0) expect.fail(`element ${at}: expected ${expected[at]}, found ${found[at]}`);
}

/** Largest |found - expected| / max(1, |expected|); NaN if anything is NaN. */
export function worstError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(found[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(error <= worst)) worst = error;
    if (Number.isNaN(worst)) return worst;
  }
  return worst;
}

/** Normal-like numbers from a seed, as f32. */
export function randoms(n: number, seed: number, scale = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: n }, () => (next() + next() + next() + next()) * 1.7 * scale);
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Functions {
  return new WebAssembly.Instance(module, { env: { memory, abort: () => {} } })
    .exports as unknown as Functions;
}

const workerSource = `
const { workerData, parentPort } = require("node:worker_threads");
const { module, memory, thread } = workerData;
const control = new Int32Array(workerData.control);
const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
parentPort.postMessage("ready");
for (let seen = 0; ; ) {
  Atomics.wait(control, 0, seen);
  seen = Atomics.load(control, 0);
  const [batch, scratch, counter, ins] = new Uint32Array(workerData.command, 0, 4);
  const op = Buffer.from(workerData.command).subarray(16).toString().replace(/\\0.*$/s, "");
  try {
    exports.enterRun(batch, scratch + thread * ${Limit.scratchBytes}, thread, 3);
    exports.enterInstruction(counter);
    exports[op](ins);
    Atomics.add(control, 1, 1);
  } catch {
    Atomics.store(control, 1, -1);
  }
  Atomics.notify(control, 1);
}
`;

/** The compiled ops; kept in a temporary folder under the hash of all of assembly/. */
async function compiled(): Promise<Uint8Array<ArrayBuffer>> {
  const hash = createHash("sha256").update(entry);
  for (const name of readdirSync(join(root, "assembly"), {
    recursive: true,
    encoding: "utf8",
  }).sort()) {
    if (name.endsWith(".ts")) hash.update(name).update(readFileSync(join(root, "assembly", name)));
  }
  const folder = join(tmpdir(), "samebit-tests");
  const file = join(folder, `ops-${hash.digest("hex").slice(0, 16)}.wasm`);
  if (existsSync(file)) return new Uint8Array(readFileSync(file));
  const asc = (await import("assemblyscript/asc")).default;
  let binary: Uint8Array | undefined;
  const messages: string[] = [];
  const { error } = await asc.main(
    [
      "ops-test-entry.ts",
      "--outFile",
      "ops.wasm",
      "-O1",
      "--runtime",
      "stub",
      "--enable",
      "simd",
      "--enable",
      "threads",
      "--importMemory",
      "--sharedMemory",
      "--maximumMemory",
      "65536",
      "--noAssert",
    ],
    {
      readFile: (name) => {
        if (name === "ops-test-entry.ts") return entry;
        const path = join(root, name);
        return existsSync(path) ? readFileSync(path, "utf8") : null;
      },
      writeFile: (name, contents) => {
        if (name === "ops.wasm") binary = contents as Uint8Array;
      },
      listFiles: () => [],
      stderr: { write: (text) => void messages.push(String(text)) },
    },
  );
  if (error || !binary) throw new Error(`asc: ${error?.message}\n${messages.join("")}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${file}.${process.pid}`, binary);
  renameSync(`${file}.${process.pid}`, file);
  return new Uint8Array(binary);
}
