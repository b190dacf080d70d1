// Files that mean harm or were damaged: each kind by itself with its message, every truncation, and many
// thousands of mutations. The promise: parse, or throw GgufError, having read a bounded number of bytes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import { readGguf } from "../../formats/gguf.ts";
import type { Source } from "../../formats/source.ts";
import { parseSplitName } from "../../formats/split.ts";
import { fixture, fixtureBytes, FIXTURES } from "./fixtures.ts";
import * as gg from "./raw-gguf.ts";

const MAX_U64 = 2n ** 64n - 1n;
const key = (name = "k") => gg.kv(name, gg.T.u8, gg.u8(1));

/** Keys with one value that cannot be what it says. */
const badValue = (type: number, value: gg.Bytes): gg.RawFile => ({
  keys: [gg.kv("k", type, value)],
});

const alignment = (n: number): gg.RawFile => ({
  keys: [gg.kv("general.alignment", gg.T.u32, gg.u32(n))],
});

/** One tensor and `data` bytes. */
const one = (entry: gg.Bytes, data = 256): gg.RawFile => ({ tensors: [entry], data });

const nested = (depth: number): gg.Bytes =>
  depth === 0 ? gg.array(gg.T.u8, 0) : gg.array(gg.T.array, 1, nested(depth - 1));

