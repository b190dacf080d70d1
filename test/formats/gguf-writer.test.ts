// Writing: the committed fixtures byte for byte, round trips of real files and of arbitrary contents, and
// what the writer refuses.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import { readGguf, readTensor } from "../../formats/gguf.ts";
import { contentsOf, type GgufContents, writeGguf } from "../../formats/gguf-writer.ts";
import { ARRAY_CLASSES, type MetadataValue } from "../../formats/metadata.ts";
import { bytesSource, type Source } from "../../formats/source.ts";
import { GGML_TYPES, tensorBytes, typeByName } from "../../formats/types.ts";
import {
  EVERY_TYPE,
  fixture,
  fixtureBytes,
  fixturePath,
  FIXTURES,
  memorySink,
  PROJECTOR,
  SPLIT,
} from "./fixtures.ts";

async function written(contents: GgufContents): Promise<Uint8Array> {
  const sink = memorySink();
  const size = await writeGguf(sink, contents);
  const file = sink.file();
  expect(size).toBe(file.length);
  return file;
}

/** Reads, writes and compares whole files. */
async function expectSameFile(name: string, bytes: Uint8Array): Promise<void> {
  const again = await written(contentsOf(await readGguf(bytesSource(name, bytes))));
  // Not toEqual: it would take minutes to describe the difference of megabytes.
  expect(Buffer.compare(again, bytes), name).toBe(0);
}

describe("committed fixtures", () => {
  const definitions: [string, GgufContents][] = [
    ["every-type.gguf", EVERY_TYPE],
    ["projector.gguf", PROJECTOR],
    ...SPLIT.map((contents, i): [string, GgufContents] => [
      `split-0000${i + 1}-of-00003.gguf`,
      contents,
    ]),
  ];
  it.each(definitions)("%s is what the writer makes of its definition", async (name, contents) => {
    const file = await written(contents);
    if (process.env["UPDATE_FIXTURES"]) writeFileSync(fixturePath(name), file);
    expect(Buffer.compare(file, fixtureBytes(name))).toBe(0);
  });

  it("version-2.gguf is every-type.gguf with another version", () => {
    const file = fixtureBytes("every-type.gguf");
    file[4] = 2;
    if (process.env["UPDATE_FIXTURES"]) writeFileSync(fixturePath("version-2.gguf"), file);
    expect(Buffer.compare(file, fixtureBytes("version-2.gguf"))).toBe(0);
  });
});

describe("round trip", () => {
  it.each(FIXTURES.filter((name) => name !== "version-2.gguf" && !name.startsWith("split")))(
    "%s",
    async (name) => {
      await expectSameFile(name, fixtureBytes(name));
    },
  );

  it("version 2 becomes version 3, the rest stays", async () => {
    const file = await written(contentsOf(await readGguf(fixture("version-2.gguf"))));
    expect(Buffer.compare(file, fixtureBytes("every-type.gguf"))).toBe(0);
  });

  it("a split model becomes one file", async () => {
    const parts = await readGguf(FIXTURES.filter((n) => n.startsWith("split")).map(fixture));
    const whole = await readGguf(bytesSource("whole.gguf", await written(contentsOf(parts))));
    expect([...whole.metadata.keys()]).toEqual(["general.architecture"]);
    expect([...whole.tensors.keys()]).toEqual(["a", "b", "c"]);
    for (const [name, tensor] of parts.tensors) {
      const copy = await readTensor(whole, whole.tensors.get(name)!);
      expect([...copy]).toEqual([...(await readTensor(parts, tensor))]);
    }
  });

  const shared = ["reference/zoo/", "models/", "reference/tokenizers/"].map((folder) =>
    fileURLToPath(new URL(`../../../shared/${folder}`, import.meta.url)),
  );
  const present = shared.every(existsSync);
  if (!present) console.warn(`SKIPPED: round trip of the files in ${shared.join(", ")}: not there`);
  it.skipIf(!present)("every file of the zoo, the models and the vocabularies", async () => {
    let files = 0;
    for (const folder of shared) {
      for (const name of readdirSync(folder).filter((file) => file.endsWith(".gguf"))) {
        await expectSameFile(name, new Uint8Array(readFileSync(folder + name)));
        files++;
      }
    }
    expect(files).toBeGreaterThan(60);
  });
});

