import { describe, expect, it } from "vitest";
import { GgufError } from "../../formats/errors.ts";
import { writeGguf } from "../../formats/gguf-writer.ts";
import { combineImatrices, type Imatrix, importance } from "../../formats/imatrix.ts";
import { encodeDat } from "../../formats/imatrix-dat.ts";
import { readImatrix } from "../../formats/imatrix-file.ts";
import { imatrixContents } from "../../formats/imatrix-gguf.ts";
import { bytesSource } from "../../formats/source.ts";
import { fixture } from "./fixtures.ts";

const dense = { sums: Float32Array.of(3, 0.5, 1e-3), counts: Float32Array.of(1024) };
const IMATRIX: Imatrix = {
  entries: new Map([
    ["blk.1.ffn_up.weight", dense],
    ["blk.0.attn_q.weight", { sums: Float32Array.of(7), counts: Float32Array.of(1024) }],
  ]),
  datasets: ["a.txt", "b.txt"],
  chunkCount: 2,
  chunkSize: 512,
};
const EXPERTS: Imatrix = {
  ...IMATRIX,
  entries: new Map([
    [
      "blk.0.ffn_up_exps.weight",
      { sums: Float32Array.of(1, 2, 0, 0, 9, 6), counts: Float32Array.of(2, 0, 600) },
    ],
  ]),
};

async function gguf(imatrix: Imatrix): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await writeGguf({ write: (bytes) => void parts.push(bytes) }, imatrixContents(imatrix));
  return Buffer.concat(parts);
}
const read = (bytes: Uint8Array, chunkSize?: number) =>
  readImatrix(bytesSource("imatrix", bytes), chunkSize);
const sorted = (imatrix: Imatrix) => ({
  ...imatrix,
  entries: new Map([...imatrix.entries].sort(([a], [b]) => (a < b ? -1 : 1))),
});

describe("imatrix", () => {
  it("reads the GGUF form that it wrote, experts included", async () => {
    for (const imatrix of [IMATRIX, EXPERTS])
      expect(await read(await gguf(imatrix))).toEqual(sorted(imatrix));
  });

  it("writes the .dat layout", () => {
    const entry = { sums: Float32Array.of(8, 4), counts: Float32Array.of(4) };
    const bytes = encodeDat({
      entries: new Map([["ab", entry]]),
      datasets: ["x"],
      chunkCount: 5,
      chunkSize: 2,
    });
    expect(Buffer.from(bytes).toString("hex")).toBe(
      "01000000" +
        "02000000" +
        "6162" +
        "02000000" +
        "02000000" +
        "00008040" +
        "00000040" + // (8 / 4) * 2, (4 / 4) * 2
        "05000000" +
        "01000000" +
        "78",
    );
  });

  it("goes from GGUF to .dat and back without loss", async () => {
    const back = await read(encodeDat(IMATRIX));
    expect(back).toEqual(sorted({ ...IMATRIX, datasets: ["b.txt"] }));
    expect(encodeDat(await read(await gguf(back)))).toEqual(encodeDat(IMATRIX));
  });

  it("gives experts that saw nothing a 1", async () => {
    const [entry] = (await read(encodeDat(EXPERTS))).entries.values();
    expect(Array.from(entry.sums, (x) => x / 512)).toEqual([
      1,
      2,
      1,
      1,
      Math.fround((9 / 600) * 2),
      Math.fround((6 / 600) * 2),
    ]);
    expect(Array.from(importance(EXPERTS.entries.get("blk.0.ffn_up_exps.weight")!))).toEqual([
      0.5,
      1,
      1,
      1,
      Math.fround(0.015),
      Math.fround(0.01),
    ]);
  });

  it("combines", () => {
    const both = combineImatrices([
      IMATRIX,
      { ...IMATRIX, datasets: ["c"], chunkCount: 3 },
      EXPERTS,
    ]);
    expect(both.entries.get("blk.1.ffn_up.weight")).toEqual({
      sums: dense.sums.map((x) => 2 * x),
      counts: Float32Array.of(2048),
    });
    expect(both).toMatchObject({
      datasets: ["a.txt", "b.txt", "c", "a.txt", "b.txt"],
      chunkCount: 7,
    });
    expect(dense.sums[0]).toBe(3);
    const experts = new Map([
      ["blk.1.ffn_up.weight", { sums: dense.sums, counts: Float32Array.of(1, 2, 3) }],
    ]);
    expect(
      combineImatrices([IMATRIX, { ...IMATRIX, entries: experts }]).entries.get(
        "blk.1.ffn_up.weight",
      )!.counts,
    ).toEqual(Float32Array.of(1025, 1026, 1027));
    const other = new Map([
      ["blk.1.ffn_up.weight", { sums: new Float32Array(4), counts: Float32Array.of(1) }],
    ]);
    expect(() => combineImatrices([IMATRIX, { ...IMATRIX, entries: other }])).toThrow(
      "combine files of one model only",
    );
  });

  it("reads .dat files that end after their entries", async () => {
    const whole = encodeDat({ ...IMATRIX, datasets: [] });
    expect(await read(whole.subarray(0, whole.length - 8))).toMatchObject({
      datasets: [],
      chunkCount: 0,
    });
  });

  it("refuses what is cut, damaged or something else", async () => {
    const whole = encodeDat(IMATRIX);
    for (let n = 0; n < whole.length; n++) {
      if (n === whole.length - 4 - 4 - 5) continue; // a whole file of the oldest form
      await expect(read(whole.subarray(0, n)), String(n)).rejects.toThrow(GgufError);
    }
    const nan = { sums: Float32Array.of(NaN), counts: Float32Array.of(1) };
    for (const bytes of [
      encodeDat({ ...IMATRIX, entries: new Map([["x", nan]]) }),
      await gguf({ ...IMATRIX, entries: new Map([["x", nan]]) }),
    ]) {
      await expect(read(bytes)).rejects.toThrow(
        'imatrix entry "x": expected finite values of 0 and above, found NaN',
      );
    }
    await expect(readImatrix(fixture("llama-q4_0.gguf"))).rejects.toThrow(
      'general.type: expected "imatrix"',
    );
    await expect(read(await gguf({ ...IMATRIX, entries: new Map() }))).rejects.toThrow(
      "tensors named *.in_sum2",
    );
  });
});
