import { describe, expect, it } from "vitest";
import { typeByName } from "../../formats/types.ts";
import { findBadScale } from "../../src/scales.ts";
import { dequantize, referenceTypes } from "../reference/dequantize.ts";

const blockTypes = referenceTypes()
  .map(typeByName)
  .filter(({ blockSize }) => blockSize > 1);

describe("findBadScale", () => {
  it("has types to look at", () => expect(blockTypes.length).toBeGreaterThanOrEqual(12));

  it.each(blockTypes)(
    "$name: finds NaN and infinity exactly where they would spoil a weight",
    (type) => {
      for (let offset = 0; offset < type.typeSize; offset += 2) {
        for (const half of [0x7c00, 0xfc00, 0x7e01]) {
          // three blocks of small codes; the second one has the half
          const bytes = new Uint8Array(3 * type.typeSize).fill(1),
            at = type.typeSize + offset;
          new DataView(bytes.buffer).setUint16(at, half, true);
          const spoils = dequantize(type.name, bytes, 3 * type.blockSize).some(
            (x) => !Number.isFinite(x),
          );
          expect(findBadScale(type, bytes), `${half.toString(16)} at ${offset}`).toBe(
            spoils ? at : -1,
          );
        }
      }
    },
  );

  it("finds the first of several", () => {
    const type = typeByName("Q4_K"),
      bytes = new Uint8Array(4 * 144),
      view = new DataView(bytes.buffer);
    view.setUint16(3 * 144, 0x7c00, true);
    view.setUint16(2 * 144 + 2, 0x7c00, true);
    expect(findBadScale(type, bytes)).toBe(2 * 144 + 2);
  });

  it("leaves plain numbers to the run, which names the op", () => {
    expect(findBadScale(typeByName("F16"), new Uint8Array([0, 0x7e]))).toBe(-1);
    expect(findBadScale(typeByName("F32"), new Uint8Array([0, 0, 0xc0, 0x7f]))).toBe(-1);
  });
});