describe("each kind of damage has its message", () => {
  it.each<[string, gg.RawFile, string | RegExp]>([
    // start
    ["a Git LFS pointer", { magic: gg.raw("version https://git-lfs") }, "Git LFS pointer"],
    ["a web page", { magic: gg.raw("<!DOCTYPE html>") }, "this is a web page"],
    ["a ZIP file", { magic: gg.raw("PK\x03\x04....") }, "ZIP or PyTorch"],
    ["GGML of 2023", { magic: gg.raw("tjgg") }, "from before GGUF"],
    ["safetensors", { magic: [...gg.u64(500), ...gg.raw("{")] }, "safetensors"],
    [
      "another magic",
      { magic: gg.raw("ELFx") },
      'magic: expected "GGUF" and a version, found "ELFx',
    ],
    ["version 0", { version: gg.u32(0) }, "GGUF version: expected 2 or 3, little-endian, found 0"],
    ["version 1", { version: gg.u32(1) }, "version 1 ended in 2023"],
    ["version 4", { version: gg.u32(4) }, "found 4 (test.gguf, offset 0x4)"],
    ["version 99", { version: gg.u32(99) }, "newer than this version of samebit"],
    ["big-endian", { version: [0, 0, 0, 3] }, "found a big-endian file of version 3"],
    // counts
    [
      "2^64-1 tensors",
      { nTensors: MAX_U64 },
      "tensor count: expected at most 262144, found 18446744073709551615",
    ],
    [
      "2^64-1 keys",
      { nKeys: MAX_U64 },
      "key count: expected at most 65536, found 18446744073709551615",
    ],
    ["2^63 keys", { nKeys: 2n ** 63n }, "key count: expected at most 65536"],
    [
      "more tensors than bytes",
      { nTensors: 1000 },
      /tensor count: expected what the remaining \d+ bytes can hold, found 1000/,
    ],
    [
      "more keys than bytes",
      { nKeys: 2 },
      /key count: expected what the remaining \d+ bytes can hold/,
    ],
    ["a key that is not there", { nKeys: 2, keys: [key(), gg.u8(0)], data: 8 }, "key 2 of 2"],
    // keys
    [
      "a key twice",
      { keys: [key("same"), key("same")] },
      'key 2 of 2: expected a name that no other key has, found "same" again',
    ],
    ["an empty key", { keys: [key("")], data: 8 }, "found an empty name"],
    [
      "a key of 2^64-1 bytes",
      { nKeys: 1, keys: [gg.u64(MAX_U64), gg.u64(0)] },
      "length of key 1 of 1: expected at most 65535, found 18446744073709551615",
    ],
    [
      "a key of 64 KiB",
      { keys: [key("k".repeat(65_536))] },
      "length of key 1 of 1: expected at most 65535, found 65536",
    ],
    // values
    [
      "value type 13",
      badValue(13, gg.u8(1)),
      'value of "k": expected a value type from 0 to 12, found 13',
    ],
    ["value type 2^32-1", badValue(2 ** 32 - 1, gg.u8(1)), "found 4294967295"],
    [
      "a bool of 2",
      badValue(gg.T.bool, gg.u8(2)),
      'value of "k": expected 0 or 1 for a bool, found 2',
    ],
    [
      "a bool array with 255",
      badValue(gg.T.array, gg.array(gg.T.bool, 2, gg.u8(1), gg.u8(255))),
      "expected 0 or 1 for a bool, found 255",
    ],
    [
      "a string of 2^64-1 bytes",
      badValue(gg.T.string, gg.u64(MAX_U64)),
      'length of value of "k": expected at most 9007199254740991',
    ],
    [
      "a string of 2^40 bytes",
      badValue(gg.T.string, gg.u64(2n ** 40n)),
      "expected what the remaining 0 bytes can hold, found 1099511627776",
    ],
    [
      "an array of 2^64-1 strings",
      badValue(gg.T.array, gg.array(gg.T.string, MAX_U64)),
      'element count of value of "k"',
    ],
    [
      "an array of 2^61 u64",
      badValue(gg.T.array, gg.array(gg.T.u64, 2n ** 61n)),
      'element count of value of "k"',
    ],
    [
      "an array of 2^50 u64",
      badValue(gg.T.array, gg.array(gg.T.u64, 2n ** 50n)),
      "expected what the remaining 0 bytes can hold",
    ],
    [
      "an array of 2^64-1 arrays",
      badValue(gg.T.array, gg.array(gg.T.array, MAX_U64)),
      'element count of value of "k"',
    ],
    [
      "an array of type 13",
      badValue(gg.T.array, gg.array(13, 1, gg.u8(1))),
      "expected a value type from 0 to 12, found 13",
    ],
    [
      "a string of 2^63 bytes in an array",
      badValue(gg.T.array, gg.array(gg.T.string, 1, gg.u64(2n ** 63n))),
      'length of element 0 of value of "k"',
    ],
    ["arrays 5 deep", badValue(gg.T.array, nested(4)), "expected arrays nested at most 4 deep"],
    [
      "arrays 10,000 deep",
      badValue(gg.T.array, Array.from({ length: 10_000 }, () => gg.array(gg.T.array, 1)).flat()),
      "nested at most 4 deep",
    ],
    [
      "100,000 arrays",
      badValue(
        gg.T.array,
        gg.array(
          gg.T.array,
          100_000,
          Array.from({ length: 1_200_000 }, () => 0),
        ),
      ),
      "65536 in all, found more",
    ],
    // alignment
    [
      "alignment 0",
      alignment(0),
      "general.alignment: expected a u32 power of two up to 1048576, found u32 0",
    ],
    ["alignment 48", alignment(48), "found u32 48"],
    ["alignment 2^31", alignment(2 ** 31), "found u32 2147483648"],
    ["alignment 2^32-1", alignment(2 ** 32 - 1), "found u32 4294967295"],
    [
      "a string for alignment",
      { keys: [gg.kv("general.alignment", gg.T.string, gg.str("32"))] },
      'found string "32"',
    ],
    // tensors
    [
      "a tensor twice",
      { tensors: [gg.tensor("t", [1], 0, 0), gg.tensor("t", [1], 0, 32)], data: 64 },
      'tensor 2 of 2: expected a name that no other tensor has, found "t" again',
    ],
    [
      "a tensor without a name",
      one(gg.tensor("", [1], 0, 0)),
      "tensor 1 of 1: expected a name that no other tensor has, found an empty name",
    ],
    [
      "a name of 65 bytes",
      one(gg.tensor("t".repeat(65), [1], 0, 0)),
      "length of name of tensor 1 of 1: expected at most 64, found 65",
    ],
    [
      "a name of 2^64-1 bytes",
      one([...gg.u64(MAX_U64), ...gg.u64(0), ...gg.u64(0), ...gg.u64(0)]),
      "length of name of tensor 1 of 1",
    ],
    [
      "5 dimensions",
      one(gg.tensor("t", [1, 1, 1, 1, 1], 0, 0)),
      'tensor "t": expected at most 4 dimensions, found 5',
    ],
    [
      "2^32-1 dimensions",
      one([...gg.str("t"), ...gg.u32(2 ** 32 - 1), ...gg.u64(0)]),
      "expected at most 4 dimensions, found 4294967295",
    ],
    [
      "an empty row",
      one(gg.tensor("t", [0], 0, 0)),
      'tensor "t": expected a positive multiple of 1 weights, found F32 of shape [0]',
    ],
    ["an empty dimension", one(gg.tensor("t", [4, 0, 2], 0, 0)), "found F32 of shape [4, 0, 2]"],
    [
      "half a block",
      one(gg.tensor("t", [48], 2, 0)),
      "expected a positive multiple of 32 weights, found Q4_0 of shape [48]",
    ],
    [
      "rows that do not interleave",
      one(gg.tensor("t", [32, 6], 202, 0)),
      "expected ne1 a multiple of 8 rows for Q4_0_R8",
    ],
    [
      "a dimension of 2^64-1",
      one(gg.tensor("t", [MAX_U64], 0, 0)),
      "found F32 of shape [18446744073709551615]",
    ],
    [
      "a product of 2^64",
      one(gg.tensor("t", [2 ** 32, 2 ** 32], 0, 0)),
      "found F32 of shape [4294967296, 4294967296]",
    ],
    [
      "a product that wraps to 4",
      one(gg.tensor("t", [2n ** 62n + 1n, 4], 0, 0)),
      "found F32 of shape [4611686018427387905, 4]",
    ],
    [
      "a product of infinity",
      one(gg.tensor("t", [MAX_U64, MAX_U64, MAX_U64, MAX_U64], 0, 0)),
      "found F32 of shape",
    ],
    [
      "type 43",
      one(gg.tensor("t", [32], 43, 0)),
      'tensor "t": expected a known type id, found id 43',
    ],
    ["type 2^32-1", one(gg.tensor("t", [32], 2 ** 32 - 1, 0)), "found id 4294967295"],
    [
      "the removed Q4_2",
      one(gg.tensor("t", [32], 4, 0)),
      "found id 4, the removed type Q4_2 (test.gguf, offset 0x",
    ],
    ["the removed Q4_0_4_4", one(gg.tensor("t", [32], 31, 0)), "the removed type Q4_0_4_4"],
    [
      "an offset that is not aligned",
      one(gg.tensor("t", [1], 0, 16)),
      "expected an offset that is a multiple of 32, found 16",
    ],
    [
      "data beyond the end",
      one(gg.tensor("t", [64], 0, 32)),
      /expected data that ends within the file's \d+ bytes, found an end at \d+ .*download it again/,
    ],
    [
      "an offset of 2^64-32",
      one(gg.tensor("t", [1], 0, 2n ** 64n - 32n)),
      "expected data that ends within",
    ],
    ["an offset at the end", one(gg.tensor("t", [1], 0, 256)), "expected data that ends within"],
    [
      "data that overlaps",
      { tensors: [gg.tensor("a", [16], 0, 0), gg.tensor("b", [1], 0, 32)], data: 64 },
      'tensor "b": expected data of its own, found an overlap with "a"',
    ],
    [
      "data shared by two",
      { tensors: [gg.tensor("a", [1], 0, 32), gg.tensor("b", [1], 0, 32)], data: 64 },
      "found an overlap with",
    ],
    [
      "data inside other data",
      { tensors: [gg.tensor("a", [1], 0, 64), gg.tensor("b", [64], 0, 0)], data: 256 },
      'tensor "a": expected data of its own',
    ],
  ])("%s", async (_, file, message) => {
    const reading = readGguf(gg.rawSource(file));
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(GgufError);
    await expect(reading).rejects.toThrow("test.gguf");
  });

  it("an empty file", async () => {
    await expect(readGguf({ name: "e", size: 0, read: () => new Uint8Array(0) })).rejects.toThrow(
      "found an empty file",
    );
  });

  it("hostile names are escaped and cut", async () => {
    const name = `\u001b[31m\u009b1m\u202e${"A".repeat(5000)}`;
    const error = (await readGguf(gg.rawSource({ keys: [key(name), key(name)] })).catch(
      (e) => e,
    )) as Error;
    expect(error.message).toContain("\\u001b[31m\\u009b1m\\u202eAAA");
    expect(error.message.length).toBeLessThan(300);
    // oxlint-disable-next-line no-control-regex
    expect(error.message).not.toMatch(/[\u0000-\u001f\u0080-\u009f\u202e]/);
  });
});

