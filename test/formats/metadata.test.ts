// The typed getters: what each accepts, what it converts, and how it refuses.
import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import { Metadata, type MetadataValue } from "../../formats/metadata.ts";

const array = (elementType: string, values: unknown): MetadataValue =>
  ({ type: "array", value: { elementType, values } }) as MetadataValue;

const metadata = new Metadata("m.gguf", [
  ["u8", { type: "u8", value: 7 }],
  ["i32", { type: "i32", value: -1 }],
  ["u64", { type: "u64", value: 5n }],
  ["big", { type: "u64", value: 2n ** 53n }],
  ["f32", { type: "f32", value: 2 }],
  ["bool", { type: "bool", value: false }],
  ["string", { type: "string", value: "" }],
  ["u16s", array("u16", Uint16Array.of(1, 2))],
  ["i64s", array("i64", BigInt64Array.of(-1n, 2n))],
  ["bigs", array("i64", BigInt64Array.of(2n ** 60n))],
  ["f64s", array("f64", Float64Array.of(0.5, Infinity))],
  ["bools", array("bool", Uint8Array.of(1, 0))],
  ["strings", array("string", ["a", "b"])],
  ["none", array("i32", new Int32Array(0))],
  ["arrays", array("array", [{ elementType: "u8", values: Uint8Array.of(1) }])],
]);

type Getter =
  | "getString"
  | "getNumber"
  | "getU32"
  | "getBool"
  | "getArray"
  | "getStrings"
  | "getNumbers"
  | "getBools";

// Key -> answer for every key that a getter accepts; it must refuse all others.
const ACCEPTED: Record<Getter, Record<string, unknown>> = {
  getString: { string: "" },
  getNumber: { u8: 7, i32: -1, u64: 5, f32: 2 },
  getU32: { u8: 7, u64: 5 },
  getBool: { bool: false },
  getArray: Object.fromEntries(
    ["u16s", "i64s", "bigs", "f64s", "bools", "strings", "none", "arrays"].map((key) => [
      key,
      metadata.get(key)!.value,
    ]),
  ),
  getStrings: { strings: ["a", "b"], none: [] },
  getNumbers: { u16s: [1, 2], i64s: [-1, 2], f64s: [0.5, Infinity], none: [] },
  getBools: { bools: [true, false], none: [] },
};

describe.each(Object.keys(ACCEPTED) as Getter[])("%s", (getter) => {
  const get = (key: string, ...fallback: unknown[]): unknown =>
    (metadata[getter] as (key: string, ...fallback: unknown[]) => unknown).call(
      metadata,
      key,
      ...fallback,
    );

  it.each([...metadata.keys()])("of %s", (key) => {
    const accepted = ACCEPTED[getter];
    if (key in accepted) {
      expect(get(key)).toEqual(accepted[key]);
      expect(get(key, "fallback")).toEqual(accepted[key]);
    } else {
      expect(() => get(key)).toThrow(GgufError);
      // A fallback stands for a missing key, not for a wrong value.
      expect(() => get(key, "fallback")).toThrow(GgufError);
    }
  });

  it("of a missing key", () => {
    expect(() => get("missing")).toThrow(
      /^key "missing": expected .*, found no such key \(m\.gguf\); /,
    );
    expect(get("missing", 42)).toBe(42);
    expect(get("missing", undefined)).toBeUndefined();
  });
});

describe("errors", () => {
  it.each<[Getter, string, string]>([
    ["getU32", "i32", 'key "i32": expected an integer from 0 to 2^32 - 1, found i32 -1 (m.gguf)'],
    ["getU32", "f32", "found f32 2"],
    ["getNumber", "big", "found u64 9007199254740992"],
    ["getString", "strings", "found an array of 2 x string"],
    ["getBool", "string", 'found string ""'],
  ])("%s of %s", (getter, key, message) => {
    expect(() => metadata[getter](key)).toThrow(message);
  });
});
