// quantize against the bytes of ggml and ik_llama.cpp, its ties and its errors, and what it refuses. Runs the built package.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rowBytes, typeByName } from "../../formats/types.ts";
import type * as Quants from "../../src/quants.ts";
import { built } from "../built.ts";
import { gaussian, importance } from "../random-values.ts";
import { f32Of, hasShared, loadVectors, SHARED } from "../reference/vectors.ts";

const { dequantize, quantize, quantizableTypes } = (await import(
  new URL("../../dist/src/quants.js", import.meta.url).href
)) as typeof Quants;
const TYPES = await quantizableTypes();
/** Type numbers of ik_llama.cpp begin here. */
const FIRST_OF_IK = 133;
const NEEDS_IMATRIX = ["IQ2_XXS", "IQ2_XS", "IQ1_S"];
const shared = hasShared("quants/ggml");
const fixture = loadVectors(new URL("../fixtures/quantize/rows", import.meta.url).pathname);

/** Where two arrays differ first; -1: nowhere. */
function firstDifference(found: Uint8Array, expected: Uint8Array): number {
  return found.length === expected.length
    ? found.findIndex((v, i) => v !== expected[i])
    : Math.min(found.length, expected.length);
}

/** Root of the mean squared difference. */
function rmse(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);
}

/** Their search sums in another order than the reference (AVX2 with fused products): the codes agree but for ties. */
const TRELLIS = ["IQ1_KT", "IQ2_KT", "IQ3_KT", "IQ4_KT"];

/** rmse of each row of 1024, weighted where there is an imatrix. */
function rowErrors(x: Float32Array, y: Float32Array, imatrix?: Float32Array): number[] {
  return Array.from({ length: x.length / 1024 }, (_, r) => {
    let sum = 0;
    for (let i = 0; i < 1024; i++)
      sum += (imatrix?.[i] ?? 1) * (x[1024 * r + i] - y[1024 * r + i]) ** 2;
    return Math.sqrt(sum / 1024);
  });
}

/** The reference's bytes; of trellis types codes at most 1.001 times as far from the weights. */
async function expectReference(
  name: string,
  x: Float32Array,
  imatrix: Float32Array | undefined,
  reference: Uint8Array,
): Promise<void> {
  const found = await quantize(name, x, { nPerRow: 1024, imatrix });
  if (!TRELLIS.includes(name)) return expect(firstDifference(found, reference)).toBe(-1);
  expect(found.length).toBe(reference.length);
  const [ours, theirs] = await Promise.all(
    [found, reference].map((bytes) => dequantize(name, bytes, x.length, { nPerRow: 1024 })),
  );
  const bounds = rowErrors(x, theirs, imatrix);
  for (const [r, error] of rowErrors(x, ours, imatrix).entries())
    expect(error, `row ${r}`).toBeLessThanOrEqual(1.001 * bounds[r]);
}

