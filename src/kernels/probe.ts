// A small product that shows whether a build computes right here: Q4_K and Q8_0 with one column and with a tile of columns,
// the types in which builds differ most. And a look at how fast a build's dot product is.

import type { DotLoopExports, KernelExports } from "./exports.ts";

// small: most of the time goes to making the operands and hashing the results, in code that nothing has optimised yet
const K = 512,
  GROUPS = 8;
/** What every build must compute (test/src/kernels/probe.test.ts); it changes with the numerics. */
export const PROBE_HASH = 3701665349;
const TYPES = [
  { id: 12, rowBytes: (K / 256) * 144 },
  { id: 8, rowBytes: (K / 32) * 34 },
] as const;

/** Hash of the results of every product, done twice. */
export function probeBuild(kernels: KernelExports, memory: WebAssembly.Memory): number {
  const bytes = new Uint8Array(memory.buffer);
  let next = (kernels.heapBase() + 63) & ~63;
  const take = (n: number) => {
    const at = next;
    next = (next + n + 63) & ~63;
    return at;
  };
  // pseudo-random weights: finite scales (exponent bits limited), any codes
  let seed = 12345;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
  const x = take(4 * K * 8),
    floats = new Float32Array(memory.buffer, x, K * 8);
  for (let i = 0; i < floats.length; i++) floats[i] = ((random() % 2001) - 1000) / 256;

  const scratch = take(kernels.scratchBytes());
  let hash = 0x811c9dc5;
  for (const { id, rowBytes } of TYPES) {
    const group = kernels.groupBytes(id, K),
      raw = take(rowBytes * 4),
      weights = take(group * GROUPS);
    // one group, repeated
    for (let i = 0; i < rowBytes * 4; i++) bytes[raw + i] = random() & 0xff;
    const blockBytes = id === 12 ? 144 : 34;
    for (let b = 0; b < rowBytes * 4; b += blockBytes) {
      bytes[raw + b + 1] &= 0x3f;
      if (id === 12) bytes[raw + b + 3] &= 0x3f;
    }
    kernels.repackGroup(id, raw, rowBytes, 4, K, weights);
    for (let g = 1; g < GROUPS; g++)
      bytes.copyWithin(weights + g * group, weights, weights + group);
    const format = kernels.packFormat(id),
      columns = kernels.tileColumns(format);
    for (const c of [1, columns]) {
      const tile = take(kernels.packTileBytes(format, c, K)),
        out = take(GROUPS * 16 * c);
      kernels.packTile(format, c, x, K * 4, c, K, 0, kernels.packUnits(format, K), tile);
      for (let round = 0; round < 2; round++) {
        kernels.matmulTile(id, GROUPS, weights, group, tile, K, c, out, GROUPS * 16, scratch);
        for (const word of new Uint32Array(memory.buffer, out, GROUPS * 4 * c))
          hash = Math.imul(hash ^ word, 0x01000193) >>> 0;
      }
    }
  }
  return hash;
}

/** Rounds of one call of dotLoop: about 20 microseconds when it is optimised. */
const LOOP_ROUNDS = 1000;
/** Bytes of nibbles, and of activations, that dotLoop reads. */
const LOOP_WEIGHTS = 64,
  LOOP_BYTES = LOOP_WEIGHTS + 256;

/**
 * Milliseconds of the fastest call of the dot product's loop, called for `milliseconds`; undefined when two calls give
 * different sums, as baseline and optimised code must not.
 */
export function timeDots(
  dots: DotLoopExports,
  memory: WebAssembly.Memory,
  milliseconds: number,
): number | undefined {
  const w = (dots.heapBase() + 63) & ~63,
    y = w + LOOP_WEIGHTS,
    bytes = new Uint8Array(memory.buffer, w, LOOP_BYTES);
  for (let i = 0; i < LOOP_BYTES; i++) bytes[i] = (i * 37) % 255;
  let sum: number | undefined,
    best = Infinity;
  for (let begin = performance.now(), now = begin; now - begin < milliseconds;) {
    const found = dots.dotLoop(w, y, LOOP_ROUNDS),
      end = performance.now();
    if ((sum ??= found) !== found) return undefined;
    best = Math.min(best, end - now);
    now = end;
  }
  return best;
}
