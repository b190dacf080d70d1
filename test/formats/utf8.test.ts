// Strings to bytes and back: valid UTF-8 as the platform has it, everything else without loss.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../formats/utf8.ts";

const valid = fc.string({ unit: "binary", maxLength: 60 });
// Bytes that meet every rule of UTF-8: leads, continuations, overlong forms, surrogates, beyond U+10FFFF.
const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(
    0x41,
    0x80,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc1,
    0xc2,
    0xe0,
    0xed,
    0xef,
    0xf0,
    0xf4,
    0xf5,
    0xff,
  ),
);

describe("UTF-8", () => {
  it("valid text is what TextEncoder and TextDecoder make of it", () => {
    fc.assert(
      fc.property(valid, (text) => {
        const bytes = new TextEncoder().encode(text);
        expect(decodeUtf8(bytes)).toBe(text);
        expect(encodeUtf8(text)).toEqual(bytes);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it("any bytes survive, and invalid ones only become lone surrogates", () => {
    const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 20 }), (list) => {
        const bytes = Uint8Array.from(list);
        const text = decodeUtf8(bytes);
        expect(encodeUtf8(text)).toEqual(bytes);
        const isValid = !lossy.decode(bytes).includes("\ufffd");
        if (isValid) expect(text).toBe(lossy.decode(bytes));
        else if (!list.includes(0xef)) expect(text).toMatch(/[\udc80-\udcff]/u);
      }),
      { numRuns: 5000, seed: 1 },
    );
  });

  it.each([
    ["a lone continuation", [0x80], "\udc80"],
    ["a cut sequence", [0x41, 0xe2, 0x82], "A\udce2\udc82"],
    ["an overlong slash", [0xc0, 0xaf], "\udcc0\udcaf"],
    ["an encoded surrogate", [0xed, 0xb2, 0x80], "\udced\udcb2\udc80"],
    ["a value above U+10FFFF", [0xf4, 0x90, 0x80, 0x80], "\udcf4\udc90\udc80\udc80"],
    ["valid text around", [0xc3, 0xa9, 0xff, 0xe6, 0x97, 0xa5], "é\udcff日"],
    ["a byte order mark", [0xef, 0xbb, 0xbf, 0x78], "\ufeffx"],
  ])("%s", (_, bytes, text) => {
    expect(decodeUtf8(Uint8Array.from(bytes))).toBe(text);
    expect([...encodeUtf8(text)]).toEqual(bytes);
  });

  it("decodes a part of a buffer, on both sides of the short limit", () => {
    const bytes = new TextEncoder().encode("xxé123456789012345é");
    expect(decodeUtf8(bytes, 2, 4)).toBe("é");
    expect(decodeUtf8(bytes, 2, 3)).toBe("\udcc3");
    expect(decodeUtf8(bytes, 2)).toBe("é123456789012345é");
    expect(decodeUtf8(bytes, 5, 5)).toBe("");
  });

  it("a surrogate that stands for no byte becomes U+FFFD, as in TextEncoder", () => {
    expect([...encodeUtf8("\ud800\udc00\udc7f\ud800")]).toEqual([
      0xf0, 0x90, 0x80, 0x80, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd,
    ]);
  });
});
