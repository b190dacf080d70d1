// openQuantizer: the bytes of quantize for any number of threads and from stored weights, and its life. Runs the built package.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type * as Quants from "../../../src/quants.ts";
import { built } from "../../built.ts";
import { gaussian, importance } from "../../random-values.ts";

const { dequantize, openQuantizer, quantize } = (await import(
  new URL("../../../dist/src/quants.js", import.meta.url).href
)) as typeof Quants;

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe.each([{ threads: 1 }, { threads: 2 }, { threads: 5 }, { threads: 1, inline: true }])(
  "%j",
  ({ threads, inline }) => {
    let quantizer: Quants.Quantizer;
    beforeAll(async () => {
      quantizer = await openQuantizer({ threads, inline });
      expect(quantizer.threads).toBe(threads);
    });
    afterAll(() => quantizer.close());

    it.each([
      ["Q8_0", 512],
      ["Q4_0", 768],
      ["Q4_K", 512],
      ["IQ2_XS", 256],
      ["F16", 100],
      ["F32", 7],
    ])("%s: the bytes of one thread", async (name, nPerRow) => {
      const x = gaussian(1, nPerRow * 67),
        imatrix = importance(2, nPerRow);
      const options = { nPerRow, imatrix };
      const found = await quantizer.quantize(name, x, options);
      expect(same(found, await quantize(name, x, options))).toBe(true);
    });

    it("cuts a row that is longer than a slab, and makes room for one that must stay whole", async () => {
      const x = gaussian(3, 2 ** 19 * threads + 4352),
        imatrix = importance(4, x.length);
      const [cut, whole] = await Promise.all([
        quantizer.quantize("Q8_0", x),
        quantizer.quantize("Q5_0", x, { imatrix }),
      ]);
      expect(same(cut, await quantize("Q8_0", x))).toBe(true);
      expect(same(whole, await quantize("Q5_0", x, { imatrix }))).toBe(true);
    });

    it.each(["F16", "BF16", "Q5_1", "Q4_K", "IQ4_KS"])("reads rows of %s", async (type) => {
      const nPerRow = 4608,
        x = gaussian(5, nPerRow * 3);
      // IQ4_KS: any bytes are a row but for the scale before the blocks
      const bytes =
        type === "IQ4_KS"
          ? storedRows(3, 4 + (nPerRow / 256) * 136)
          : await quantize(type, x, { nPerRow });
      const values = await dequantize(type, bytes, x.length, { nPerRow });
      const found = await quantizer.quantize("Q4_K", { type, bytes }, { nPerRow });
      expect(same(found, await quantize("Q4_K", values, { nPerRow }))).toBe(true);
    });

    it("names the first bad value, whoever finds it", async () => {
      const x = gaussian(6, 4096 * 40);
      for (const at of [120_000, 90_001, 161_234]) x[at] = Number.NaN;
      const failure = quantizer.quantize("Q6_K", x, { nPerRow: 4096 });
      await expect(failure).rejects.toThrow(
        /^values: expected finite numbers, found NaN \(at 90001\)/,
      );
      x.fill(1e6, 80_000, 80_003);
      await expect(quantizer.quantize("F16", x, { nPerRow: 8192 })).rejects.toThrow(
        /fits 16-bit floats, found larger ones \(in 77824\.\.81919\)/,
      );
      expect((await quantizer.quantize("Q4_0", new Float32Array(32))).length).toBe(18);
    });

    it("refuses importance weights that overflow", async () => {
      const x = gaussian(8, 4 * 768),
        imatrix = new Float32Array(768).fill(3.4e38);
      await expect(quantizer.quantize("IQ2_XXS", x, { nPerRow: 768, imatrix })).rejects.toThrow(
        /^values: expected magnitudes whose IQ2_XXS fits 16-bit floats.*or its importance weights down/,
      );
    });
  },
);

