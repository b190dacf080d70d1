// --override-kv: parsing, and applying onto values of every type.
import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import { readGguf } from "../../formats/gguf.ts";
import { applyOverrides, parseOverrides } from "../../formats/override.ts";
import { fixture } from "./fixtures.ts";

describe("parsing", () => {
  it.each([
    ["a.b=int:7", { key: "a.b", type: "int", value: 7n }],
    ["k=int:-9223372036854775808", { key: "k", type: "int", value: -(2n ** 63n) }],
    ["k=int:18446744073709551615", { key: "k", type: "int", value: 2n ** 64n - 1n }],
    ["k=int:+3", { key: "k", type: "int", value: 3n }],
    ["k=float:1e-5", { key: "k", type: "float", value: 1e-5 }],
    ["k=float:-.5", { key: "k", type: "float", value: -0.5 }],
    ["k=float:10000", { key: "k", type: "float", value: 10_000 }],
    ["k=bool:true", { key: "k", type: "bool", value: true }],
    ["k=bool:false", { key: "k", type: "bool", value: false }],
    ["k=str:", { key: "k", type: "str", value: "" }],
    ["k=str:a=int:b, c\nd", { key: "k", type: "str", value: "a=int:b, c\nd" }],
  ])("%s", (text, override) => {
    expect(parseOverrides(text)).toEqual([override]);
  });

  it("several at once", () => {
    expect(parseOverrides("a=int:1,b=str:x,y,c=bool:true").map((o) => [o.key, o.value])).toEqual([
      ["a", 1n],
      ["b", "x,y"],
      ["c", true],
    ]);
  });

  it.each([
    ["", "expected KEY=TYPE:VALUE with TYPE int, float, bool or str"],
    ["key", "expected KEY=TYPE:VALUE"],
    ["=int:1", "expected KEY=TYPE:VALUE"],
    ["k=u32:1", "expected KEY=TYPE:VALUE"],
    ["k=int:1.5", "expected a decimal integer of at most 64 bits"],
    ["k=int:", "expected a decimal integer"],
    ["k=int:12x", "expected a decimal integer"],
    ["k=int:18446744073709551616", "expected a decimal integer"],
    ["k=int:99999999999999999999999999", "expected a decimal integer"],
    ["k=float:", "expected a decimal number"],
    ["k=float:1,5", "expected a decimal number"],
    ["k=float:nan", "expected a decimal number"],
    ["k=bool:1", "expected true or false"],
  ])("refuses %o", (text, message) => {
    expect(() => parseOverrides(text)).toThrow(message);
    expect(() => parseOverrides(text)).toThrow(GgufError);
  });
});

describe("applying", () => {
  const file = readGguf(fixture("every-type.gguf"));
  const value = async (text: string) => {
    const overridden = applyOverrides(await file, parseOverrides(text));
    return overridden.metadata.get(text.slice(0, text.indexOf("=")));
  };

  it.each([
    ["u8=int:0", { type: "u8", value: 0 }],
    ["i8=int:127", { type: "i8", value: 127 }],
    ["u16=int:1", { type: "u16", value: 1 }],
    ["i16=int:-1", { type: "i16", value: -1 }],
    ["u32=int:4294967295", { type: "u32", value: 4_294_967_295 }],
    ["i32=int:-5", { type: "i32", value: -5 }],
    ["u64=int:18446744073709551615", { type: "u64", value: 2n ** 64n - 1n }],
    ["i64=int:-1", { type: "i64", value: -1n }],
    ["f32=float:0.1", { type: "f32", value: Math.fround(0.1) }],
    ["f64=float:0.1", { type: "f64", value: 0.1 }],
    ["true=bool:false", { type: "bool", value: false }],
    ["string.empty=str:x", { type: "string", value: "x" }],
    ["new=int:5", { type: "i64", value: 5n }],
    ["new=float:5", { type: "f64", value: 5 }],
    ["new=bool:true", { type: "bool", value: true }],
    ["new=str:5", { type: "string", value: "5" }],
  ])("%s", async (text, expected) => {
    expect(await value(text)).toEqual(expected);
  });

  it.each([
    ["u8=int:256", '--override-kv "u8": expected an integer that fits u8, found int:256'],
    ["u32=int:-1", "expected an integer that fits u32, found int:-1"],
    ["new=int:18446744073709551615", "expected an integer that fits i64"],
    ["u8=float:1", "expected int, found float:1"],
    ["f32=int:1", "expected float, found int:1"],
    ["true=int:1", "expected bool, found int:1"],
    ["true=str:true", "expected bool, found str:true"],
    ["string.empty=bool:true", "expected str, found bool:true"],
    ["array.u8=int:1", "expected a key that is not an array, found int:1"],
    ["array.string=str:x", "the file has an array of 5 x string"],
  ])("refuses %s", async (text, message) => {
    await expect(value(text)).rejects.toThrow(message);
    await expect(value(text)).rejects.toThrow(GgufError);
  });

  it("leaves the model as it was, and all else in the new one", async () => {
    const gguf = await file;
    const before = [...gguf.metadata];
    const overridden = applyOverrides(gguf, parseOverrides("u8=int:3,u8=int:4,zzz=int:1"));
    expect([...gguf.metadata]).toEqual(before);
    expect(overridden.metadata.getU32("u8")).toBe(4);
    expect([...overridden.metadata.keys()]).toEqual([...gguf.metadata.keys(), "zzz"]);
    expect(overridden.tensors).toBe(gguf.tensors);
    expect(overridden.metadata.source).toBe("every-type.gguf");
  });
});
