// Reading well-formed files: bytes put together by hand, the fixtures, split models, large headers.
import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import { closeGguf, readGguf, readTensor } from "../../formats/gguf.ts";
import { writeGguf } from "../../formats/gguf-writer.ts";
import { bytesSource, type Source } from "../../formats/source.ts";
import { EVERY_TYPE, fixture, fixtureBytes, memorySink } from "./fixtures.ts";
import * as gg from "./raw-gguf.ts";

/** Answers every read late, and counts them. */
function remote(
  name: string,
  bytes: Uint8Array,
): Source & { reads: [number, number][]; closed: number } {
  const reads: [number, number][] = [];
  return {
    name,
    size: bytes.length,
    reads,
    closed: 0,
    async read(offset, length) {
      reads.push([offset, length]);
      await Promise.resolve();
      return bytes.slice(offset, offset + length);
    },
    close() {
      this.closed++;
    },
  };
}

describe("a file put together by hand", () => {
  const file = gg.rawGguf({
    keys: [
      gg.kv("a.u8", gg.T.u8, gg.u8(200)),
      gg.kv("a.i8", gg.T.i8, gg.u8(200)),
      gg.kv("a.u16", gg.T.u16, gg.u16(50_000)),
      gg.kv("a.i16", gg.T.i16, gg.u16(50_000)),
      gg.kv("a.u32", gg.T.u32, gg.u32(3_000_000_000)),
      gg.kv("a.i32", gg.T.i32, gg.u32(3_000_000_000)),
      gg.kv("a.f32", gg.T.f32, gg.f32(0.1)),
      gg.kv("a.f64", gg.T.f64, gg.f64(0.1)),
      gg.kv("a.u64", gg.T.u64, gg.u64(2n ** 63n)),
      gg.kv("a.i64", gg.T.i64, gg.u64(2n ** 63n)),
      gg.kv("a.bool", gg.T.bool, gg.u8(1)),
      gg.kv("a.string", gg.T.string, gg.str("näh\n")),
      gg.kv("a.i32s", gg.T.array, gg.array(gg.T.i32, 2, gg.u32(1), gg.u32(2 ** 32 - 1))),
      gg.kv("a.strings", gg.T.array, gg.array(gg.T.string, 2, gg.str("x"), gg.str(""))),
    ],
    tensors: [
      gg.tensor("w", [64, 2], 2, 0),
      // A gap of 32 bytes, and data in another order than the directory: allowed by the specification.
      gg.tensor("y", [1], 24, 192),
      gg.tensor("x", [3], 0, 128),
    ],
    data: 193,
  });
  file[file.length - 1] = 77;

  it("gives every value with its type", async () => {
    const { metadata, version, alignment } = await readGguf(bytesSource("a.gguf", file));
    expect({ version, alignment }).toEqual({ version: 3, alignment: 32 });
    expect([...metadata]).toEqual([
      ["a.u8", { type: "u8", value: 200 }],
      ["a.i8", { type: "i8", value: -56 }],
      ["a.u16", { type: "u16", value: 50_000 }],
      ["a.i16", { type: "i16", value: -15_536 }],
      ["a.u32", { type: "u32", value: 3_000_000_000 }],
      ["a.i32", { type: "i32", value: -1_294_967_296 }],
      ["a.f32", { type: "f32", value: Math.fround(0.1) }],
      ["a.f64", { type: "f64", value: 0.1 }],
      ["a.u64", { type: "u64", value: 2n ** 63n }],
      ["a.i64", { type: "i64", value: -(2n ** 63n) }],
      ["a.bool", { type: "bool", value: true }],
      ["a.string", { type: "string", value: "näh\n" }],
      ["a.i32s", { type: "array", value: { elementType: "i32", values: Int32Array.of(1, -1) } }],
      ["a.strings", { type: "array", value: { elementType: "string", values: ["x", ""] } }],
    ]);
  });

  it("gives tensors with absolute offsets, in file order", async () => {
    const gguf = await readGguf(bytesSource("a.gguf", file));
    const data = file.length - 193;
    expect(data % 32).toBe(0);
    expect([...gguf.tensors.values()].map((t) => ({ ...t, type: t.type.name }))).toEqual([
      {
        name: "w",
        type: "Q4_0",
        shape: [64, 2],
        nWeights: 128,
        offset: data,
        bytes: 72,
        sourceIndex: 0,
      },
      {
        name: "y",
        type: "I8",
        shape: [1],
        nWeights: 1,
        offset: data + 192,
        bytes: 1,
        sourceIndex: 0,
      },
      {
        name: "x",
        type: "F32",
        shape: [3],
        nWeights: 3,
        offset: data + 128,
        bytes: 12,
        sourceIndex: 0,
      },
    ]);
    expect([...(await readTensor(gguf, gguf.tensors.get("y")!))]).toEqual([77]);
  });

  it.each([0, 1, 7, 24])(
    "does not mind a source that is a view %i bytes into a buffer",
    async (shift) => {
      const buffer = new Uint8Array(file.length + shift);
      buffer.set(file, shift);
      const gguf = await readGguf(bytesSource("a.gguf", buffer.subarray(shift)));
      expect(gguf.metadata.getNumbers("a.i32s")).toEqual([1, -1]);
    },
  );
});