describe("the bytes of the reference", () => {
  it("covers every type that has a quantiser", () => {
    expect(TYPES.toSorted()).toEqual([
      "BF16",
      "F16",
      "F32",
      "IQ1_BN",
      "IQ1_KT",
      "IQ1_M",
      "IQ1_S",
      "IQ2_BN",
      "IQ2_K",
      "IQ2_KL",
      "IQ2_KS",
      "IQ2_KT",
      "IQ2_S",
      "IQ2_XS",
      "IQ2_XXS",
      "IQ3_K",
      "IQ3_KS",
      "IQ3_KT",
      "IQ3_S",
      "IQ3_XXS",
      "IQ4_K",
      "IQ4_KS",
      "IQ4_KSS",
      "IQ4_KT",
      "IQ4_NL",
      "IQ4_XS",
      "IQ5_K",
      "IQ5_KS",
      "IQ6_K",
      "MXFP4",
      "NVFP4",
      "Q1_0",
      "Q2_0",
      "Q2_K",
      "Q3_K",
      "Q4_0",
      "Q4_1",
      "Q4_K",
      "Q5_0",
      "Q5_1",
      "Q5_K",
      "Q6_0",
      "Q6_K",
      "Q8_0",
      "Q8_KV",
      "TQ1_0",
      "TQ2_0",
    ]);
  });

  describe.each(TYPES.filter((name) => name !== "F32"))("%s", (name) => {
    const x = f32Of(fixture.get("x")!),
      imatrix = f32Of(fixture.get("imatrix")!);

    it.skipIf(NEEDS_IMATRIX.includes(name))("on the committed rows", async () =>
      expectReference(name, x, undefined, fixture.get(`${name}.q`)!.bytes),
    );

    it("on the committed rows with importance weights", async () => {
      const expected = fixture.get(`${name}.qi`) ?? fixture.get(`${name}.q`)!;
      await expectReference(name, x, imatrix, expected.bytes);
    });

    it.skipIf(!shared)("on the shared vectors", async () => {
      const folder = typeByName(name).id < FIRST_OF_IK ? "ggml" : "ik";
      const input = loadVectors(`${SHARED}quants/input`),
        vectors = loadVectors(`${SHARED}quants/${folder}/${name}`);
      const all = f32Of(input.get("x")!),
        weights = f32Of(input.get("imatrix")!);
      const q = vectors.get("q"),
        qi = vectors.get("qi") ?? q!;
      expect(q === undefined).toBe(NEEDS_IMATRIX.includes(name));
      if (q) await expectReference(name, all, undefined, q.bytes);
      await expectReference(name, all, weights, qi.bytes);
    });
  });

  it("leaves F32 as it is", async () => {
    const x = Float32Array.of(1, -0, 2 ** -149, -3.5);
    expect(await quantize("F32", x)).toEqual(new Uint8Array(x.buffer));
  });
});

describe("ties", () => {
  const block = (values: readonly number[], n: number) =>
    Float32Array.from({ length: n }, (_, i) => values[i] ?? 0);

  it("F16 and BF16: to even", async () => {
    const f16 = new Uint16Array(
      (await quantize("F16", Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25))).buffer,
    );
    expect([...f16]).toEqual([0x3c00, 0x3c02, 0]);
    const bf16 = new Uint16Array(
      (await quantize("BF16", Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8))).buffer,
    );
    expect([...bf16]).toEqual([0x3f80, 0x3f82]);
  });

  it("Q8_0: away from zero", async () => {
    const codes = new Int8Array(
      (await quantize("Q8_0", block([127, 0.5, -0.5, 2.5, -2.5, 3.5], 32))).buffer,
      2,
    );
    expect([...codes.subarray(0, 7)]).toEqual([127, 1, -1, 3, -3, 4, 0]);
  });

  it("Q4_0: upwards; of equal extremes the first decides the sign", async () => {
    const low = (bytes: Uint8Array) => [...bytes.subarray(2, 7)].map((byte) => byte & 15);
    expect(low(await quantize("Q4_0", block([-8, 8, 0.5, -0.5, 1.5], 32)))).toEqual([
      0, 15, 9, 8, 10,
    ]);
    expect(low(await quantize("Q4_0", block([8, -8, 0.5, -0.5, 1.5], 32)))).toEqual([
      0, 15, 8, 9, 7,
    ]);
  });

  it("Q2_0 and TQ2_0: away from zero", async () => {
    expect((await quantize("Q2_0", block([1, 0.5, -0.5, 0.25], 64)))[2]).toBe(
      2 | (2 << 2) | (0 << 4) | (1 << 6),
    );
    const tq2 = await quantize("TQ2_0", block([1, 0.5, -0.5, 0.25], 256));
    expect([...tq2.subarray(0, 4)].map((byte) => byte & 3)).toEqual([2, 2, 0, 1]);
  });

  it("MXFP4: the first of equals, and zero is code 0", async () => {
    const bytes = await quantize("MXFP4", block([6, 2.5, -2.5, 5, -0, 1.25], 32));
    expect([...bytes.subarray(0, 7)].map((byte, i) => (i ? byte & 15 : byte))).toEqual([
      127, 7, 4, 12, 6, 0, 2,
    ]);
  });

  it("MXFP4: a maximum just below a power of two has the logarithm that f32 rounds to", async () => {
    // log2 of 1024 * (1 - 2^-24) is 10 as f32, that of 2 * (1 - 2^-24) stays below 1
    expect((await quantize("MXFP4", block([1024 * (1 - 2 ** -24)], 32)))[0]).toBe(135);
    expect((await quantize("MXFP4", block([2 * (1 - 2 ** -24)], 32)))[0]).toBe(125);
  });

  it("Q6_K: to even", async () => {
    // -32..31 fits exactly with scale 1; the ties weigh nothing, so that they do not move it
    const x = Float32Array.from({ length: 256 }, (_, i) => [-32, 31, -16, 8, 4, -2, 1, 3][i % 8]);
    const imatrix = new Float32Array(256).fill(1);
    [2.5, 3.5, -2.5, 30.5].forEach((v, i) => {
      x[8 + i] = v;
      imatrix[8 + i] = 0;
    });
    const y = await dequantize("Q6_K", await quantize("Q6_K", x, { imatrix }), 256);
    expect([...y.subarray(0, 12)]).toEqual([-32, 31, -16, 8, 4, -2, 1, 3, 2, 4, -2, 30]);
  });

  it("IQ4_NL: to the upper value", async () => {
    const x = block([-127, 113, 89, 69, 13, 1, -10], 32),
      imatrix = new Float32Array(32).fill(1);
    x[8] = 7;
    x[9] = -4.5;
    x[7] = x[10] = 1;
    for (let i = 8; i < 32; i++) imatrix[i] = 0;
    const bytes = await quantize("IQ4_NL", x, { imatrix });
    expect([...bytes.subarray(10, 12)].map((byte) => byte & 15)).toEqual([9, 8]);
  });
});

