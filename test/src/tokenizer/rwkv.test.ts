import { expect, it } from "vitest";
import { createTokenizer } from "../../../src/tokenizer/index.ts";
import { metadata } from "./tiny.ts";

const BYTES = Array.from({ length: 256 }, (_, b) => `\\x${b.toString(16).padStart(2, "0")}`);
// ids 256..: escapes as the converter writes them
const tokens = [...BYTES, "\\n\\n", "\\'s", "ab", "abcd", "\\xe7\\xa5\\x9e", "é", "\\t"];
const tiny = (more: Record<string, unknown> = {}) =>
  createTokenizer(metadata({ model: "rwkv", tokens, ...more }));

it("takes the longest token again and again", () => {
  const t = tiny();
  expect(t.encode("abc")).toEqual([258, 0x63]);
  expect(t.encode("abcdab")).toEqual([259, 258]);
  expect(t.encode("\n\n\n\t's神é\\")).toEqual([256, 10, 262, 257, 260, 261, 0x5c]);
  for (const text of ["", "Hello, wörld 神 👍\r\n\u0000"])
    expect(t.decode(t.encode(text))).toBe(text);
});

it("needs a token for every byte, or an unknown token", () => {
  const few = { tokens: ["<unk>", "ab", "abcd"] };
  expect(tiny({ ...few, unknown_token_id: 0 }).encode("abcx")).toEqual([1, 0, 0]);
  expect(() => tiny(few).encode("abcx")).toThrow(/a token for byte 0x63, or an unknown token/);
});