describe("arbitrary contents", () => {
  const numberOf = {
    u8: fc.integer({ min: 0, max: 255 }),
    i8: fc.integer({ min: -128, max: 127 }),
    u16: fc.integer({ min: 0, max: 65_535 }),
    i16: fc.integer({ min: -32_768, max: 32_767 }),
    u32: fc.integer({ min: 0, max: 4_294_967_295 }),
    i32: fc.integer(),
    f32: fc.float(),
    f64: fc.double(),
    u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  };
  const string = fc.string({ unit: "binary" });
  const scalars = Object.entries(numberOf).map(([type, value]) =>
    (value as fc.Arbitrary<unknown>).map((v) => ({ type, value: v })),
  );
  const { array } = fc.letrec<{ array: unknown }>((tie) => ({
    array: fc.oneof(
      { maxDepth: 3, depthIdentifier: "array" },
      fc.array(string).map((values) => ({ elementType: "string", values })),
      fc.array(fc.nat(1)).map((v) => ({ elementType: "bool", values: Uint8Array.from(v) })),
      ...Object.entries(numberOf).map(([elementType, value]) =>
        fc.array(value as fc.Arbitrary<never>).map((v) => ({
          elementType,
          values: ARRAY_CLASSES[elementType as "u8"].from(v),
        })),
      ),
      fc
        .array(tie("array"), { maxLength: 3, depthIdentifier: "array" })
        .map((values) => ({ elementType: "array", values })),
    ),
  }));
  const value = fc.oneof(
    ...scalars,
    fc.boolean().map((v) => ({ type: "bool", value: v })),
    string.map((v) => ({ type: "string", value: v })),
    array.map((v) => ({ type: "array", value: v })),
  ) as fc.Arbitrary<MetadataValue>;
  const name = fc.string({ unit: "binary", minLength: 1, maxLength: 16 });
  const tensor = fc
    .record({
      name,
      type: fc.constantFrom(...GGML_TYPES),
      blocks: fc.integer({ min: 1, max: 3 }),
      groups: fc.integer({ min: 1, max: 2 }),
      outer: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 2 }),
      seed: fc.nat(255),
    })
    .map(({ type, blocks, groups, outer, seed, name: tensorName }) => {
      const shape = [blocks * type.blockSize, groups * type.rowsInterleaved, ...outer];
      const data = Uint8Array.from(
        { length: tensorBytes(type, shape) },
        (_, i) => seed ^ (i & 255),
      );
      return { name: tensorName, type, shape, data };
    });
  const contents = fc.record({
    metadata: fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 8 }),
    tensors: fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 4 }),
    alignmentBits: fc.option(fc.integer({ min: 0, max: 12 })),
  });

  it("is read back as it was written", async () => {
    await fc.assert(
      fc.asyncProperty(contents, async ({ metadata, tensors, alignmentBits }) => {
        const keys = metadata.filter(([key]) => !/^(split\.|general\.alignment$)/.test(key));
        if (alignmentBits !== null) {
          keys.push(["general.alignment", { type: "u32", value: 1 << alignmentBits }]);
        }
        const file = await written({ metadata: keys, tensors });
        const gguf = await readGguf(bytesSource("a.gguf", file));
        expect(gguf.version).toBe(3);
        expect(gguf.alignment).toBe(alignmentBits === null ? 32 : 1 << alignmentBits);
        expect([...gguf.metadata]).toEqual(keys);
        expect([...gguf.tensors.keys()]).toEqual(tensors.map((t) => t.name));
        for (const { name: tensorName, type, shape, data } of tensors) {
          const found = gguf.tensors.get(tensorName)!;
          expect(found).toMatchObject({ type, shape, bytes: data.length, sourceIndex: 0 });
          expect(found.offset % gguf.alignment).toBe(0);
          expect(Buffer.compare(await readTensor(gguf, found), data)).toBe(0);
        }
        expect(Buffer.compare(await written(contentsOf(gguf)), file)).toBe(0);
      }),
      { numRuns: 400, seed: 2 },
    );
  });
});

describe("data providers", () => {
  const type = typeByName("I8");
  const data = Uint8Array.of(1, 2, 3, 4, 5);
  const providers: [string, GgufContents["tensors"] extends Iterable<infer X> ? X : never][] = (
    [
      ["bytes", data],
      ["a function", () => data],
      ["a promise", () => Promise.resolve(data)],
      ["pieces", () => [data.subarray(0, 2), data.subarray(2, 2), data.subarray(2)]],
      [
        "asynchronous pieces",
        async function* () {
          yield data.subarray(0, 1);
          yield data.subarray(1);
        },
      ],
    ] as const
  ).map(([label, provider]) => [label, { name: "x", type, shape: [5], data: provider }]);
  it.each(providers)("%s", async (_, tensor) => {
    const gguf = await readGguf(
      bytesSource("x.gguf", await written({ metadata: [], tensors: [tensor] })),
    );
    expect([...(await readTensor(gguf, gguf.tensors.get("x")!))]).toEqual([1, 2, 3, 4, 5]);
  });

  it.each([4, 6, 0])("%i bytes for a tensor of 5 are an error", async (length) => {
    const tensor = { name: "x", type, shape: [5], data: new Uint8Array(length) };
    await expect(writeGguf(memorySink(), { metadata: [], tensors: [tensor] })).rejects.toThrow(
      'tensor "x": expected 5 bytes of data',
    );
  });

  it("an endless provider is stopped at the tensor's size", async () => {
    const sink = memorySink();
    function* endless() {
      for (;;) yield data;
    }
    const tensor = { name: "x", type, shape: [5], data: endless };
    await expect(writeGguf(sink, { metadata: [], tensors: [tensor] })).rejects.toThrow(GgufError);
    expect(sink.file().length).toBeLessThan(1000);
  });

  it("large tensors are copied in pieces", async () => {
    const size = 9 * 1024 * 1024;
    const reads: number[] = [];
    const header = await written({
      metadata: [],
      tensors: [{ name: "big", type, shape: [32], data: new Uint8Array(32) }],
    });
    // ne0 of the only tensor stands 20 bytes before the end of the directory.
    const grown = header.slice(0, header.length - 32);
    const at = grown.findLastIndex((byte) => byte === 32);
    new DataView(grown.buffer).setBigUint64(at, BigInt(size), true);
    const source: Source = {
      name: "big.gguf",
      size: grown.length + size,
      read(offset, length) {
        if (offset >= grown.length) reads.push(length);
        const bytes = new Uint8Array(length);
        bytes.set(grown.subarray(offset, offset + length));
        return Promise.resolve(bytes);
      },
    };
    const gguf = await readGguf(source);
    reads.length = 0;
    const copy = await written(contentsOf(gguf));
    expect(copy.length).toBe(source.size);
    expect(reads.length).toBe(3);
    expect(Math.max(...reads)).toBeLessThanOrEqual(4 * 1024 * 1024);
  });
});

