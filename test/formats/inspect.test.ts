// The inspection object and its table.
import { describe, expect, it } from "vitest";
import { readGguf } from "../../formats/gguf.ts";
import { formatInspection, inspect } from "../../formats/inspect.ts";
import { fixture, FIXTURES } from "./fixtures.ts";
import * as gg from "./raw-gguf.ts";

const inspected = async (name: string) => inspect(await readGguf(fixture(name)));

describe("inspect", () => {
  it("sums up a zoo model", async () => {
    const inspection = await inspected("llama-q4_0.gguf");
    const { files, types, totals, metadata, tensors } = inspection;
    expect(files).toEqual([{ name: "llama-q4_0.gguf", bytes: 74_816 }]);
    expect(metadata["general.architecture"]).toEqual({ type: "string", value: "llama" });
    expect(metadata["llama.attention.layer_norm_rms_epsilon"]).toEqual({
      type: "f32",
      value: 1e-5,
    });
    expect(metadata["tokenizer.ggml.tokens"]).toMatchObject({
      type: "array",
      elementType: "string",
      length: 320,
      values: expect.objectContaining({ length: 8 }),
    });
    expect(tensors.length).toBe(21);
    // Independent of the reader: 4.5 bits for each of the weights in Q4_0 and 32 in F32.
    const [q4, f32] = ["Q4_0", "F32"].map((type) => types.find((t) => t.type === type)!);
    expect(q4.bytes * 8).toBe(q4.weights * 4.5);
    expect(f32.bytes * 8).toBe(f32.weights * 32);
    expect(types.map((t) => t.type)).toEqual(["Q4_0", "F32"]);
    expect(totals).toEqual({
      fileBytes: 74_816,
      tensors: 21,
      parameters: q4.weights + f32.weights,
      tensorBytes: q4.bytes + f32.bytes,
      bitsPerWeight: ((q4.bytes + f32.bytes) * 8) / (q4.weights + f32.weights),
    });
  });

  it("gives every value type as JSON can hold it", async () => {
    const { metadata } = await inspected("every-type.gguf");
    expect(metadata).toMatchObject({
      u8: { type: "u8", value: 255 },
      u64: { type: "u64", value: "18446744073709551615" },
      i64: { type: "i64", value: "-9223372036854775808" },
      f32: { type: "f32", value: 1e-5 },
      true: { type: "bool", value: true },
      "array.f32": {
        type: "array",
        elementType: "f32",
        length: 4,
        values: [0.1, 0, "Infinity", "NaN"],
      },
      "array.u64": { values: [5, "18446744073709551615"] },
      "array.bool": { elementType: "bool", values: [true, false, true] },
      "array.empty": { length: 0, values: [] },
      "array.nested": {
        length: 3,
        values: [{ elementType: "i32", values: [1, 2] }, {}, { length: 0 }],
      },
    });
  });

  it.each(FIXTURES.filter((n) => !n.startsWith("split")))("%s survives JSON", async (name) => {
    const inspection = await inspected(name);
    expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
  });

  it("includes as many array elements as asked for", async () => {
    const gguf = await readGguf(fixture("llama-q4_0.gguf"));
    const length = (n: number) =>
      (
        inspect(gguf, { maxArrayValues: n }).metadata["tokenizer.ggml.tokens"] as {
          values: unknown[];
        }
      ).values.length;
    expect([0, 3, Infinity].map(length)).toEqual([0, 3, 320]);
  });

  it("keeps a key named __proto__ as data", async () => {
    const source = gg.rawSource({ keys: [gg.kv("__proto__", gg.T.u32, gg.u32(5))] });
    const { metadata } = inspect(await readGguf(source));
    expect(JSON.stringify(metadata)).toBe('{"__proto__":{"type":"u32","value":5}}');
  });

  it("tells the file of each tensor of a split model", async () => {
    const sources = FIXTURES.filter((n) => n.startsWith("split")).map(fixture);
    const { files, tensors, totals } = inspect(await readGguf(sources));
    expect(files.map((f) => f.bytes)).toEqual(sources.map((s) => s.size));
    expect(tensors.map((t) => [t.name, t.file])).toEqual([
      ["a", 1],
      ["b", 1],
      ["c", 2],
    ]);
    expect(totals.fileBytes).toBe(sources.reduce((sum, s) => sum + s.size, 0));
  });
});

describe("formatInspection", () => {
  it("is a table", async () => {
    const text = formatInspection(await inspected("projector.gguf"));
    expect(text).toBe(`projector.gguf: 384 bytes
GGUF version 3, 1 tensor, 4 keys, alignment 32
48 parameters in 96 bytes, 16.00 bits per weight

Metadata
  key                      type    value
  general.architecture     string  "clip"
  general.type             string  "mmproj"
  clip.has_vision_encoder  bool    true
  clip.vision.image_mean   f32[3]  [0.5, 0.5, 0.5]

Tensors
  name                 type  shape          offset  bytes
  v.patch_embd.weight  F16   2 x 2 x 3 x 4     288     96

Types
  type  tensors  weights  bytes  bits/weight   share
  F16         1       48     96      16.0000  100.0%`);
  });

  it("shows the file of each tensor of a split model", async () => {
    const sources = FIXTURES.filter((n) => n.startsWith("split")).map(fixture);
    const text = formatInspection(inspect(await readGguf(sources)));
    expect(text).toMatch(/^ {2}name {2}type {2}shape {2}file {2}offset {2}bytes$/m);
    expect(text).toMatch(/^ {2}c {5}F32 {3}2 x 2 {5}3/m);
  });

  it("says so when there are no tensors", async () => {
    expect(formatInspection(inspect(await readGguf(gg.rawSource({}))))).toBe(
      "test.gguf: 24 bytes\nGGUF version 3, 0 tensors, 0 keys, alignment 32\n" +
        "no tensors (vocabulary or metadata only)",
    );
  });

  it("escapes and cuts what a hostile file puts into keys, names and values", async () => {
    const evil = `\u001b]0;x\u0007\u009b${"y".repeat(60_000)}`;
    const source = gg.rawSource({
      keys: [gg.kv(evil, gg.T.string, gg.str(evil)), gg.kv("z", gg.T.u8, gg.u8(1))],
      tensors: [gg.tensor("\n\u009b", [1], 24, 0)],
      data: 1,
    });
    const text = formatInspection(inspect(await readGguf(source)));
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThan(250);
  });
});
