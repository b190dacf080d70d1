import { describe, expect, it } from "vitest";
import { Metadata } from "../../formats/metadata.ts";
import { parseSplitName, splitName, splitPlace, splitSiblings } from "../../formats/split.ts";

describe("names of split files", () => {
  it.each([
    ["/m/llama-00002-of-00003.gguf", { index: 1, count: 3 }],
    ["llama-00001-of-00001.gguf", { index: 0, count: 1 }],
    ["https://h/a-00003-of-00003.gguf?download=true", { index: 2, count: 3 }],
    ["a-00001-of-00002/b-00001-of-00004.gguf", { index: 0, count: 4 }],
    ["llama.gguf", undefined],
    ["llama-00000-of-00003.gguf", undefined],
    ["llama-00004-of-00003.gguf", undefined],
    ["llama-1-of-3.gguf", undefined],
    ["llama-00001-of-00003.gguf.part", undefined],
  ])("%s", (name, place) => {
    expect(parseSplitName(name)).toEqual(place);
  });

  it("give those of the siblings", () => {
    expect(splitSiblings("d-00001-of-00002/x-00002-of-00003.gguf?a=1")).toEqual(
      [1, 2, 3].map((i) => `d-00001-of-00002/x-0000${i}-of-00003.gguf?a=1`),
    );
    expect(splitSiblings("x.gguf")).toEqual(["x.gguf"]);
  });

  it.each([
    ["m.gguf", "m-00010-of-00012.gguf"],
    ["m", "m-00010-of-00012.gguf"],
    ["dir.gguf/m.v1.gguf#top", "dir.gguf/m.v1-00010-of-00012.gguf#top"],
  ])("are made from %s", (name, expected) => {
    expect(splitName(name, 9, 12)).toBe(expected);
    expect(parseSplitName(expected)).toEqual({ index: 9, count: 12 });
  });
});

describe("split keys", () => {
  const keys = (no: number, count: number) =>
    new Metadata("s.gguf", [
      ["split.no", { type: "u16", value: no }],
      ["split.count", { type: "u32", value: count }],
    ]);
  it("tell the place", () => {
    expect(splitPlace(new Metadata("s"))).toEqual({ index: 0, count: 1 });
    expect(splitPlace(keys(2, 3))).toEqual({ index: 2, count: 3 });
    expect(splitPlace(keys(0, 0))).toEqual({ index: 0, count: 1 });
  });
  it.each([
    [3, 3],
    [1, 0],
    [0, 100_000],
  ])("%i of %i is refused", (no, count) => {
    expect(() => splitPlace(keys(no, count))).toThrow(/^split\.no: .*s\.gguf/);
  });
});
