import { describe, expect, it } from "vitest";
import { GgufError, printable, quote } from "../../formats/errors.ts";

describe("GgufError", () => {
  it.each([
    [{}, "s: expected x, found y"],
    [{ source: "f" }, "s: expected x, found y (f)"],
    [{ offset: 31 }, "s: expected x, found y (offset 0x1f)"],
    [{ source: "f", offset: 0, remedy: "do z" }, "s: expected x, found y (f, offset 0x0); do z"],
  ])("%j", (parts, message) => {
    const error = new GgufError({ subject: "s", expected: "x", found: "y", ...parts });
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "GgufError",
      subject: "s",
      expected: "x",
      found: "y",
      ...parts,
    });
  });
});

describe("text from files", () => {
  it("is escaped where a terminal would obey it", () => {
    expect(printable('é日\u{1f600}"\\')).toBe('é日\u{1f600}\\"\\\\');
    expect(printable("\u001b[2J\u009b\u007f\u2028\u202e\u2067\ud800\n")).toBe(
      "\\u001b[2J\\u009b\\u007f\\u2028\\u202e\\u2067\\ud800\\n",
    );
  });

  it("is cut where it is long", () => {
    expect(quote("a".repeat(80))).toBe(`"${"a".repeat(80)}"`);
    expect(quote("a".repeat(81))).toBe(`"${"a".repeat(80)}"... (81 characters)`);
  });
});
