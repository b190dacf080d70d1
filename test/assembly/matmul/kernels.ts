// Compiles the matmul kernels of one build, without the rest of the module, and lays out memory for them.

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
import asc from "assemblyscript/asc";
import { typeByName } from "../../../formats/types.ts";
import { plainRows } from "../../../src/interleaved/index.ts";
import { generatedSources } from "../../../assembly/generate.mjs";

const root = join(import.meta.dirname, "../../..");
const entry = `
export * from "./assembly/matmul/index";
export { embed, expertMatmul, matmul, pack, packRows } from "./assembly/matmul/ops";
export { enterInstruction, enterRun } from "./assembly/work";
export { bundleToRows } from "./assembly/quants/plain-rows";
export { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./assembly/half";
import { loadBf16x4, loadF16x4, loadFiniteF16x4, storeBf16x4, storeF16x4 } from "./assembly/half";
export function widenF16(from: usize, to: usize): void { v128.store(to, loadF16x4(from)); }
export function widenFiniteF16(from: usize, to: usize): void { v128.store(to, loadFiniteF16x4(from)); }
export function narrowF16(from: usize, to: usize): void { storeF16x4(to, v128.load(from)); }
export function widenBf16(from: usize, to: usize): void { v128.store(to, loadBf16x4(from)); }
export function narrowBf16(from: usize, to: usize): void { storeBf16x4(to, v128.load(from)); }
`;

export type Build = "dot32" | "rel16" | "base";

/**
 * Builds that this engine runs. Relaxed SIMD came with Node 22; Node 20 knows it behind a flag and gets the dot wrong
 * in its baseline compiler. test/runtimes runs the other builds elsewhere.
 */
export const builds: readonly Build[] = WebAssembly.validate(relaxedProbe())
  ? ["dot32", "rel16", "base"]
  : ["base"];
if (builds.length < 3)
  console.warn("SKIPPED: this engine has no relaxed SIMD; dot32 and rel16 are not tested here");

/** A module with one i8x16.relaxed_swizzle. */
function relaxedProbe(): Uint8Array<ArrayBuffer> {
  const body = [0, 0x20, 0, 0x20, 0, 0xfd, 0x80, 0x02, 0x0b];
  return new Uint8Array([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    1,
    6,
    1,
    0x60,
    1,
    0x7b,
    1,
    0x7b,
    3,
    2,
    1,
    0,
    10,
    body.length + 2,
    1,
    body.length,
    ...body,
  ]);
}

type Functions = Record<string, (...args: number[]) => number>;

/** The kernels of one build over a memory of their own. */
export class Kernels {
  readonly memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
  readonly call: Functions;
  #next = 1 << 17;

  private constructor(module: WebAssembly.Module) {
    const env = {
      memory: this.memory,
      abort() {
        throw new Error("abort");
      },
    };
    this.call = new WebAssembly.Instance(module, { env }).exports as unknown as Functions;
  }

  static async create(build: Build): Promise<Kernels> {
    return new Kernels(await WebAssembly.compile(await compiled(build)));
  }

  /** Forgets all allocations. */
  reset(): void {
    this.#next = 1 << 17;
  }

  /** Bytes aligned to 16, filled with 0xff (as f32: NaN) so that nothing uninitialised goes unseen. */
  allocate(bytes: number, fill = 0xff): number {
    const address = this.#next;
    this.#next = (address + bytes + 31) & ~15;
    if (this.#next > this.memory.buffer.byteLength)
      throw new RangeError("test memory is full: reset() it");
    this.u8(address, this.#next - address).fill(fill);
    return address;
  }

  u8(address: number, n: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, n);
  }

  u32(address: number, n: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, n);
  }