describe("files that claim to be enormous", () => {
  /** `start`, then zeros up to `size`; counts what is asked for. */
  function zeros(start: Uint8Array, size: number): Source & { asked: number } {
    return {
      name: "sparse.gguf",
      size,
      asked: 0,
      read(offset, length) {
        this.asked += length;
        const bytes = new Uint8Array(length);
        bytes.set(start.subarray(offset, offset + length));
        return bytes;
      },
    };
  }
  const SIZE = 2 ** 52;
  const LIMIT = 1024 * 1024;

  it.each([
    ["u8 array", gg.T.array, gg.array(gg.T.u8, 2n ** 45n)],
    ["f64 array", gg.T.array, gg.array(gg.T.f64, 2n ** 45n)],
    ["string array", gg.T.array, gg.array(gg.T.string, 2n ** 45n)],
    ["string", gg.T.string, gg.u64(2n ** 45n)],
  ])("a %s of 2^45 stops at the header limit", async (_, type, value) => {
    const start = gg.rawGguf({ keys: [gg.kv("k", type, value)] });
    const source = zeros(start, SIZE);
    await expect(readGguf(source, { maxHeaderBytes: LIMIT })).rejects.toThrow(
      "expected a header of at most 1048576 bytes, found a longer one",
    );
    expect(source.asked).toBeLessThanOrEqual(2 * LIMIT);
  });

  it("the default limit is 256 MiB", async () => {
    const start = gg.rawGguf({ keys: [gg.kv("k", gg.T.array, gg.array(gg.T.u8, 2n ** 45n))] });
    const source = zeros(start, SIZE);
    await expect(readGguf(source)).rejects.toThrow("a header of at most 268435456 bytes");
    expect(source.asked).toBe(65_536);
  });

  it("a real header below the limit is read, however large the tensors", async () => {
    const start = gg.rawGguf({ tensors: [gg.tensor("t", [2 ** 20, 2 ** 20], 0, 0)] });
    const source = zeros(start, SIZE);
    const { tensors } = await readGguf(source, { maxHeaderBytes: LIMIT });
    expect(tensors.get("t")!.bytes).toBe(2 ** 42);
    expect(source.asked).toBe(65_536);
  });
});

