import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bytesSource, type Imatrix, importance, readImatrix } from "../../../formats/index.ts";
import { hasShared, sharedModel, toolFile } from "../tools/shared.ts";
import { TEXT } from "../tools/tiny-corpus.ts";
import { outcome, samebit, start } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-imatrix-"));
afterAll(() => rmSync(folder, { recursive: true }));
const text = join(folder, "text"),
  path = (name: string) => join(folder, name);
writeFileSync(text, TEXT);
const SMALL = ["-c", "32", "-f", text];

async function imatrix(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await samebit("imatrix", ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}
const load = (file: string): Promise<Imatrix> =>
  readImatrix(bytesSource(file, readFileSync(file)), 32);

describe("samebit imatrix", () => {
  it("writes the same bytes for any number of threads and batch size", async () => {
    const first = await imatrix(...SMALL, "-o", path("a.gguf"), "-t", "1");
    expect(await imatrix(...SMALL, "-o", path("b.gguf"), "-t", "3", "-b", "9")).toBe(first);
    expect(first).toMatch(/^\[1\].*\nFinal estimate: PPL = /);
    expect(readFileSync(path("a.gguf"))).toEqual(readFileSync(path("b.gguf")));
    const { entries, chunkCount, chunkSize, datasets } = await load(path("a.gguf"));
    expect([entries.size, chunkSize, datasets]).toEqual([6 * 7, 32, [text]]); // tied embeddings stay out
    for (const { counts } of entries.values())
      expect(counts).toEqual(Float32Array.of(32 * chunkCount));
  });

  it("resumes to the same bytes", async () => {
    await imatrix(...SMALL, "-o", path("part.gguf"), "--chunks", "2", "--no-ppl");
    await imatrix(
      ...SMALL,
      "-o",
      path("part.gguf"),
      "--chunk",
      "2",
      "--in-file",
      path("part.gguf"),
    );
    expect(readFileSync(path("part.gguf"))).toEqual(readFileSync(path("a.gguf")));
  });

  it("converts and combines without a model", async () => {
    await imatrix("--in-file", path("a.gguf"), "-o", path("a.dat"), "-m", "none");
    await imatrix("--in-file", path("a.dat"), "-c", "32", "-o", path("back.gguf"));
    expect(readFileSync(path("back.gguf"))).toEqual(readFileSync(path("a.gguf")));
    await imatrix(
      "--in-file",
      path("a.gguf"),
      "--in-file",
      path("a.dat"),
      "-c",
      "32",
      "-o",
      path("both"),
      "--output-format",
      "gguf",
    );
    const one = await load(path("a.gguf")),
      both = await load(path("both"));
    expect(both.chunkCount).toBe(2 * one.chunkCount);
    for (const [name, entry] of one.entries)
      expect(importance(both.entries.get(name)!)).toEqual(importance(entry));
  });

  it("describes a matrix", async () => {
    const rows = JSON.parse(
      await imatrix("--show-statistics", "--in-file", path("a.gguf"), "--json"),
    ) as { name: string; n: number }[];
    expect(rows.length).toBe(6 * 7);
    expect(rows.find((row) => row.name === "blk.0.ffn_down.weight")!.n).toBe(768);
    expect(
      (await imatrix("--show-statistics", "--in-file", path("a.gguf"))).split("\n").length,
    ).toBe(6 * 7 + 2);
  });

  it("saves now and then, and a kill leaves a whole file", async () => {
    const child = start(
      "imatrix",
      ...SMALL,
      "-o",
      path("killed.gguf"),
      "--output-frequency",
      "1",
      "--save-frequency",
      "2",
    );
    let seen = "";
    child.stdout!.on("data", (piece: Buffer) => {
      seen += piece.toString();
      if (seen.includes("[3]")) child.kill("SIGKILL");
    });
    await outcome(child);
    expect((await load(path("killed.gguf"))).chunkCount).toBeGreaterThanOrEqual(2);
    expect((await load(path("killed.gguf.at_2"))).chunkCount).toBe(2);
  });

  it("says what is wrong", async () => {
    const failing = async (...args: string[]) => (await samebit("imatrix", ...args)).stderr;
    expect(await failing("--show-statistics")).toContain(
      "--show-statistics: expected --in-file FILE",
    );
    expect(await failing("-p", "short", "-c", "32")).toContain("text: expected at least 64 tokens");
    // before the work
    expect(await samebit("imatrix", ...SMALL, "-o", path("none/x.gguf"))).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("x.gguf: expected a file that can be written"),
    });
    expect(await failing(...SMALL, "--chunk", "500")).toMatch(
      /--chunk: expected less than \d+, found 500/,
    );
    expect(await failing("--in-file", text)).toContain("imatrix: expected");
  });
});

// All 262 chunks take a minute or more: SAMEBIT_FULL=1 asks for them. A part of the text only resembles the whole.
const full = process.env.SAMEBIT_FULL === "1";

describe.skipIf(!hasShared)("beside llama.cpp", () => {
  it("agrees with its matrix of the same text", { timeout: 600_000 }, async () => {
    const theirs = await load(toolFile("tldr-6m.imatrix.dat")),
      file = toolFile("tldr-calibration.txt");
    await imatrix(
      "-m",
      sharedModel("tldr-6m-f16.gguf"),
      "-f",
      file,
      "-c",
      "256",
      "--chunks",
      full ? "-1" : "16",
      "-o",
      path("ours.dat"),
    );
    const ours = await load(path("ours.dat"));
    expect([...ours.entries.keys()].sort()).toEqual([...theirs.entries.keys()].sort());
    expect(ours.datasets.map((name) => basename(name))).toEqual(theirs.datasets);
    for (const [name, entry] of theirs.entries) {
      const a = importance(entry),
        b = importance(ours.entries.get(name)!);
      const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, v, i) => sum + v * y[i], 0);
      expect(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)), name).toBeGreaterThan(
        full ? 0.9999 : 0.9,
      );
      if (full)
        a.forEach((x, i) => expect(Math.abs(b[i] - x), `${name} ${i}`).toBeLessThan(0.01 * x));
    }
  });
});
