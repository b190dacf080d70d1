import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bytesSource,
  contentsOf,
  encodeDat,
  type Gguf,
  Metadata,
  readGguf,
  readTensor,
  typeByName,
  writeGguf,
} from "../../../formats/index.ts";
import { EMBEDDED } from "../../built.ts";
import { hasShared, sharedModel, toolFile } from "../tools/shared.ts";
import { outcome, samebit, start } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-quantize-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name),
  F16 = path("f16.gguf"),
  MATRIX = path("flat.dat");

async function quantize(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await samebit("quantize", ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}
const failing = async (...args: string[]) => {
  const { code, stderr } = await samebit("quantize", ...args);
  return `${code} ${stderr}`;
};
const open = (file: string): Promise<Gguf> => readGguf(bytesSource(file, readFileSync(file)));
const typesOf = async (file: string) =>
  Object.fromEntries([...(await open(file)).tensors.values()].map((t) => [t.name, t.type.name]));

/** Two layers of the embedded model: quick to convert. */
beforeAll(async () => {
  await quantize(EMBEDDED, path("full.gguf"), "F16", "--allow-requantize");
  const { metadata, tensors } = contentsOf(await open(path("full.gguf")));
  const few = [...tensors].filter(({ name }) => /^(blk\.[01]|output_norm)\./.test(name));
  const parts: Uint8Array[] = [];
  await writeGguf({ write: (piece) => void parts.push(piece) }, { metadata, tensors: few });
  writeFileSync(F16, Buffer.concat(parts));
  const entries = [...(await open(F16)).tensors.values()]
    .filter(({ name, shape }) => name.startsWith("blk.") && shape.length > 1)
    .map(({ name, shape }) => {
      const sums = Float32Array.from({ length: shape[0] }, (_, i) => 1 + (i % 7));
      return [name, { sums, counts: Float32Array.of(1) }] as const;
    });
  const matrix = { datasets: ["text"], chunkCount: 1, chunkSize: 512 };
  writeFileSync(MATRIX, encodeDat({ ...matrix, entries: new Map(entries) }));
});

describe("samebit quantize", () => {
  it("writes the same bytes for any number of threads", async () => {
    await quantize(F16, path("t1.gguf"), "Q4_1", "1", "--imatrix", MATRIX);
    await quantize(F16, "q4_1", "-t", "3", "-o", path("t3.gguf"), "--imatrix", MATRIX);
    expect(readFileSync(path("t1.gguf")).equals(readFileSync(path("t3.gguf")))).toBe(true);
    const { metadata } = await open(path("t1.gguf"));
    expect([...metadata].slice(-6).map(([key, { value }]) => [key, value])).toEqual([
      ["general.quantization_version", 2],
      ["general.file_type", 3],
      ["quantize.imatrix.file", MATRIX],
      ["quantize.imatrix.dataset", "text"],
      ["quantize.imatrix.entries_count", 14],
      ["quantize.imatrix.chunks_count", 1],
    ]);
  });

  it("copies what has the wanted type already", async () => {
    await quantize(EMBEDDED, path("copy.gguf"), "COPY");
    await quantize(EMBEDDED, path("again.gguf"), "Q4_K_M");
    for (const name of ["copy.gguf", "again.gguf"])
      expect(readFileSync(path(name)).equals(readFileSync(EMBEDDED))).toBe(true);
  });

  it("tells in a dry run what it would write", async () => {
    const args = [F16, path("dry.gguf"), "Q3_K_M", "--tensor-type", "attn_[qk]\\.=Q8_0"];
    const dry = JSON.parse(await quantize(...args, "--dry-run", "--json"));
    expect(readdirSync(folder)).not.toContain("dry.gguf");
    const table = await quantize(...args, "--dry-run");
    expect(table).toMatch(/^blk\.0\.attn_k\.weight +256 x 128 +F16 +-> Q8_0/m);
    expect(table).toContain(`dry.gguf: ${dry.files[0].bytes} bytes (not written)`);
    const real = JSON.parse(await quantize(...args, "--json"));
    expect(real).toEqual(dry);
    expect(readFileSync(path("dry.gguf")).length).toBe(dry.files[0].bytes);
    const types = await typesOf(path("dry.gguf"));
    for (const { name, to } of dry.tensors) expect(types[name]).toBe(to);
    expect(types["blk.1.attn_k.weight"]).toBe("Q8_0");
  });

  it("takes types of single tensors from options and files, the first match first", async () => {
    writeFileSync(path("types"), "attn_v=Q6_K\nffn_gate=q5_k  attn_q=Q3_K");
    const choice = [
      "--override-kv",
      "general.name=str:other",
      "--tensor-type",
      "blk\\.0\\.attn_v=IQ4_NL",
      "--tensor-type-file",
      path("types"),
    ];
    await quantize(F16, path("x.gguf"), "Q4_0", ...choice);
    expect((await open(path("x.gguf"))).metadata.getString("general.name")).toBe("other");
    const types = await typesOf(path("x.gguf"));
    expect(types["blk.0.attn_v.weight"]).toBe("IQ4_NL");
    expect(types["blk.1.attn_v.weight"]).toBe("Q6_K");
    expect(types["blk.1.ffn_gate.weight"]).toBe("Q5_K");
    expect(types["blk.1.attn_q.weight"]).toBe("Q3_K");
    expect(types["blk.1.ffn_up.weight"]).toBe("Q4_0");
  });

  it("uses importance weights where the options let it", async () => {
    const make = async (name: string, ...args: string[]) => {
      await quantize(F16, path(name), "Q4_0", ...args);
      const gguf = await open(path(name));
      const bytes = async (tensor: string) =>
        Buffer.from(await readTensor(gguf, gguf.tensors.get(tensor)!)).toString("base64");
      return [await bytes("blk.0.attn_q.weight"), await bytes("blk.0.ffn_up.weight")];
    };
    const without = await make("none.gguf"),
      with_ = await make("all.gguf", "--imatrix", MATRIX);
    expect(with_[0]).not.toBe(without[0]);
    expect(with_[1]).not.toBe(without[1]);
    const only = await make("only.gguf", "--imatrix", MATRIX, "--include-weights", "attn_q");
    expect(only).toEqual([with_[0], without[1]]);
    const but = await make("but.gguf", "--imatrix", MATRIX, "--exclude-weights", "attn_q");
    expect(but).toEqual([without[0], with_[1]]);
  });

  it("keeps the files of a split model apart, or merges them", async () => {
    await samebit("split", F16, path("parts"), "--split-max-tensors", "10");
    const first = path("parts-00001-of-00002.gguf");
    await quantize(first, path("kept"), "Q8_0", "--keep-split");
    const files = ["kept-00001-of-00002.gguf", "kept-00002-of-00002.gguf"].map((name) =>
      bytesSource(path(name), readFileSync(path(name))),
    );
    const kept = await readGguf(files);
    await quantize(first, path("whole.gguf"), "Q8_0");
    const whole = await open(path("whole.gguf"));
    expect(kept.tensors.size).toBe(whole.tensors.size);
    for (const tensor of kept.tensors.values()) {
      const other = await readTensor(whole, whole.tensors.get(tensor.name)!);
      expect(Buffer.compare(await readTensor(kept, tensor), other), tensor.name).toBe(0);
    }
    expect([...whole.metadata.keys()].filter((key) => key.startsWith("split."))).toEqual([]);
    await quantize(F16, path("direct.gguf"), "Q8_0");
    expect(readFileSync(path("whole.gguf")).equals(readFileSync(path("direct.gguf")))).toBe(true);
    expect(await failing(first, path("kept"), "Q8_0", "--keep-split")).toContain(
      "expected no such file yet",
    );
  });

  // a temporary file is there at once, to see whether one can be, and again once writing has begun
  it.each([
    ["SIGINT", 130, "looks for a place", 0],
    ["SIGTERM", 143, "looks for a place", 0],
    ["SIGINT", 130, "writes", 1],
    ["SIGTERM", 143, "writes", 1],
    ["SIGHUP", 129, "writes", 1],
  ] as const)(
    "leaves nothing behind when %s (%i) ends it as it %s",
    async (signal, code, _, bytes) => {
      const own = mkdtempSync(join(folder, "cut-")),
        target = join(own, "cut.gguf");
      writeFileSync(target, "earlier");
      const child = start("quantize", F16, target, "IQ3_XXS", "1", "--imatrix", MATRIX),
        ended = outcome(child);
      const sizeOf = (name: string) => statSync(join(own, name), { throwIfNoEntry: false })?.size;
      const begun = () =>
        readdirSync(own).some((name) => name.endsWith(".part") && (sizeOf(name) ?? -1) >= bytes);
      while (!begun() && child.exitCode === null && child.signalCode === null)
        await new Promise((resolve) => setImmediate(resolve));
      child.kill(signal);
      expect(await ended).toMatchObject({ code });
      expect(readFileSync(target, "utf8")).toBe("earlier");
      expect(readdirSync(own)).toEqual(["cut.gguf"]);
    },
  );

  it("chooses types for a size, the same ones for any number of threads", async () => {
    const args = ["--imatrix", MATRIX, "--candidates", "Q4_0,Q8_0", "--tensor-type", "attn_k=Q4_1"];
    const size = ["--target-size", "1.3M"],
      report = JSON.parse(await quantize(F16, path("m1.gguf"), "1", ...size, ...args, "--json"));
    await quantize(F16, "3", "-o", path("m3.gguf"), ...size, ...args);
    expect(readFileSync(path("m1.gguf")).equals(readFileSync(path("m3.gguf")))).toBe(true);
    expect(report.files[0].bytes).toBe(readFileSync(path("m1.gguf")).length);
    expect(report.files[0].bytes).toBeLessThanOrEqual(1.3 * 2 ** 20);
    expect(report.files[0].bytes).toBeGreaterThan(1.27 * 2 ** 20);
    const types = await typesOf(path("m1.gguf"));
    expect(types["blk.0.attn_k.weight"]).toBe("Q4_1");
    expect(new Set(Object.values(types))).toEqual(new Set(["F32", "Q4_0", "Q4_1", "Q8_0"]));
    const bpw = ["--target-bpw", "6", ...args, "--dry-run", "--json"],
      smaller = JSON.parse(await quantize(F16, path("never.gguf"), ...bpw));
    expect(smaller.bitsPerWeight).toBeLessThanOrEqual(6);
    expect(smaller.expectedError).toBeGreaterThan(report.expectedError);
    expect(await failing(F16, ...size)).toMatch(/^2 .*imatrix: expected importance weights/);
    expect(await failing(F16, "--target-bpw", "3", ...args)).toMatch(
      /^2 .*target: expected room for every tensor's smallest type, found 3 bits a weight/,
    );
  });

  it("says what is wrong", async () => {
    const to = path("never.gguf");
    expect(await failing(F16, to)).toMatch(/^2 .*expected a type after the files/);
    expect(await failing(F16, to, "Q4_X")).toMatch(/^2 .*type: expected one of F32, F16.*"Q4_X"/);
    expect(await failing(F16, to, "Q4_0", "x")).toMatch(/^2 .*threads: expected a number/);
    expect(await failing(EMBEDDED, to, "Q8_0")).toMatch(
      /^2 .*token_embd.weight: expected F32, F16 or BF16, found Q6_K; .*--allow-requantize/,
    );
    expect(await failing(F16, to, "Q4_0", "--tensor-type", "attn_q")).toContain("REGEX=TYPE");
    expect(await failing(F16, to, "Q4_0", "--tensor-type", "(=Q8_0")).toContain(
      "expected a regular expression before =",
    );
    expect(await failing(F16, to, "Q4_0", "--output-tensor-type", "Q9")).toMatch(
      /^2 .*--output-tensor-type: expected a tensor type such as Q4_K, found "Q9"/,
    );
    expect(await failing(F16, F16, "Q4_0")).toContain("expected another file than the input");
    symlinkSync(F16, path("link.gguf"));
    for (const same of [`${folder}/./f16.gguf`, path("link.gguf")])
      expect(await failing(F16, same, "Q4_0")).toContain("expected another file than the input");
    expect(await failing(F16, folder, "Q4_0")).toMatch(/^1 .*can be written, found a folder/);
    expect(await failing(F16, to, "Q4_0", "--tensor-type-file", path("none"))).toMatch(
      /^1 .*none: expected a readable text file, found no such file/,
    );
    expect(await failing(F16, to, "Q4_0", "--exclude-weights", "x")).toContain("--imatrix beside");
    expect(readdirSync(folder)).not.toContain("never.gguf");
  });

  it("names the tensor that holds no number", async () => {
    const data = new Uint8Array(new Float32Array(512).fill(1).buffer);
    data.set(new Uint8Array(Float32Array.of(NaN).buffer), 1200);
    const shape = [256, 2],
      tensors = [{ name: "blk.0.attn_q.weight", type: typeByName("F32"), shape, data }];
    const parts: Uint8Array[] = [];
    await writeGguf(
      { write: (piece) => void parts.push(piece) },
      { metadata: new Metadata("x"), tensors },
    );
    writeFileSync(path("nan.gguf"), Buffer.concat(parts));
    expect(await failing(path("nan.gguf"), path("never.gguf"), "Q4_0")).toMatch(
      /^1 samebit: blk\.0\.attn_q\.weight, row 0 and after: values: expected finite numbers, found NaN/,
    );
    expect(readdirSync(folder).filter((name) => name.startsWith("never"))).toEqual([]);
  });
});

describe.skipIf(!hasShared)("beside llama.cpp", () => {
  const model = sharedModel("tldr-6m-f16.gguf");

  it("writes its bytes", async () => {
    await quantize(model, path("q4.gguf"), "Q4_K_M");
    expect(
      readFileSync(path("q4.gguf")).equals(readFileSync(sharedModel("tldr-6m-q4_k_m.gguf"))),
    ).toBe(true);
    await quantize(model, path("q8.gguf"), "Q8_0");
    expect(
      readFileSync(path("q8.gguf")).equals(readFileSync(sharedModel("tldr-6m-q8_0.gguf"))),
    ).toBe(true);
  });

  it("reads its importance matrix", async () => {
    const args = ["--imatrix", toolFile("tldr-6m.imatrix.dat"), "--dry-run", "--json"];
    const report = JSON.parse(await quantize(model, path("iq2.gguf"), "IQ2_M", ...args));
    expect(report.tensors.filter((t: { imatrix: boolean }) => t.imatrix).length).toBe(42);
  });
});