/** The sound files that a damaged one of the series, or one that claims to be, is read with. */
const SIBLINGS = FIXTURES.filter((name) => name.startsWith("split")).map(fixture);

/** Reads `bytes`; anything but success or GgufError is the test's failure. Answers whether it parsed. */
async function parses(bytes: Uint8Array, name = "m-00001-of-00003.gguf"): Promise<boolean> {
  let asked = 0;
  const source: Source = {
    name,
    size: bytes.length,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > bytes.length) {
        throw new RangeError(`read outside the file: ${length} at ${offset}`);
      }
      asked += length;
      return bytes.subarray(offset, offset + length);
    },
  };
  try {
    const open = (sibling: string): Source => SIBLINGS[parseSplitName(sibling)!.index];
    const gguf = await readGguf(source, { open });
    for (const tensor of gguf.tensors.values()) {
      const { size } = gguf.sources[tensor.sourceIndex];
      if (!(tensor.offset >= 0 && tensor.bytes > 0 && tensor.offset + tensor.bytes <= size)) {
        throw new RangeError(`tensor ${tensor.name} accepted outside the file`);
      }
    }
    return true;
  } catch (error) {
    // Rethrown as it is, so that the stack shows where it came from.
    if (!(error instanceof GgufError)) throw error;
    // A message that has grown with the input would be a way to exhaust memory.
    expect(error.message.length).toBeLessThan(1000);
    return false;
  } finally {
    expect(asked).toBeLessThanOrEqual(2 * bytes.length);
  }
}

describe("truncation", () => {
  it.each(FIXTURES.filter((name) => !name.startsWith("split") && !name.startsWith("llama")))(
    "%s, at every length",
    async (name) => {
      const bytes = fixtureBytes(name);
      const gguf = await readGguf({
        name,
        size: bytes.length,
        read: (o, n) => bytes.subarray(o, o + n),
      });
      const end = Math.max(...[...gguf.tensors.values()].map((t) => t.offset + t.bytes));
      for (let length = 0; length < bytes.length; length++) {
        // Only the padding behind the last tensor may be missing.
        expect(await parses(bytes.subarray(0, length)), `length ${length}`).toBe(length >= end);
      }
    },
  );

  it("a zoo model, at every 13th length of its header and some of its data", async () => {
    const bytes = fixtureBytes("llama-q4_0.gguf");
    for (let length = 0; length < bytes.length; length += length < 13_000 ? 13 : 977) {
      expect(await parses(bytes.subarray(0, length)), `length ${length}`).toBe(false);
    }
    expect(await parses(bytes)).toBe(true);
  });
});