describe("refusals", () => {
  const wrong = (
    key: string,
    value: unknown,
    expected: string | RegExp,
  ): [string, unknown, string | RegExp] => [key, value, expected];
  it.each([
    wrong(
      "u8",
      { type: "u8", value: 256 },
      'key "u8": expected a number that fits u8, found number "256"',
    ),
    wrong("i8", { type: "i8", value: -129 }, "fits i8"),
    wrong("u16", { type: "u16", value: -1 }, "fits u16"),
    wrong("u32", { type: "u32", value: 0.5 }, "fits u32"),
    wrong("i32", { type: "i32", value: 2 ** 31 }, "fits i32"),
    wrong("u64", { type: "u64", value: -1n }, "fits u64"),
    wrong("i64", { type: "i64", value: 2n ** 63n }, "fits i64"),
    wrong("u64", { type: "u64", value: 1 }, "a bigint that fits u64"),
    wrong("f32", { type: "f32", value: "1" }, "a number that fits f32"),
    wrong("bool", { type: "bool", value: 1 }, "a boolean that fits bool"),
    wrong("a", { type: "array", value: { elementType: "u16", values: [1, 2] } }, "a Uint16Array"),
    wrong(
      "a",
      { type: "array", value: { elementType: "bool", values: Uint8Array.of(2) } },
      "other than 0 and 1",
    ),
    wrong("", { type: "u8", value: 1 }, "a unique name of 1 to 65535 bytes"),
    wrong("k".repeat(65_536), { type: "u8", value: 1 }, "found 65536 bytes"),
    wrong("general.alignment", { type: "u32", value: 48 }, "power of two"),
  ])("key %s = %o", async (key, value, expected) => {
    const sink = memorySink();
    const contents = { metadata: [[key, value as MetadataValue] as const], tensors: [] };
    await expect(writeGguf(sink, contents)).rejects.toThrow(expected);
    await expect(writeGguf(sink, contents)).rejects.toThrow(GgufError);
    expect(sink.file().length).toBe(0);
  });

  it("arrays deeper than the reader accepts", async () => {
    let value: unknown = { elementType: "u8", values: Uint8Array.of(1) };
    for (let i = 0; i < 4; i++) value = { elementType: "array", values: [value] };
    const metadata = [["deep", { type: "array", value } as MetadataValue] as const];
    await expect(writeGguf(memorySink(), { metadata, tensors: [] })).rejects.toThrow(
      "nested at most 4 deep",
    );
  });

  it.each([
    ["a name of 65 bytes", "x".repeat(65), [1], "a unique name of 1 to 64 bytes"],
    ["no name", "", [1], "a unique name of 1 to 64 bytes"],
    ["5 dimensions", "x", [1, 1, 1, 1, 1], "at most 4 dimensions"],
    ["an empty dimension", "x", [1, 0], "positive integers"],
  ])("a tensor with %s", async (_, name, shape, expected) => {
    const tensor = { name, type: typeByName("F32"), shape, data: new Uint8Array(4) };
    await expect(writeGguf(memorySink(), { metadata: [], tensors: [tensor] })).rejects.toThrow(
      expected,
    );
  });

  it("two keys or two tensors of one name", async () => {
    const key = ["k", { type: "u8", value: 1 } as MetadataValue] as const;
    await expect(writeGguf(memorySink(), { metadata: [key, key], tensors: [] })).rejects.toThrow(
      'key "k": expected a unique name',
    );
    const tensor = { name: "t", type: typeByName("I8"), shape: [1], data: Uint8Array.of(1) };
    await expect(
      writeGguf(memorySink(), { metadata: [], tensors: [tensor, tensor] }),
    ).rejects.toThrow('tensor "t": expected a unique name');
  });
});