describe("the way there and back", () => {
  /** Largest rmse of normal values, relative to their own: 1.15 times ggml's on the first row of the vectors. */
  const BOUND: Record<string, number> = {
    F32: 0,
    F16: 0.00024,
    BF16: 0.0019,
    Q8_0: 0.0062,
    Q6_K: 0.021,
    Q5_K: 0.042,
    Q5_0: 0.051,
    Q5_1: 0.044,
    Q4_0: 0.098,
    Q4_1: 0.091,
    Q4_K: 0.086,
    IQ4_NL: 0.087,
    IQ4_XS: 0.088,
    MXFP4: 0.14,
    NVFP4: 0.11,
    Q3_K: 0.17,
    IQ3_S: 0.2,
    IQ3_XXS: 0.25,
    Q2_K: 0.35,
    IQ2_S: 0.34,
    IQ2_XS: 0.39,
    IQ2_XXS: 0.44,
    IQ1_M: 0.64,
    IQ1_S: 0.62,
    TQ1_0: 0.95,
    TQ2_0: 0.95,
    Q1_0: 0.71,
    Q2_0: 0.82,
    Q8_KV: 0.012,
    Q6_0: 0.024,
    IQ6_K: 0.019,
    IQ5_K: 0.039,
    IQ5_KS: 0.045,
    IQ4_K: 0.077,
    IQ4_KS: 0.089,
    IQ4_KSS: 0.12,
    IQ4_KT: 0.14,
    IQ3_K: 0.16,
    IQ3_KS: 0.18,
    IQ3_KT: 0.23,
    IQ2_K: 0.34,
    IQ2_KS: 0.39,
    IQ2_KL: 0.29,
    IQ2_KT: 0.43,
    IQ1_KT: 0.58,
    IQ1_BN: 1.1,
    IQ2_BN: 1.1,
  };

  it.each(TYPES)("%s keeps within its error", { timeout: 60_000 }, async (name) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: -5, max: 5 }),
        fc.boolean(),
        async (seed, exponent, weighted) => {
          const x = gaussian(seed, 2048).map((v) => v * 2 ** exponent);
          const imatrix =
            weighted || NEEDS_IMATRIX.includes(name) ? new Float32Array(1024).fill(1) : undefined;
          const y = await dequantize(
            name,
            await quantize(name, x, { nPerRow: 1024, imatrix }),
            x.length,
            { nPerRow: 1024 },
          );
          expect(rmse(x, y)).toBeLessThanOrEqual(BOUND[name] * rmse(x, new Float32Array(x.length)));
        },
      ),
      { numRuns: 6 },
    );
  });

  it.each(TYPES)("%s: zeros stay zeros, and columns of no importance do no harm", async (name) => {
    const imatrix = new Float32Array(256);
    // Q1_0 has no zero but the block's scale; IQ1 types shift nothing with scale 0
    const zeros = await dequantize(
      name,
      await quantize(name, new Float32Array(256), { imatrix }),
      256,
    );
    expect(zeros.every((v) => v === 0)).toBe(true);
    const y = await dequantize(name, await quantize(name, gaussian(7, 256), { imatrix }), 256);
    expect(y.every(Number.isFinite)).toBe(true);
  });

  it.each(["Q4_K", "IQ3_S", "IQ1_S", "Q2_K"])(
    "%s: importance weights lower the error they weigh",
    async (name) => {
      const x = gaussian(3, 4096),
        imatrix = importance(4, 4096);
      const error = async (weights: Float32Array) => {
        const y = await dequantize(name, await quantize(name, x, { imatrix: weights }), x.length);
        return x.reduce((sum, v, i) => sum + imatrix[i] * (v - y[i]) ** 2, 0);
      };
      expect(await error(imatrix)).toBeLessThan(await error(new Float32Array(4096).fill(1)));
    },
  );
});

