// The compiled kernels: which of the three builds to run here.
// All builds give the same bits (assembly/NUMERICS.md); they differ in speed.

import { SamebitError } from "../errors.ts";
import { embeddedKernels } from "../platform/embedded.ts";
import { platform } from "../platform/index.ts";
import { instantiate, instantiateKernels } from "./instance.ts";
import { withPlainMemory } from "./plain-memory.ts";
import { PROBE_HASH, probeBuild, timeDots } from "./probe.ts";
import type { DotLoopExports } from "./exports.ts";

/** `dot32`: relaxed 8-bit dot product. `rel16`: relaxed 8-to-16-bit dot product. `base`: plain 128-bit SIMD. */
export type KernelBuild = "dot32" | "rel16" | "base";
export const KERNEL_BUILDS: readonly KernelBuild[] = ["dot32", "rel16", "base"];

/**
 * How matrices are kept. `compact`: as in the file. `fast`: types from tables (IQ1, IQ2, IQ3 and their like) take 4.63 bits
 * a weight and up to 8 times less work. `f32`: every matrix dequantised, activations as they are (the precise mode).
 */
export type WeightsKind = "compact" | "fast" | "f32";

export interface Kernels {
  readonly build: KernelBuild;
  readonly module: WebAssembly.Module;
  /** Whether its instances take shared memories, as threads need them, or plain ones. */
  readonly shared: boolean;
}

/** One by one and as literals: bundlers find files that way. */
const FILES = {
  dot32: () => new URL("../../kernels/dot32.wasm", import.meta.url),
  rel16: () => new URL("../../kernels/rel16.wasm", import.meta.url),
  base: () => new URL("../../kernels/base.wasm", import.meta.url),
  "dots-dot32": () => new URL("../../kernels/dots-dot32.wasm", import.meta.url),
  "dots-rel16": () => new URL("../../kernels/dots-rel16.wasm", import.meta.url),
};

/** How WebAssembly begins. */
const MAGIC = [0, 0x61, 0x73, 0x6d];

async function compile(name: keyof typeof FILES, shared: boolean): Promise<WebAssembly.Module> {
  const bytes = embeddedKernels(name) ?? (await readKernels(FILES[name]()));
  return WebAssembly.compile((shared ? bytes : withPlainMemory(bytes)) as BufferSource);
}

async function readKernels(url: URL): Promise<Uint8Array> {
  let found = "something else", // a development server may answer with its page
    cause: unknown;
  try {
    const bytes = await platform.readAsset(url);
    if (MAGIC.every((byte, i) => bytes[i] === byte)) return bytes;
  } catch (error) {
    cause = error;
    found = (error as Error).message;
  }
  throw new SamebitError(
    `${url}: expected the kernels, found ${found}; serve dist/kernels, or import samebit/single-file, which needs no files`,
    { cause },
  );
}

/** The same; undefined where the engine does not know its instructions. */
async function compileIfKnown(
  name: keyof typeof FILES,
  shared: boolean,
): Promise<WebAssembly.Module | undefined> {
  try {
    return await compile(name, shared);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
}

/**
 * V8 before 12 (Node 20) computes the relaxed dot product wrongly in its baseline compiler: its first calls would
 * differ from later ones, which a probe can miss. Measured; never use it there.
 */
function relaxedIsBroken(): boolean {
  const v8 = (globalThis as { process?: { versions?: { v8?: string } } }).process?.versions?.v8;
  return v8 !== undefined && Number.parseInt(v8, 10) < 12;
}

/** By Kernels.shared. */
const chosen = new Map<boolean, Promise<Kernels>>();

/**
 * The fastest build whose results here are right. `wanted` forces one (tests, measurements); without it the choice
 * takes a few milliseconds, once per process. shared: false where the calling thread alone computes, so that it can
 * everywhere.
 */
export async function chooseKernels(wanted?: KernelBuild, shared = true): Promise<Kernels> {
  if (wanted) {
    if (!KERNEL_BUILDS.includes(wanted)) {
      throw new SamebitError(
        `kernel build: expected one of ${KERNEL_BUILDS.join(", ")}, found ${wanted}`,
      );
    }
    if (wanted !== "base" && relaxedIsBroken()) {
      throw new SamebitError(
        `kernel build: expected base on ${platform.runtime}, found ${wanted}: its relaxed dot product is wrong`,
      );
    }
    return { build: wanted, module: await compile(wanted, shared), shared };
  }
  let choice = chosen.get(shared);
  if (!choice) chosen.set(shared, (choice = choose(shared)));
  return choice;
}

/**
 * How long each look at a relaxed build's dot product may take, in milliseconds, and how many there are at each, taking turns:
 * what the engine compiles in the background during one is there for the next.
 */
const LOOK_MS = 1,
  LOOKS = 3;
/** dot32 must be this much faster to be preferred: where the 8-bit dot is emulated the two differ by more, the other way. */
const CLEARLY = 0.9;

async function choose(shared: boolean): Promise<Kernels> {
  // base is never the faster one where relaxed instructions are real and right
  for (const build of await relaxedBuilds(shared)) {
    const module = await compileIfKnown(build, shared),
      memory = probeMemory(shared);
    if (module && probeBuild(instantiateKernels(module, memory), memory) === PROBE_HASH)
      return { build, module, shared };
  }
  return { build: "base", module: await compile("base", shared), shared };
}

/** The relaxed builds that may be right here, the faster one first. */
async function relaxedBuilds(shared: boolean): Promise<KernelBuild[]> {
  if (relaxedIsBroken()) return [];
  const found = await Promise.all([dotLoop("rel16", shared), dotLoop("dot32", shared)]),
    times = found.map(() => Infinity);
  for (let look = 0; look < LOOKS; look++) {
    found.forEach((loop, i) => {
      const milliseconds = loop && timeDots(loop.dots, loop.memory, LOOK_MS);
      if (milliseconds === undefined) found[i] = undefined;
      else times[i] = Math.min(times[i], milliseconds);
    });
  }
  const [rel16, dot32] = found;
  if (!rel16 || !dot32) return rel16 ? ["rel16"] : dot32 ? ["dot32"] : [];
  return times[1] < CLEARLY * times[0] ? ["dot32", "rel16"] : ["rel16", "dot32"];
}

/** The dot product of a relaxed build in a loop of its own; undefined where it does not compile. */
async function dotLoop(
  build: "rel16" | "dot32",
  shared: boolean,
): Promise<{ dots: DotLoopExports; memory: WebAssembly.Memory } | undefined> {
  const module = await compileIfKnown(`dots-${build}`, shared),
    memory = probeMemory(shared);
  return module && { dots: instantiate<DotLoopExports>(module, memory), memory };
}

/** Small memory for an instance that serves no bank: elementary functions, probing. */
export function probeMemory(shared = true): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 16, maximum: 65536, shared });
}
