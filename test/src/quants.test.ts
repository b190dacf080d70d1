// dequantize against ggml's own values, bit for bit (-0 and 0 count as equal, and so do all NaN: README of
// ../shared/reference/quants), and what it refuses.

import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { typeByName } from "../../formats/types.ts";
import type * as Quants from "../../src/quants.ts";
import { built } from "../built.ts";
import { f32Of, hasShared, loadVectors, SHARED } from "../reference/vectors.ts";

const { dequantize, supportedTypes } = (await import(
  new URL("../../dist/src/quants.js", import.meta.url).href
)) as typeof Quants;
const TYPES = await supportedTypes();
/** Those of interleaved rows and I2_S are tested in interleaved/index.test.ts. */
const BLOCK_TYPES = TYPES.filter((name) => {
  const { blockSize, rowsInterleaved, tensorTailBytes } = typeByName(name);
  return blockSize > 1 && rowsInterleaved === 1 && tensorTailBytes === 0;
});
const shared = hasShared("quants/ggml");

const fixtures = fileURLToPath(new URL("../fixtures/quants/", import.meta.url));
/** Codes and values: without importance weights, with them, random bytes. */
const PAIRS = [
  ["q", "dq"],
  ["qi", "dqi"],
  ["rnd_q", "rnd_dq"],
] as const;

function firstDifference(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Math.min(found.length, expected.length);
  return found.findIndex(
    (y, i) => !(y === expected[i] || (Number.isNaN(y) && Number.isNaN(expected[i]))),
  );
}

describe("dequantize", () => {
  it("knows at least the types of the first kernels", () => {
    expect(TYPES).toEqual(expect.arrayContaining(["F32", "F16", "Q4_0", "Q8_0", "Q4_K", "Q6_K"]));
  });

  it.each(BLOCK_TYPES)("%s gives ggml's bits on the committed blocks", async (name) => {
    const vectors = loadVectors(fixtures + name);
    let compared = 0;
    for (const [bytes, values] of PAIRS) {
      const section = vectors.get(values);
      if (!section) continue;
      const expected = f32Of(section),
        nPerRow = section.shape[1];
      const found = await dequantize(name, vectors.get(bytes)!.bytes, expected.length, { nPerRow });
      expect(firstDifference(found, expected), values).toBe(-1);
      compared += expected.length;
    }
    expect(compared).toBeGreaterThan(0);
  });

  it.skipIf(!shared).each(BLOCK_TYPES)(
    "%s gives ggml's bits on the shared vectors, in one row and in many",
    async (name) => {
      const folder = typeByName(name).id > 132 ? "ik" : "ggml",
        meta = typeByName(name).rowMetaBytes;
      const vectors = loadVectors(`${SHARED}quants/${folder}/${name}`);
      let compared = 0;
      for (const [bytes, values] of PAIRS) {
        const section = vectors.get(values);
        if (!section) continue;
        const expected = f32Of(section),
          data = (vectors.get(bytes) ?? vectors.get("q")!).bytes;
        for (const nPerRow of meta > 0 ? [section.shape[1]] : [expected.length, 256]) {
          const found = await dequantize(name, data, expected.length, { nPerRow });
          expect(
            firstDifference(found, expected),
            `${values}, rows of ${nPerRow}: first weight that differs`,
          ).toBe(-1);
        }
        compared += expected.length;
      }
      expect(compared).toBeGreaterThan(8 * 1024);
    },
  );

  it.skipIf(!shared)("F16 decodes all 65536 patterns", async () => {
    const expected = f32Of(loadVectors(`${SHARED}quants/ggml/F16`).get("all_f16_to_f32")!);
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
    expect(
      firstDifference(await dequantize("F16", new Uint8Array(patterns.buffer), 65536), expected),
    ).toBe(-1);
  });

  it("decodes F32 and F16 by hand", async () => {
    expect([
      ...(await dequantize("F32", new Uint8Array(Float32Array.of(1, -2.5, 2 ** -149).buffer), 3)),
    ]).toEqual([1, -2.5, 2 ** -149]);
    expect([
      ...(await dequantize(
        "F16",
        new Uint8Array(Uint16Array.of(0x3c00, 0xc100, 1, 0x7c00).buffer),
        4,
      )),
    ]).toEqual([1, -2.5, 2 ** -24, Infinity]);
  });

  describe("long rows", () => {
    // longer than the piece that is converted at once, with a rest
    const nWeights = 65536 * 2 + 512,
      bytes = new Uint8Array((nWeights / 32) * 18);
    beforeAll(() => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = i % 18 === 1 ? 0x3c : (i * 37) & 0xff;
    });

    it.each([nWeights, nWeights / 2, 512])("rows of %i weights", async (nPerRow) => {
      const found = await dequantize("Q4_0", bytes, nWeights, { nPerRow });
      for (const block of [0, 2047, 2048, 4095, 4096, nWeights / 32 - 1]) {
        const one = await dequantize("Q4_0", bytes.subarray(block * 18, block * 18 + 18), 32);
        expect(found.subarray(block * 32, block * 32 + 32)).toEqual(one);
      }
    });
  });

  it("gives an array of its own each time, also to concurrent callers", async () => {
    const [a, b] = await Promise.all(
      [1, 2].map((x) => dequantize("F32", new Uint8Array(Float32Array.of(x).buffer), 1)),
    );
    expect([a[0], b[0]]).toEqual([1, 2]);
  });

  it("takes nothing for nothing", async () =>
    expect(await dequantize("Q4_K", new Uint8Array(0), 0)).toEqual(new Float32Array(0)));

  it.each([
    [
      "an unknown type",
      "Q4_Z",
      144,
      256,
      undefined,
      /^type: expected one of F32, F16, .*, found Q4_Z/,
    ],
    ["a type without kernels", "I8", 1, 1, undefined, /^type: expected one of .*, found I8/],
    [
      "too few bytes",
      "Q4_K",
      140,
      256,
      undefined,
      /^Q4_K: expected 144 bytes for 256 weights, found 140/,
    ],
    ["too many bytes", "Q4_K", 145, 256, undefined, /expected 144 bytes .* found 145/],
    [
      "half a block",
      "Q4_K",
      72,
      128,
      undefined,
      /expected rows of a multiple of 256 weights that divide 128, found 128/,
    ],
    [
      "rows that do not divide",
      "Q4_0",
      54,
      96,
      64,
      /multiple of 32 weights that divide 96, found 64/,
    ],
    ["rows of nothing", "Q4_0", 18, 32, 0, /found 0/],
    ["rows of half a weight", "F32", 4, 1, 0.5, /found 0.5/],
    [
      "a negative count",
      "F32",
      4,
      -1,
      undefined,
      /^nWeights: expected an integer from 0, found -1/,
    ],
    [
      "a count that is none",
      "F32",
      4,
      Number.NaN,
      undefined,
      /^nWeights: expected an integer from 0, found NaN/,
    ],
    ["bytes for nothing", "F32", 4, 0, undefined, /expected/],
  ] as const)("refuses %s", async (_, name, nBytes, nWeights, nPerRow, message) => {
    const failure = dequantize(name, new Uint8Array(nBytes), nWeights, { nPerRow });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toMatchObject({ name: "OptionError" });
  });

  it("refuses bytes that are none", async () => {
    await expect(dequantize("F32", [0, 0, 0, 0] as unknown as Uint8Array, 1)).rejects.toThrow(
      /^F32: expected its bytes as a Uint8Array/,
    );
    await expect(
      dequantize(undefined as unknown as string, new Uint8Array(4), 1),
    ).rejects.toBeInstanceOf(built.OptionError);
  });
});
