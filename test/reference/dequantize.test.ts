// The reference dequantisers against ggml's own values, bit for bit (-0 and 0 count as equal, and
// so do all NaN: README of ../shared/reference/quants).
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dequantize, f16ToF32, f32ToF16, referenceTypes } from "./dequantize.ts";
import { f32Of, hasShared, loadVectors, SHARED } from "./vectors.ts";

const shared = hasShared("quants/ggml");

interface Fixture {
  /** By type: the bytes of a block and its values, both in hexadecimal. */
  readonly types: Record<string, { bytes: string; f32: string }[]>;
}
const fixture: Fixture = JSON.parse(
  readFileSync(new URL("../fixtures/quants/blocks.json", import.meta.url), "utf8"),
);

/** Index of the first weight whose bits differ, -1 when there is none. */
function firstDifference(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Math.min(found.length, expected.length);
  return found.findIndex(
    (y, i) => !(y === expected[i] || (y !== y && expected[i] !== expected[i])),
  );
}

describe("dequantize", () => {
  const blocks = referenceTypes().filter((name) => !["F32", "F16", "BF16"].includes(name));

  it.skipIf(!shared).each(blocks)("%s gives ggml's bits", (name) => {
    const vectors = loadVectors(`${SHARED}quants/ggml/${name}`);
    let compared = 0;
    for (const [bytes, values] of [
      ["q", "dq"],
      ["qi", "dqi"],
      ["rnd_q", "rnd_dq"],
    ]) {
      const expected = vectors.get(values);
      if (expected === undefined) continue;
      const floats = f32Of(expected);
      // Importance weights change nothing for some types: their dqi then belongs to q.
      const found = dequantize(
        name,
        (vectors.get(bytes) ?? vectors.get("q")!).bytes,
        floats.length,
      );
      expect(firstDifference(found, floats), `${name} ${values}: first differing weight`).toBe(-1);
      compared += floats.length;
    }
    expect(compared).toBeGreaterThan(8 * 1024);
  });

  it.skipIf(!shared)("F16 decodes all 65536 patterns", () => {
    const expected = f32Of(loadVectors(`${SHARED}quants/ggml/F16`).get("all_f16_to_f32")!);
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const found = dequantize("F16", new Uint8Array(patterns.buffer), 65536);
    expect(firstDifference(found, expected)).toBe(-1);
  });

  it.skipIf(!shared).each(["F16", "BF16"])(
    "%s gives ggml's bits on the rows and edge cases",
    (name) => {
      const vectors = loadVectors(`${SHARED}quants/ggml/${name}`);
      for (const [bits, values] of [
        ["edge_bits", "edge_back"],
        ["q", "dq"],
      ]) {
        const expected = f32Of(vectors.get(values)!);
        const found = dequantize(name, vectors.get(bits)!.bytes, expected.length);
        expect(firstDifference(found, expected), `${name} ${values}`).toBe(-1);
      }
    },
  );

  it.skipIf(!shared)("f32ToF16 encodes ggml's edge cases", () => {
    const vectors = loadVectors(`${SHARED}quants/ggml/F16`);
    const bits = new Uint16Array(vectors.get("edge_bits")!.bytes.buffer);
    const floats = f32Of(vectors.get("edge_f32")!);
    const wrong = [...floats].findIndex((x, i) => !Number.isNaN(x) && f32ToF16(x) !== bits[i]);
    expect(wrong).toBe(-1);
  });

  // The committed subset: two blocks of random bytes and one quantised block of each type.
  it.each(Object.entries(fixture.types))(
    "%s gives ggml's bits on the committed blocks",
    (name, list) => {
      for (const { bytes, f32 } of list) {
        const expected = new Float32Array(new Uint8Array(Buffer.from(f32, "hex")).buffer);
        const found = dequantize(name, Buffer.from(bytes, "hex"), expected.length);
        expect(firstDifference(found, expected)).toBe(-1);
      }
    },
  );

  it("has committed blocks of every type of blocks", () => {
    expect(Object.keys(fixture.types).sort()).toEqual([...blocks].sort());
  });

  it("decodes a Q4_0 block by hand", () => {
    const bytes = new Uint8Array(18);
    new DataView(bytes.buffer).setUint16(0, 0x3800, true); // d = 0.5
    bytes.fill(0x88, 2); // every code 8: zero
    bytes[2] = 0xf0; // weight 0 has code 0, weight 16 has code 15
    const y = dequantize("Q4_0", bytes, 32);
    expect([y[0], y[1], y[16], y[31]]).toEqual([-4, 0, 3.5, 0]);
  });

  it("halves convert there and back", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      if (f32ToF16(f16ToF32(bits)) !== bits)
        throw new Error(`0x${bits.toString(16)} does not round-trip`);
    }
    // Ties go to the even pattern: halfway between 0 and the smallest subnormal, and between 1 and
    // 2 of them.
    expect([f32ToF16(2 ** -25), f32ToF16(3 * 2 ** -25), f32ToF16(65519), f32ToF16(65520)]).toEqual([
      0, 2, 0x7bff, 0x7c00,
    ]);
  });

  it("refuses a length that does not fit", () => {
    expect(() => dequantize("Q4_K", new Uint8Array(140), 256)).toThrow("expected 144 bytes");
  });
});