describe("rows", () => {
  it.each(["Q4_0", "Q4_K", "IQ3_XXS"])("%s: every row is written for itself", async (name) => {
    const x = gaussian(11, 4 * 512),
      imatrix = importance(12, 512);
    const all = await quantize(name, x, { nPerRow: 512, imatrix });
    const rows = await Promise.all(
      [0, 1, 2, 3].map((r) => quantize(name, x.subarray(r * 512, r * 512 + 512), { imatrix })),
    );
    expect(firstDifference(all, Uint8Array.from(rows.flatMap((row) => [...row])))).toBe(-1);
  });

  it("Q4_0 weighs with the mean square of the row", async () => {
    const x = gaussian(13, 1024).map((v, i) => (i < 512 ? v : 20 * v)),
      imatrix = importance(14, 1024);
    const long = await quantize("Q4_0", x, { imatrix });
    const short = await quantize("Q4_0", x.subarray(0, 512), { imatrix: imatrix.subarray(0, 512) });
    expect(firstDifference(long.subarray(0, short.length), short)).not.toBe(-1);
  });

  it("cuts long rows and long lists of rows without a trace", async () => {
    // longer than the piece that is converted at once, with a rest
    const nWeights = 2 ** 18 + 1536,
      x = gaussian(15, nWeights),
      imatrix = importance(16, nWeights);
    const one = await quantize("Q8_0", x),
      many = await quantize("Q8_0", x, { nPerRow: 512 });
    expect(firstDifference(one, many)).toBe(-1);
    const tail = await quantize("Q3_K", x.subarray(2 ** 18), {
      imatrix: imatrix.subarray(2 ** 18),
    });
    const whole = await quantize("Q3_K", x, { imatrix });
    expect(firstDifference(whole.subarray(whole.length - tail.length), tail)).toBe(-1);
  });

  it("gives concurrent callers of different types their own bytes", async () => {
    const x = gaussian(17, 1024),
      imatrix = importance(18, 1024),
      names = ["IQ2_XS", "Q4_K", "IQ3_S", "IQ2_XS", "F16", "IQ1_S"];
    const together = await Promise.all(names.map((name) => quantize(name, x, { imatrix })));
    for (const [i, name] of names.entries())
      expect(firstDifference(together[i], await quantize(name, x, { imatrix }))).toBe(-1);
  });

  it("takes nothing for nothing", async () =>
    expect(await quantize("Q4_K", new Float32Array(0))).toEqual(new Uint8Array(0)));

  it("agrees with the file's sizes", async () => {
    for (const name of TYPES) {
      const bytes = await quantize(name, new Float32Array(512), {
        nPerRow: 256,
        imatrix: new Float32Array(256),
      });
      expect(bytes.length, name).toBe(2 * rowBytes(typeByName(name), 256));
    }
  });
});

