import { describe, expect, it } from "vitest";
import { readText, unescape } from "../../../src/cli/text.ts";

describe("unescape", () => {
  it.each([
    ["a\\nb\\r\\t", "a\nb\r\t"],
    ["\\\"\\'\\\\n", "\"'\\n"],
    ["\\x41\\x4a\\xe", "AJ\\xe"],
    ["\\xe2\\x82\\xAC\\n\\xc3\\xa9 \\x00", "€\né \0"],
    ["a\\xffb", "a\ufffdb"],
    ["\\q \\", "\\q \\"],
    ["plain", "plain"],
  ])("%j", (given, expected) => {
    expect(unescape(given)).toBe(expected);
  });
});

describe("readText", () => {
  it("replaces escapes only when asked to", async () => {
    expect(await readText({ prompt: "a\\nb", escape: true })).toBe("a\nb");
    expect(await readText({ prompt: "a\\nb" })).toBe("a\\nb");
  });

  it.each([
    ["absent.txt", "absent.txt: expected a readable text file, found no such file; check the path"],
    [".", ".: expected a readable text file, found a folder; check the path"],
  ])("fails for %s", async (file, message) => {
    await expect(readText({ file })).rejects.toThrow(message);
  });
});
