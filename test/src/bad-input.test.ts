// What dequantize and quantize refuse, for every type: one sentence of expected and found, as an OptionError.

import { describe, expect, it } from "vitest";
import { rowBytes, typeByName } from "../../formats/types.ts";
import type * as Quants from "../../src/quants.ts";
import { failureOf } from "./special-models.ts";

const { dequantize, quantize, quantizableTypes, supportedTypes } = (await import(
  new URL("../../dist/src/quants.js", import.meta.url).href
)) as typeof Quants;
const READ = await supportedTypes(),
  WRITTEN = await quantizableTypes();

/** Expects a rejection with an OptionError of this message. */
async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  expect(await failureOf(promise)).toMatchObject({
    name: "OptionError",
    message: expect.stringMatching(message),
  });
}

describe.each(READ)("dequantize %s refuses", (name) => {
  const type = typeByName(name),
    { rowsInterleaved: rows, blockSize, tensorTailBytes } = type;
  // rows that every layout allows
  const k = Math.max(blockSize, rows > 1 ? 256 : 1),
    n = rows * k,
    bytes = rows * rowBytes(type, k) + tensorTailBytes;

  it("bytes that are too few, too many, or none", async () => {
    for (const found of [bytes - 1, bytes + 1, 0]) {
      await refused(
        dequantize(name, new Uint8Array(found), n, { nPerRow: k }),
        new RegExp(`^${name}: expected ${bytes} bytes for ${n} weights, found ${found}$`),
      );
    }
  });

  it("rows that are no multiple of the block, or do not divide the weights", async () => {
    const whole = new Uint8Array(bytes);
    for (const nPerRow of [0, -k, 0.5, Number.NaN, 2 * n, ...(blockSize > 1 ? [k + 1] : [])]) {
      await refused(
        dequantize(name, whole, n, { nPerRow }),
        new RegExp(
          `^${name}: expected rows of a multiple of ${blockSize} weights that divide ${n}`,
        ),
      );
    }
  });

  if (rows > 1) {
    it("rows that do not fill a bundle", async () => {
      for (const nRows of [1, rows - 1, rows + 1]) {
        const part = new Uint8Array(nRows * rowBytes(type, k));
        await refused(
          dequantize(name, part, nRows * k, { nPerRow: k }),
          new RegExp(
            `^${name}: expected a multiple of ${rows} rows, found ${nRows} of ${k} weights`,
          ),
        );
      }
    });
  }
});

describe("dequantize refuses", () => {
  it.each([
    ["IQ1_S_R4", 288, 256],
    ["IQ1_M_R4", 32, 256],
    ["BF16_R16", 7, 2],
  ])("%s rows of %i weights, which are no multiple of %i", async (name, k, multiple) => {
    const type = typeByName(name),
      n = type.rowsInterleaved * k;
    await refused(
      dequantize(name, new Uint8Array(type.rowsInterleaved * rowBytes(type, k)), n, { nPerRow: k }),
      new RegExp(`^${name} row: expected ${name} rows of a multiple of ${multiple} weights, found`),
    );
  });

  it.each(["Q4_Z", "", "q", "I32", "Q8_K"])("the type %j", async (name) => {
    await refused(
      dequantize(name, new Uint8Array(1), 1),
      new RegExp(`^type: expected one of F32, .*I2_S.*Q4_0_R8.*, found ${name}$`),
    );
  });
});

describe.each(WRITTEN)("quantize %s refuses", (name) => {
  const { blockSize } = typeByName(name),
    k = Math.max(blockSize, 2),
    ones = new Float32Array(2 * k).fill(1),
    imatrix = new Float32Array(k).fill(1);
  const changed = (array: Float32Array, at: number, value: number) => {
    const copy = array.slice();
    copy[at] = value;
    return copy;
  };

  it("values that are no finite numbers, wherever they are", async () => {
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      for (const at of [0, k - 1, 2 * k - 1]) {
        await refused(
          quantize(name, changed(ones, at, bad), { nPerRow: k, imatrix }),
          new RegExp(`^values: expected finite numbers, found ${bad} \\(at ${at}\\)`),
        );
      }
    }
  });

  it("rows that are no multiple of the block, or do not divide the values", async () => {
    for (const nPerRow of [0, -k, 0.5, 4 * k, ...(blockSize > 1 ? [k + 1] : [])]) {
      await refused(
        quantize(name, ones, { nPerRow }),
        new RegExp(
          `^${name}: expected rows of a multiple of ${blockSize} weights that divide ${2 * k}`,
        ),
      );
    }
    if (blockSize > 1)
      await refused(quantize(name, ones.subarray(1)), /expected rows of a multiple of/);
  });

  it("importance weights of another number", async () => {
    for (const length of [0, k - 1, k + 1, 2 * k]) {
      await refused(
        quantize(name, ones, { nPerRow: k, imatrix: new Float32Array(length) }),
        new RegExp(`^imatrix: expected a Float32Array of ${k} importance weights, found ${length}`),
      );
    }
  });

  it("importance weights that are negative, or no finite numbers", async () => {
    for (const bad of [-1, -1e-30, Number.NaN, Infinity, -Infinity]) {
      await refused(
        quantize(name, ones, { nPerRow: k, imatrix: changed(imatrix, k - 1, bad) }),
        new RegExp(`^imatrix: expected finite weights from 0, found .* \\(at ${k - 1}\\)`),
      );
    }
  });
});

describe("quantize refuses", () => {
  it.each(["Q4_Z", "I32", "Q4_0_R8", "I2_S"])("the type %j", async (name) => {
    await refused(
      quantize(name, new Float32Array(256)),
      new RegExp(`^type: expected one of F32, .*Q4_K.*, found ${name}$`),
    );
  });
});