describe("fixtures", () => {
  it.each(["every-type.gguf", "version-2.gguf"])("%s", async (name) => {
    const gguf = await readGguf(fixture(name));
    expect(gguf.version).toBe(name === "version-2.gguf" ? 2 : 3);
    expect(gguf.alignment).toBe(64);
    expect([...gguf.metadata]).toEqual(EVERY_TYPE.metadata);
    for (const { name: tensorName, type, shape, data } of EVERY_TYPE.tensors) {
      const found = gguf.tensors.get(tensorName)!;
      expect(found).toMatchObject({ type, shape });
      expect([...(await readTensor(gguf, found))]).toEqual([...(data as Uint8Array)]);
    }
  });

  it("a zoo model", async () => {
    const gguf = await readGguf(fixture("llama-q4_0.gguf"));
    expect(gguf.metadata.getString("general.architecture")).toBe("llama");
    expect(gguf.metadata.getStrings("tokenizer.ggml.tokens").slice(0, 3)).toEqual([
      "<unk>",
      "<s>",
      "</s>",
    ]);
    expect(gguf.tensors.size).toBe(21);
    expect(gguf.tensors.get("token_embd.weight")).toMatchObject({
      shape: [64, 320],
      bytes: 11_520,
    });
  });

  it("a multimodal projector is a GGUF file like any other", async () => {
    const { metadata, tensors } = await readGguf(fixture("projector.gguf"));
    expect(metadata.getString("general.architecture")).toBe("clip");
    expect(tensors.get("v.patch_embd.weight")!.shape).toEqual([2, 2, 3, 4]);
  });

  it("a file without keys and tensors", async () => {
    const { metadata, tensors } = await readGguf(gg.rawSource({}));
    expect([metadata.size, tensors.size]).toEqual([0, 0]);
  });
});

describe("large headers", () => {
  it("are read in chunks, whatever falls on their borders", async () => {
    // Lengths 0 to 39: strings, lengths and multi-byte characters meet every border sooner or later.
    const tokens = Array.from({ length: 60_000 }, (_, i) =>
      `${i}`.padEnd(i % 40, "é日").slice(0, i % 40),
    );
    const scores = Float64Array.from(tokens, (_, i) => i / 3);
    const sink = memorySink();
    await writeGguf(sink, {
      metadata: [
        ["tokens", { type: "array", value: { elementType: "string", values: tokens } }],
        ["long", { type: "string", value: "x".repeat(300_000) }],
        ["scores", { type: "array", value: { elementType: "f64", values: scores } }],
        ["last", { type: "u8", value: 1 }],
      ],
      tensors: [],
    });
    const source = remote("large.gguf", sink.file());
    const { metadata } = await readGguf(source);
    expect(metadata.getStrings("tokens").every((token, i) => token === tokens[i])).toBe(true);
    expect(metadata.getString("long")).toBe("x".repeat(300_000));
    expect(metadata.getNumbers("scores").every((score, i) => score === scores[i])).toBe(true);
    expect(metadata.getU32("last")).toBe(1);
    expect(source.reads.length).toBeGreaterThan(3);
    expect(source.reads[0]).toEqual([0, 65_536]);
    expect(Math.max(...source.reads.map(([, length]) => length))).toBeLessThanOrEqual(
      4 * 1024 * 1024,
    );
  });

  it("do not make the reader touch tensor data", async () => {
    const file = fixtureBytes("llama-q4_0.gguf");
    const padding = new Uint8Array(8 * 1024 * 1024);
    const source = remote("a.gguf", new Uint8Array(Buffer.concat([file, padding])));
    await readGguf(source);
    expect(source.reads).toEqual([[0, 65_536]]);
  });
});

