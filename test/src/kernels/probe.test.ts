import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { instantiateKernels } from "../../../src/kernels/instance.ts";
import { chooseKernels, KERNEL_BUILDS, probeMemory } from "../../../src/kernels/module.ts";
import { PROBE_HASH, probeBuild } from "../../../src/kernels/probe.ts";

const relaxed = Number.parseInt(process.versions.v8, 10) >= 12;

describe("probeBuild", () => {
  it.each(relaxed ? KERNEL_BUILDS : (["base"] as const))(
    "%s computes the hash that every build must",
    (build) => {
      const memory = probeMemory();
      const module = new WebAssembly.Module(
        readFileSync(new URL(`../../../dist/kernels/${build}.wasm`, import.meta.url)),
      );
      expect(probeBuild(instantiateKernels(module, memory), memory)).toBe(PROBE_HASH);
    },
  );

  it("finds a build that computes something else", () => {
    const memory = probeMemory();
    const module = new WebAssembly.Module(
      readFileSync(new URL("../../../dist/kernels/base.wasm", import.meta.url)),
    );
    const kernels = instantiateKernels(module, memory);
    let calls = 0;
    const wrong = {
      ...kernels,
      heapBase: kernels.heapBase,
      groupBytes: kernels.groupBytes,
      packFormat: kernels.packFormat,
      tileColumns: kernels.tileColumns,
      packTileBytes: kernels.packTileBytes,
      packTile: kernels.packTile,
      packUnits: kernels.packUnits,
      repackGroup: kernels.repackGroup,
      matmulTile: (...args: Parameters<typeof kernels.matmulTile>) => {
        kernels.matmulTile(...args);
        if (++calls === 1) new Float32Array(memory.buffer, args[7], 1)[0] += 1; // only the first call is off
      },
    };
    expect(probeBuild(wrong, memory)).not.toBe(PROBE_HASH);
  });
});

describe("chooseKernels", () => {
  it.skipIf(!relaxed)(
    "takes plain SIMD where the engine does not know a relaxed build",
    async () => {
      // the small modules compile, as where only some of the relaxed instructions are known
      const base = readFileSync(new URL("../../../dist/kernels/base.wasm", import.meta.url)),
        compile = WebAssembly.compile.bind(WebAssembly);
      const spy = vi.spyOn(WebAssembly, "compile").mockImplementation(async (bytes) => {
        const large = bytes.byteLength > 10_000;
        if (large && bytes.byteLength !== base.byteLength)
          throw new WebAssembly.CompileError("unknown");
        return compile(bytes);
      });
      try {
        const url = new URL("../../../dist/src/kernels/module.js?unknown", import.meta.url).href;
        const fresh = (await import(/* @vite-ignore */ url)) as {
          chooseKernels: typeof chooseKernels;
        };
        expect((await fresh.chooseKernels()).build).toBe("base");
        expect(spy.mock.calls.length).toBe(5); // two loops, two builds, base
      } finally {
        spy.mockRestore();
      }
    },
  );

  it("refuses a build that is wrong on this runtime, and unknown names", async () => {
    await expect(chooseKernels("fast" as never)).rejects.toThrow(
      /expected one of dot32, rel16, base, found fast/,
    );
    if (!relaxed) await expect(chooseKernels("rel16")).rejects.toThrow(/expected base/);
  });
});