  f32(address: number, n: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, n);
  }

  bytes(values: ArrayLike<number>): number {
    const address = this.allocate(values.length);
    this.u8(address, values.length).set(values);
    return address;
  }

  floats(values: ArrayLike<number>): number {
    const address = this.allocate(values.length * 4);
    this.f32(address, values.length).set(values);
    return address;
  }

  words(values: ArrayLike<number>): number {
    const address = this.allocate(values.length * 4);
    this.u32(address, values.length).set(values);
    return address;
  }

  /**
   * Bytes of the file as rows that repack takes: those of an interleaved type (or of I2_S, its scale last) put apart.
   * `bytes` itself for the others.
   */
  plainRows(typeName: string, bytes: Uint8Array, nRows: number, k: number): Uint8Array {
    const interleave = plainRows(typeByName(typeName), k);
    if (!interleave) return bytes;
    const { rows, bundleBytes, rowBytes, sharedScale, words } = interleave;
    const layout = this.words(words),
      source = this.bytes(bytes),
      out = this.allocate(nRows * rowBytes + 16);
    const scale = sharedScale ? source + (nRows / rows) * bundleBytes : 0;
    for (let b = 0; b < nRows / rows; b++)
      this.call.bundleToRows!(
        layout,
        source + b * bundleBytes,
        scale,
        k,
        out + b * rows * rowBytes,
      );
    const guard = this.u8(out + nRows * rowBytes, 16);
    if (guard.some((byte) => byte !== 0xff)) throw new Error(`${typeName}: wrote behind its rows`);
    return this.u8(out, nRows * rowBytes).slice();
  }

  /** Interleaves rows of GGUF bytes into groups of four; the address of the first. */
  repack(type: number, rows: Uint8Array, nRows: number, k: number): number {
    const source = this.bytes(rows);
    const rowBytes = rows.length / nRows;
    const groupBytes = this.call.groupBytes!(type, k);
    const nGroups = Math.ceil(nRows / 4);
    const scratch = this.allocate(this.call.scratchBytes!()),
      w = this.allocate(nGroups * groupBytes);
    for (let g = 0; g < nGroups; g++) {
      const left = Math.min(4, nRows - 4 * g);
      this.call.repackFast!(
        type,
        source + 4 * g * rowBytes,
        rowBytes,
        left,
        k,
        w + g * groupBytes,
        scratch,
      );
    }
    return w;
  }

  /** [nColumns, nRows] = x [nColumns, k] times the weights, by tiles of `columns` (1 or the format's T). */
  multiply(
    type: number,
    w: number,
    nRows: number,
    k: number,
    x: Float32Array,
    columns: number,
  ): Float32Array {
    const { call } = this;
    const format = call.packFormat!(type);
    const tileBytes = call.packTileBytes!(format, columns, k);
    const groupBytes = call.groupBytes!(type, k);
    const nGroups = Math.ceil(nRows / 4);
    const nColumns = x.length / k;
    const source = this.floats(x);
    const tile = this.allocate(tileBytes);
    const stride = nGroups * 16;
    const out = this.allocate(columns * stride);
    const scratch = this.allocate(call.scratchBytes!());
    const y = new Float32Array(nColumns * nRows);
    for (let c = 0; c < nColumns; c += columns) {
      const given = Math.min(columns, nColumns - c);
      call.packTile!(
        format,
        columns,
        source + c * k * 4,
        k * 4,
        given,
        k,
        0,
        call.packUnits!(format, k),
        tile,
      );
      call.matmulTile!(type, nGroups, w, groupBytes, tile, k, columns, out, stride, scratch);
      for (let i = 0; i < given; i++) y.set(this.f32(out + i * stride, nRows), (c + i) * nRows);
    }
    return y;
  }

  /** Row `row` of interleaved weights as floats. */
  dequantize(type: number, w: number, row: number, k: number): Float32Array {
    const out = this.allocate(k * 4),
      scratch = this.allocate(this.call.scratchBytes!());
    this.call.dequantizeRow!(
      type,
      w + (row >> 2) * this.call.groupBytes!(type, k),
      row & 3,
      k,
      out,
      scratch,
    );
    return this.f32(out, k).slice();
  }
}

/** The module of a build, from a cache keyed by its sources. */
async function compiled(build: Build): Promise<Uint8Array<ArrayBuffer>> {
  const generated = generatedSources();
  const hash = createHash("sha256").update(entry).update(JSON.stringify(generated)).update(build);
  const sources = ["abi.ts", "half.ts", "work.ts"].concat(
    ["lanes", "matmul", "quants"].flatMap((part) =>
      readdirSync(join(root, "assembly", part))
        .filter((name) => name.endsWith(".ts") && !name.endsWith(".generated.ts"))
        .sort()
        .map((name) => `${part}/${name}`),
    ),
  );
  for (const name of sources) hash.update(readFileSync(join(root, "assembly", name)));
  hash.update(readFileSync(join(root, "asconfig.json")));
  const folder = join(tmpdir(), "samebit-test-kernels");
  const file = join(folder, `${hash.digest("hex").slice(0, 24)}.wasm`);
  if (existsSync(file)) return new Uint8Array(readFileSync(file));
  let binary: Uint8Array | undefined;
  const messages: string[] = [];
  const { error } = await asc.main(
    ["matmul-test-entry.ts", "--target", build, "--outFile", "out.wasm"],
    {
      readFile: (name) => {
        if (name === "matmul-test-entry.ts") return entry;
        const text = Object.entries(generated).find(([path]) => name.endsWith(path))?.[1];
        if (text) return text;
        const path = join(root, name);
        return existsSync(path) ? readFileSync(path, "utf8") : null;
      },
      writeFile: (name, contents) => {
        if (name === "out.wasm") binary = contents as Uint8Array;
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
