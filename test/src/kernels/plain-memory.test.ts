// One bit of the module changes: built kernels, and modules written by hand with imports of every kind before the memory.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { KERNEL_BUILDS, type KernelBuild } from "../../../src/kernels/module.ts";
import { withPlainMemory } from "../../../src/kernels/plain-memory.ts";

const read = (build: KernelBuild) =>
  new Uint8Array(readFileSync(new URL(`../../../dist/kernels/${build}.wasm`, import.meta.url)));

/** A name of the binary format. */
const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
const imported = (...description: number[]) => [...name("env"), ...name("x"), ...description];

/** A module with a type section (of one function without parameters), custom sections of `padding` bytes, and imports. */
function moduleOf(padding: number, ...imports: number[][]): Uint8Array {
  const custom = [...name("a"), ...Array.from({ length: padding }, () => 2)];
  const section = (id: number, bytes: readonly number[]) => [
    id,
    (bytes.length & 0x7f) | 0x80,
    (bytes.length >> 7) & 0x7f,
    ...bytes,
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(0, custom),
    ...section(1, [1, 0x60, 0, 0]),
    ...section(0, custom),
    ...section(2, [imports.length, ...imports.flat()]),
  ]);
}

const SHARED_MEMORY = imported(2, 3, 1, 0x80, 0x80, 4);
const BEFORE = [
  imported(0, 0), // a function of type 0
  imported(1, 0x70, 0, 3), // a table without a maximum
  imported(1, 0x70, 1, 3, 200, 1), // and one with it: 200 is two bytes of LEB128
  imported(3, 0x7f, 0), // a constant i32
];

function difference(a: Uint8Array, b: Uint8Array): number[] {
  expect(b.length).toBe(a.length);
  return [...a.keys()].filter((i) => a[i] !== b[i]);
}

describe("withPlainMemory", () => {
  it.each(KERNEL_BUILDS)("changes one bit of %s", (build) => {
    const wasm = read(build),
      original = wasm.slice(),
      plain = withPlainMemory(wasm);
    expect(Buffer.compare(wasm, original)).toBe(0);
    const [at, ...others] = difference(wasm, plain);
    expect(others).toEqual([]);
    expect([wasm[at], plain[at]]).toEqual([3, 1]);
  });

  it("gives a module that takes a memory of the other kind", () => {
    const plain = new WebAssembly.Module(withPlainMemory(read("base")) as BufferSource),
      shared = new WebAssembly.Module(read("base"));
    const instantiate = (module: WebAssembly.Module, isShared: boolean) => {
      const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: isShared });
      return new WebAssembly.Instance(module, { env: { memory, abort() {} } });
    };
    expect(instantiate(plain, false)).toBeInstanceOf(WebAssembly.Instance);
    expect(instantiate(shared, true)).toBeInstanceOf(WebAssembly.Instance);
    expect(() => instantiate(plain, true)).toThrow(WebAssembly.LinkError);
    expect(() => instantiate(shared, false)).toThrow(WebAssembly.LinkError);
  });

  it.each([0, 1, 300])(
    "finds the memory behind other imports and sections of %i bytes",
    (padding) => {
      const wasm = moduleOf(padding, ...BEFORE, SHARED_MEMORY, ...BEFORE.slice(0, 1));
      expect(WebAssembly.validate(wasm as BufferSource)).toBe(true);
      const plain = withPlainMemory(wasm);
      expect(WebAssembly.validate(plain as BufferSource)).toBe(true);
      const at =
        wasm.length -
        BEFORE[0].length -
        SHARED_MEMORY.length +
        name("env").length +
        name("x").length +
        1;
      expect(difference(wasm, plain)).toEqual([at]);
    },
  );

  it.each([
    ["no imports", moduleOf(3)],
    ["a plain memory", moduleOf(3, ...BEFORE, imported(2, 1, 1, 16))],
    ["no sections", Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0)],
    ["an import of another kind", moduleOf(3, imported(4, 0, 0), SHARED_MEMORY)],
  ])("refuses a module with %s", (_, wasm) => {
    expect(() => withPlainMemory(wasm)).toThrow(
      /^kernels: expected a module that imports a shared/,
    );
  });
});
