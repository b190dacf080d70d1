// Scales that are no numbers, in every type and place where one would spoil a weight.

import { describe, expect, it } from "vitest";
import { type GgmlType, GGML_TYPES, rowBytes, typeByName } from "../../formats/types.ts";
import { plainType } from "../../src/interleaved/index.ts";
import type * as Quants from "../../src/quants.ts";
import { findBadScale } from "../../src/scales.ts";
import { Kernels } from "../assembly/matmul/kernels.ts";
import { blockTypes as decoded } from "../assembly/quants/blocks.ts";
import { dequantize, referenceTypes } from "../reference/dequantize.ts";

const { supportedTypes } = (await import(
  new URL("../../dist/src/quants.js", import.meta.url).href
)) as typeof Quants;

const blockTypes = referenceTypes()
  .map(typeByName)
  .filter(({ blockSize }) => blockSize > 1);
const kernels = await Kernels.create("base");
const NOT_FINITE = [0x7c00, 0xfc00, 0x7e01];

describe("findBadScale", () => {
  it("has types to look at", () => expect(blockTypes.length).toBeGreaterThanOrEqual(12));

  it.each(blockTypes)(
    "$name: finds NaN and infinity exactly where they would spoil a weight",
    (type) => {
      for (let offset = 0; offset < type.typeSize; offset += 2) {
        for (const half of NOT_FINITE) {
          // three blocks of small codes; the second one has the half
          const bytes = new Uint8Array(3 * type.typeSize).fill(1),
            at = type.typeSize + offset;
          new DataView(bytes.buffer).setUint16(at, half, true);
          const spoils = dequantize(type.name, bytes, 3 * type.blockSize).some(
            (x) => !Number.isFinite(x),
          );
          expect(findBadScale(type, bytes, bytes.length), `${half.toString(16)} at ${offset}`).toBe(
            spoils ? at : -1,
          );
        }
      }
    },
  );

  const decoders = new Map(decoded.map((type) => [type.name, type]));

  /** Whether some weight of these rows has no finite value; by the test's own decoders, which keep a NaN. */
  function spoils(type: GgmlType, bytes: Uint8Array, nRows: number, k: number): boolean {
    kernels.reset();
    const rows = kernels.plainRows(type.name, bytes, nRows, k),
      plain = plainType(type),
      raw = rowBytes(plain, k);
    const { decode, weights, bytes: blockBytes, rowMeta = 0 } = decoders.get(plain.name)!;
    const view = new DataView(rows.buffer);
    for (let row = 0; row < rows.length; row += raw) {
      for (let b = 0; b < k / weights; b++) {
        const { d, dmin = 0, m = 0, codes } = decode!(view, row + rowMeta + b * blockBytes, row);
        const largest = codes.reduce((most, code) => Math.max(most, Math.abs(code)), 0);
        const scales = [d, dmin, m, Math.fround((Array.isArray(d) ? 0 : d) * largest)].flat();
        if (!scales.every(Number.isFinite)) return true;
      }
    }
    return false;
  }

  const known = GGML_TYPES.filter(
    (type) => type.tensorTailBytes === 0 && decoders.get(plainType(type).name)?.decode,
  );
  it("sees all types of blocks that the kernels read", async () => {
    const names = (await supportedTypes()).filter((name) => typeByName(name).blockSize > 1);
    expect(known.map((type) => type.name).toSorted()).toEqual(
      names.filter((name) => name !== "I2_S").toSorted(),
    );
  });

  it.each(known)("$name: no scale of a bundle of rows may be NaN or infinite", (type) => {
    const { rowsInterleaved: rows } = type,
      k = Math.max(256, type.blockSize),
      raw = rowBytes(type, k),
      bundle = rows * raw;
    let found = 0;
    // in the second of two bundles: 0x7f80 is a NaN of f16 and the upper half of an infinite f32
    for (let offset = 0; offset + 2 <= bundle; offset += offset < 256 ? 2 : 14) {
      const bytes = new Uint8Array(2 * bundle).fill(1),
        at = bundle + offset;
      new DataView(bytes.buffer).setUint16(at, 0x7f80, true);
      const bad = findBadScale(type, bytes, raw);
      if (spoils(type, bytes, 2 * rows, k)) {
        // the scale may begin before the two bytes that spoil it
        expect(bad, `at ${offset}`).toBeGreaterThanOrEqual(at - 2);
        expect(bad, `at ${offset}`).toBeLessThanOrEqual(at);
        found++;
      } else expect(bad, `at ${offset}`).toBe(-1);
    }
    // these have scales in other forms
    const others = ["NVFP4", "MXFP4", "IQ1_M"].includes(plainType(type).name);
    if (!others) expect(found).toBeGreaterThan(0);
  });

  it.each(["MXFP4", "MXFP4_R8"])(
    "%s: an exponent is too large where the largest weight is infinite",
    (name) => {
      const type = typeByName(name),
        { rowsInterleaved: rows } = type,
        raw = rowBytes(type, 64);
      for (let row = 0; row < rows; row++) {
        for (const exponent of [0, 127, 252, 253, 254, 255]) {
          // code 7 is the largest
          const bytes = new Uint8Array(rows * raw).fill(0x77);
          for (let block = 0; block < bytes.length; block += 17 * rows)
            bytes.fill(120, block, block + rows);
          const at = 17 * rows + row;
          bytes[at] = exponent;
          expect(spoils(type, bytes, rows, 64)).toBe(exponent > 252);
          expect(findBadScale(type, bytes, raw)).toBe(exponent > 252 ? at : -1);
        }
      }
    },
  );

  it("IQ1_M: the half that is spread over four words", () => {
    const type = typeByName("IQ1_M");
    for (const half of [...NOT_FINITE, 0x7bff, 0x3c00]) {
      const bytes = new Uint8Array(3 * 56).fill(1);
      for (let i = 0; i < 4; i++) bytes[56 + 49 + 2 * i] = ((half >> (4 * i)) & 15) << 4;
      const bad = NOT_FINITE.includes(half);
      expect(spoils(type, bytes, 1, 3 * 256)).toBe(bad);
      expect(findBadScale(type, bytes, 3 * 56)).toBe(bad ? 56 + 48 : -1);
    }
  });

  it("finds the first of several", () => {
    const type = typeByName("Q4_K"),
      bytes = new Uint8Array(4 * 144),
      view = new DataView(bytes.buffer);
    view.setUint16(3 * 144, 0x7c00, true);
    view.setUint16(2 * 144 + 2, 0x7c00, true);
    expect(findBadScale(type, bytes, 144)).toBe(2 * 144 + 2);
  });

  it("leaves plain numbers to the run, which names the op", () => {
    expect(findBadScale(typeByName("F16"), new Uint8Array([0, 0x7e]), 2)).toBe(-1);
    expect(findBadScale(typeByName("BF16"), new Uint8Array([0xc0, 0x7f]), 2)).toBe(-1);
    expect(findBadScale(typeByName("F32"), new Uint8Array([0, 0, 0xc0, 0x7f]), 4)).toBe(-1);
  });
});