/** nRows rows of rowBytes bytes: an f32 scale, then any bytes. */
function storedRows(nRows: number, rowBytes: number): Uint8Array {
  const bytes = Uint8Array.from({ length: nRows * rowBytes }, (_, i) => (i * 197 + (i >> 7)) & 255);
  for (let r = 0; r < nRows; r++)
    new DataView(bytes.buffer).setFloat32(r * rowBytes, 0.001 * (r + 1), true);
  return bytes;
}

describe("requests", () => {
  const options = [{ threads: 2 }, { inline: true }];

  it.each(options)(
    "serves concurrent ones in their order, each with its own tables, %j",
    async (option) => {
      await using quantizer = await openQuantizer(option);
      const x = gaussian(7, 2048),
        imatrix = importance(8, 512),
        order: string[] = [];
      const names = ["IQ3_S", "Q4_K", "IQ2_S", "IQ3_S", "BF16"];
      const found = await Promise.all(
        names.map(async (name) => {
          const bytes = await quantizer.quantize(name, x, { nPerRow: 512, imatrix });
          order.push(name);
          return bytes;
        }),
      );
      expect(order).toEqual(names);
      for (const [i, name] of names.entries())
        expect(same(found[i], await quantize(name, x, { nPerRow: 512, imatrix })), name).toBe(true);
    },
  );

  it.each(options)("stops when it is told to, and goes on with the next, %j", async (option) => {
    await using quantizer = await openQuantizer(option);
    const abort = new AbortController(),
      x = gaussian(9, 2 ** 21);
    const cut = quantizer.quantize("Q4_K", x, { nPerRow: 1024, signal: abort.signal });
    setTimeout(() => abort.abort());
    await expect(cut).rejects.toMatchObject({ name: "RunError", failure: "cancelled" });
    const [row, expected] = [x.subarray(0, 1024), await quantize("Q4_K", x.subarray(0, 1024))];
    expect(same(await quantizer.quantize("Q4_K", row), expected)).toBe(true);
  });

  it.each(options)("refuses work after its end, and ends what it was at, %j", async (option) => {
    const quantizer = await openQuantizer(option);
    const going = quantizer.quantize("Q4_K", gaussian(10, 2 ** 21), { nPerRow: 1024 });
    const waiting = quantizer.quantize("Q4_K", new Float32Array(256));
    const results = Promise.allSettled([going, waiting]);
    await new Promise((resolve) => setTimeout(resolve));
    await quantizer.close();
    await quantizer.close();
    for (const result of await results) {
      expect(result).toMatchObject({ status: "rejected", reason: { failure: "closed" } });
    }
    await expect(quantizer.quantize("Q4_K", new Float32Array(256))).rejects.toThrow(
      /^quantizer: expected it open, found it closed/,
    );
  });

  it.each([
    [0, /^threads: expected an integer from 1 to 128, found 0/],
    [1.5, /found 1\.5/],
  ])("refuses %d threads", async (threads, message) => {
    await expect(openQuantizer({ threads })).rejects.toThrow(message);
  });

  const bytes = new Uint8Array(288);
  it.each([
    ["an unknown stored type", { type: "Q4_Z", bytes }, {}, /^values\.type: expected one of F32,/],
    ["interleaved rows", { type: "IQ1_M_R4", bytes }, {}, /^values\.type: .*, found IQ1_M_R4/],
    ["no bytes", { type: "F16" }, {}, /^Q4_K: expected values as a Float32Array, or \{ type/],
    ["half a stored block", { type: "Q4_K", bytes: bytes.subarray(1) }, {}, /found 510\.\d+/],
    [
      "rows that do not fill it",
      { type: "F16", bytes },
      { nPerRow: 256 },
      /^Q4_K: expected rows of a multiple of 256 weights that fill 288 bytes of F16, found 256/,
    ],
    [
      "rows that cut a stored block",
      { type: "Q4_K", bytes },
      { nPerRow: 128 },
      /multiple of 256 weights/,
    ],
  ])("refuses %s", async (_, values, options, message) => {
    const failure = quantize("Q4_K", values as Quants.StoredWeights, options);
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toBeInstanceOf(built.OptionError);
  });
});