describe("split models", () => {
  const names = [1, 2, 3].map((i) => `split-0000${i}-of-00003.gguf`);
  const expectWhole = async (gguf: Awaited<ReturnType<typeof readGguf>>) => {
    expect(gguf.sources.map((s) => s.name)).toEqual(names.map((n) => expect.stringContaining(n)));
    expect(gguf.metadata.getString("general.architecture")).toBe("none");
    expect([...gguf.tensors.values()].map((t) => [t.name, t.sourceIndex])).toEqual([
      ["a", 1],
      ["b", 1],
      ["c", 2],
    ]);
    expect([...(await readTensor(gguf, gguf.tensors.get("c")!))].slice(0, 3)).toEqual([9, 10, 11]);
  };

  it.each([
    [0, 1, 2],
    [2, 0, 1],
  ])("from all sources, in the order %i %i %i", async (...order) => {
    await expectWhole(await readGguf(order.map((i) => fixture(names[i]))));
  });

  it.each([0, 1, 2])("from file %i and an opener", async (i) => {
    const opened: string[] = [];
    const folder = "https://host/a-00001-of-00009/";
    const gguf = await readGguf(bytesSource(folder + names[i], fixtureBytes(names[i])), {
      open: async (name) => {
        opened.push(name);
        return bytesSource(name, fixtureBytes(name.slice(folder.length)));
      },
    });
    await expectWhole(gguf);
    expect(opened).toEqual(names.filter((_, k) => k !== i).map((n) => folder + n));
  });

  it("name the missing files", async () => {
    await expect(readGguf(fixture(names[0]))).rejects.toThrow(
      "split model: expected all 3 files, found file 1 only (split-00001-of-00003.gguf); " +
        "give the other files as well (split-00002-of-00003.gguf ...)",
    );
    await expect(readGguf([fixture(names[0]), fixture(names[1])])).rejects.toThrow(
      "expected 3 files",
    );
  });

  it("refuse the same file twice, files of other models, and renamed files", async () => {
    await expect(readGguf([0, 1, 1].map((i) => fixture(names[i])))).rejects.toThrow(
      "found 3 files, one with split.no 1",
    );
    await expect(
      readGguf([fixture(names[0]), fixture(names[1]), fixture("projector.gguf")]),
    ).rejects.toThrow("split.count 1");
    const renamed = bytesSource("model.gguf", fixtureBytes(names[0]));
    await expect(readGguf(renamed, { open: fixture })).rejects.toThrow(
      'expected a name that ends in -00001-of-00003.gguf, found "model.gguf"',
    );
    await expect(
      readGguf(bytesSource("split-00002-of-00003.gguf", fixtureBytes(names[0])), { open: fixture }),
    ).rejects.toThrow("expected a name that ends in -00001-of-00003.gguf");
  });

  const part = (no: number, count: number, tensorName: string, total = 2) =>
    gg.rawSource({
      keys: [
        gg.kv("split.no", gg.T.u16, gg.u16(no)),
        gg.kv("split.count", gg.T.u16, gg.u16(count)),
        gg.kv("split.tensors.count", gg.T.i32, gg.u32(total)),
      ],
      tensors: [gg.tensor(tensorName, [1], 24, 0)],
      data: 1,
    });

  it("refuse a tensor in two files, and a wrong number of tensors", async () => {
    await expect(readGguf([part(0, 2, "t"), part(1, 2, "t")])).rejects.toThrow(
      'tensor "t": expected a name that no other tensor has, found the same in test.gguf',
    );
    await expect(readGguf([part(0, 2, "t", 3), part(1, 2, "u")])).rejects.toThrow(
      "split.tensors.count: expected 3 tensors in 2 files, found 2",
    );
    await expect(readGguf([part(5, 2, "t"), part(1, 2, "u")])).rejects.toThrow("split.no");
    expect((await readGguf([part(1, 2, "u"), part(0, 2, "t")])).tensors.size).toBe(2);
  });

  it("a merged file with split.count 0 is whole", async () => {
    expect((await readGguf(part(0, 0, "t"))).tensors.size).toBe(1);
  });

  it("close what they opened, and only that, when they fail", async () => {
    const first = remote(names[0], fixtureBytes(names[0]));
    const second = remote(names[1], fixtureBytes(names[1]));
    const broken = remote(names[2], new Uint8Array(10));
    const open = (name: string) => (name === names[1] ? second : broken);
    await expect(readGguf(first, { open })).rejects.toThrow(names[2]);
    expect([first.closed, second.closed, broken.closed]).toEqual([0, 1, 1]);
  });

  it("closeGguf closes every file", async () => {
    const sources = names.map((name) => remote(name, fixtureBytes(name)));
    await closeGguf(await readGguf(sources));
    expect(sources.map((s) => s.closed)).toEqual([1, 1, 1]);
  });

  it("no sources at all", async () => {
    await expect(readGguf([])).rejects.toThrow("expected at least one source");
  });
});

describe("sources that misbehave", () => {
  it("an error of the source passes through", async () => {
    const source: Source = {
      name: "gone",
      size: 100,
      read: () => Promise.reject(new Error("disk on fire")),
    };
    await expect(readGguf(source)).rejects.toThrow("disk on fire");
  });

  it.each([7, 9, 0])("%i bytes where 8 were asked for", async (length) => {
    const source: Source = { name: "short", size: 8, read: () => new Uint8Array(length) };
    await expect(readGguf(source)).rejects.toThrow(`read: expected 8 bytes, found ${length}`);
  });

  it.each([
    ["a text", "GGUF...."],
    ["an ArrayBuffer", new ArrayBuffer(8)],
    ["nothing", undefined],
  ])("%s where bytes were asked for", async (_, answer) => {
    const read = (() => answer) as unknown as Source["read"];
    const failure = readGguf({ name: "odd", size: 8, read });
    await expect(failure).rejects.toThrow(GgufError);
    await expect(failure).rejects.toThrow("read: expected 8 bytes, found no Uint8Array");
  });

  it.each([-1, NaN, Infinity, 1.5])("size %d", async (size) => {
    const source: Source = { name: "odd", size, read: () => new Uint8Array(0) };
    await expect(readGguf(source)).rejects.toThrow("file size: expected a number of bytes");
  });
});