describe("mutations of real files", () => {
  const files = FIXTURES.map((name) => fixtureBytes(name));
  const NASTY = [
    0n,
    1n,
    2n,
    7n,
    31n,
    32n,
    255n,
    65_536n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 53n,
    2n ** 63n,
    MAX_U64,
  ];

  // noBias: left alone, fast-check prefers 0, and nearly every mutation would hit the magic.
  const fraction = fc.noBias(fc.nat(2 ** 30 - 1)).map((n) => n / 2 ** 30);
  // Positions crowd towards the start: the header is where structure lies.
  const position = fc.oneof(
    { weight: 2, arbitrary: fraction },
    { weight: 3, arbitrary: fraction.map((x) => x * x * x) },
    { weight: 1, arbitrary: fraction.map((x) => x / 100) },
  );
  const nasty = fc.oneof(fc.constantFrom(...NASTY), fc.bigInt({ min: 0n, max: MAX_U64 }));
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant("byte" as const), at: position, value: fc.nat(255) }),
    fc.record({ kind: fc.constant("bit" as const), at: position, value: fc.nat(7) }),
    fc.record({ kind: fc.constant("u32" as const), at: position, value: nasty }),
    fc.record({ kind: fc.constant("u64" as const), at: position, value: nasty }),
    fc.record({ kind: fc.constant("cut" as const), at: position, value: fc.nat(64) }),
    fc.record({ kind: fc.constant("insert" as const), at: position, value: fc.nat(64) }),
    fc.record({
      kind: fc.constant("copy" as const),
      at: position,
      value: fc.nat(64),
      to: position,
    }),
    fc.record({ kind: fc.constant("end" as const), at: position }),
  );
  type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never;

  function mutate(bytes: Uint8Array, m: Mutation): Uint8Array {
    if (bytes.length < 16) return bytes;
    const at = Math.floor(m.at * (bytes.length - 9));
    const view = new DataView(bytes.buffer);
    switch (m.kind) {
      case "byte":
        bytes[at] = m.value;
        return bytes;
      case "bit":
        bytes[at] ^= 1 << m.value;
        return bytes;
      case "u32":
        view.setUint32(at, Number(m.value & 0xffff_ffffn), true);
        return bytes;
      case "u64":
        view.setBigUint64(at, m.value, true);
        return bytes;
      case "cut":
        return new Uint8Array(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + m.value)]));
      case "insert":
        return new Uint8Array(
          Buffer.concat([
            bytes.subarray(0, at),
            bytes.subarray(at, at + m.value),
            bytes.subarray(at),
          ]),
        );
      case "copy":
        bytes.copyWithin(Math.floor(m.to * bytes.length), at, at + m.value);
        return bytes;
      case "end":
        return bytes.slice(0, at);
    }
  }

  it("12,000 of them parse or throw GgufError", async () => {
    let parsed = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(files.length - 1),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        async (file, mutations) => {
          const bytes = mutations.reduce(mutate, files[file].slice());
          if (await parses(bytes, FIXTURES[file].replace(/^(?!split)/, "x-00001-of-00003")))
            parsed++;
          else refused++;
        },
      ),
      { numRuns: 12_000, seed: 20_260_101 },
    );
    expect(parsed + refused).toBe(12_000);
    // Both outcomes must be common, or the mutations are too tame or too coarse to test anything.
    expect(parsed).toBeGreaterThan(500);
    expect(refused).toBeGreaterThan(5000);
  });

  it("every byte of a small file, set to 0, 255 and its complement", async () => {
    const original = fixtureBytes("every-type.gguf");
    for (let at = 0; at < original.length; at++) {
      for (const value of [0, 255, original[at] ^ 255]) {
        const bytes = original.slice();
        bytes[at] = value;
        await parses(bytes);
      }
    }
  });
});