describe("refusals", () => {
  const nan = new Float32Array(256),
    infinite = new Float32Array(256),
    ones = new Float32Array(256).fill(1);
  nan[3] = Number.NaN;
  infinite[255] = -Infinity;
  it.each([
    ["an unknown type", "Q4_Z", ones, {}, /^type: expected one of F32, F16, .*, found Q4_Z/],
    ["a type that is not written", "I8", ones, {}, /^type: expected one of .*, found I8/],
    ["an activation type", "Q8_K", ones, {}, /^type: expected one of .*, found Q8_K/],
    [
      "half a block",
      "Q4_K",
      new Float32Array(128),
      {},
      /^Q4_K: expected rows of a multiple of 256 weights that divide 128, found 128/,
    ],
    [
      "rows that do not divide",
      "Q4_0",
      ones,
      { nPerRow: 96 },
      /multiple of 32 weights that divide 256, found 96/,
    ],
    ["rows of nothing", "Q4_0", ones, { nPerRow: 0 }, /found 0/],
    ["rows of half a weight", "F32", ones, { nPerRow: 0.5 }, /found 0.5/],
    ["NaN", "Q8_0", nan, {}, /^values: expected finite numbers, found NaN \(at 3\)/],
    [
      "infinity",
      "F32",
      infinite,
      {},
      /^values: expected finite numbers, found -Infinity \(at 255\)/,
    ],
    [
      "too few importance weights",
      "Q4_K",
      ones,
      { imatrix: new Float32Array(255) },
      /^imatrix: expected a Float32Array of 256 importance weights, found 255/,
    ],
    [
      "importance weights of the whole",
      "Q4_0",
      ones,
      { nPerRow: 128, imatrix: ones },
      /expected a Float32Array of 128 importance weights, found 256/,
    ],
    [
      "negative importance",
      "Q4_0",
      ones,
      { imatrix: ones.map((v, i) => (i === 9 ? -v : v)) },
      /^imatrix: expected finite weights from 0, found -1 \(at 9\)/,
    ],
    [
      "infinite importance",
      "Q4_0",
      ones,
      { imatrix: infinite.map((v) => -v) },
      /^imatrix: expected finite weights from 0, found Infinity \(at 255\)/,
    ],
    [
      "unknown importance",
      "Q8_0",
      ones,
      { imatrix: nan },
      /^imatrix: expected finite weights from 0, found NaN \(at 3\)/,
    ],
    [
      "IQ2_XXS without importance weights",
      "IQ2_XXS",
      ones,
      {},
      /^imatrix: expected 256 importance weights, found none; IQ2_XXS cannot be written without/,
    ],
    ["IQ2_XS without importance weights", "IQ2_XS", ones, {}, /^imatrix: expected 256/],
    ["IQ1_S without importance weights", "IQ1_S", ones, {}, /^imatrix: expected 256/],
    [
      "values beyond f16",
      "F16",
      ones.map((v) => v * 65520),
      {},
      /^values: expected magnitudes whose F16 fits 16-bit floats, found larger ones \(in 0\.\.255\)/,
    ],
    [
      "scales beyond f16",
      "Q4_K",
      gaussian(1, 256).map((v) => v * 1e7),
      {},
      /^values: expected magnitudes whose Q4_K fits/,
    ],
    [
      "squares beyond f32",
      "IQ1_M",
      gaussian(1, 256).map((v) => v * 1e25),
      {},
      /^values: expected magnitudes whose IQ1_M fits/,
    ],
  ] as const)("%s", async (_, name, values, options, message) => {
    const failure = quantize(name, values as Float32Array, options);
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toMatchObject({ name: "OptionError" });
  });

  it.each(TYPES)(
    "%s: values near the end of f32, unless their weights are finite",
    async (name) => {
      const x = gaussian(19, 256).map((v) => v * 1e30),
        imatrix = NEEDS_IMATRIX.includes(name) ? ones : undefined;
      const [result] = await Promise.allSettled([quantize(name, x, { imatrix })]);
      if (result.status === "rejected")
        return expect(result.reason).toMatchObject({ name: "OptionError" });
      expect((await dequantize(name, result.value, 256)).every(Number.isFinite)).toBe(true);
    },
  );

  it.each([
    ["an array", [1, 2]],
    ["doubles", new Float64Array(256)],
    ["nothing", undefined],
  ])("%s for values", async (_, values) => {
    await expect(quantize("F32", values as unknown as Float32Array)).rejects.toThrow(
      /^F32: expected values as a Float32Array/,
    );
  });

  it("has the package's own error class", async () => {
    await expect(quantize("Q4_Z", ones)).rejects.toBeInstanceOf(built.OptionError);
  });

  it("works on after a refusal", async () => {
    await expect(
      quantize(
        "Q4_0",
        ones.map((v) => v * 1e30),
      ),
    ).rejects.toThrow(/fits 16-bit floats/);
    expect((await quantize("Q4_0", ones)).length).toBe(144);
  });
});
