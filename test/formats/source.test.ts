import { describe, expect, it } from "vitest";
import { bytesSource } from "../../formats/source.ts";

describe("bytesSource", () => {
  const source = bytesSource("b", Uint8Array.of(1, 2, 3, 4));

  it("reads any range", () => {
    expect(source).toMatchObject({ name: "b", size: 4 });
    expect(source.read(1, 2)).toEqual(Uint8Array.of(2, 3));
    expect(source.read(4, 0)).toEqual(new Uint8Array(0));
    const into = new Uint8Array(new SharedArrayBuffer(3));
    source.readSync!(1, into);
    expect([...into]).toEqual([2, 3, 4]);
  });

  it.each([
    [-1, 1],
    [0, 5],
    [4, 1],
    [0, -1],
    [NaN, 1],
    [0, NaN],
  ])("refuses %d, %d", (offset, length) => {
    expect(() => source.read(offset, length)).toThrow("b: expected a range inside 4 bytes");
  });

  it("refuses to fill more than there is", () => {
    expect(() => source.readSync!(2, new Uint8Array(3))).toThrow(RangeError);
  });
});
