// Compiles assembly/math/selftest.ts in memory with the flags of the kernel builds that touch
// floats.

import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

/** What the tests call of selftest.ts; addresses are byte offsets in `memory`. */
export interface MathExports {
  memory: WebAssembly.Memory;
  mapF32(fn: number, input: number, output: number, n: number): void;
  mapF64(fn: number, input: number, output: number, n: number): void;
  mapPowF64(input: number, y: number, output: number, n: number): void;
  mapSincosF32(input: number, output: number, n: number): void;
  exp64(x: number): number;
  log64(x: number): number;
  sin64(x: number): number;
  cos64(x: number): number;
  pow64(x: number, y: number): number;
  sincos64(x: number, out: number): void;
  sincosf(x: number, out: number): void;
}

export async function compileSelftest(): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(
    // "--config none": an asconfig.json in the working directory would override the flags silently.
    [
      "assembly/math/selftest.ts",
      "--config",
      "none",
      "--baseDir",
      root,
      "-o",
      "selftest.wasm",
    ].concat(["-O1", "--runtime", "stub", "--enable", "simd", "--enable", "threads", "--noAssert"]),
    {
      writeFile(name: string, contents: Uint8Array | string) {
        if (name.endsWith(".wasm")) bytes = new Uint8Array(contents as Uint8Array<ArrayBuffer>);
      },
    },
  );
  if (error !== null || bytes === undefined) {
    throw new Error(`assembly/math/selftest.ts: expected a module, found ${stderr.toString()}`);
  }
  return bytes;
}

const root = fileURLToPath(new URL("../../../", import.meta.url));

export async function instantiateMath(bytes: Uint8Array<ArrayBuffer>): Promise<MathExports> {
  const { instance } = await WebAssembly.instantiate(bytes, { env: { abort() {} } });
  return instance.exports as unknown as MathExports;
}
