import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesSource, readGguf } from "../../../formats/index.ts";
import { EMBEDDED } from "../../built.ts";
import { fixture, outcome, samebit, start } from "./command.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "samebit-split-"))));
afterEach(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

async function split(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await samebit("split", ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}
const failing = async (...args: string[]) => (await samebit("split", ...args)).stderr;
const parse = (names: string[]) =>
  readGguf(names.map((name) => bytesSource(name, readFileSync(path(name)))));

describe("samebit split", () => {
  it.each([
    ["--split-max-tensors", "20"],
    ["--split-max-size", "1M"],
    ["--split-max-size", "1M", "--no-tensor-first-split"],
  ])("merges back to the same bytes after %s %s %s", async (...limit) => {
    const lines = await split(EMBEDDED, path("model"), ...limit),
      names = readdirSync(folder).sort();
    expect(names.length).toBeGreaterThan(2);
    expect(names[0]).toBe(`model-00001-of-0000${names.length}.gguf`);
    expect(lines.trim().split("\n").length).toBe(names.length);
    const { tensors, metadata } = await parse(names);
    expect(metadata.getU32("split.tensors.count")).toBe(tensors.size);
    const perFile = names.map((_, i) => [...tensors.values()].filter((t) => t.sourceIndex === i));
    if (limit[0] === "--split-max-tensors")
      for (const group of perFile) expect(group.length).toBeLessThanOrEqual(20);
    else
      for (const group of perFile)
        expect(group.length < 2 || group.reduce((n, t) => n + t.bytes, 0) <= 1e6).toBe(true);
    expect(perFile[0].length === 0).toBe(limit.includes("--no-tensor-first-split"));
    await split("--merge", path(names[1]), path("whole.gguf"));
    expect(readFileSync(path("whole.gguf")).equals(readFileSync(EMBEDDED))).toBe(true);
  });

  it("writes files that load as the model", async () => {
    const llama = fixture("zoo/llama-q4_0.gguf");
    await split(llama, path("m.gguf"), "--split-max-tensors", "7");
    const [first] = readdirSync(folder).sort();
    const logits = async (model: string) =>
      (await samebit("logits", "-m", model, "--tokens", "1,2,3", "--json")).stdout;
    expect(await logits(path(first))).toBe(await logits(llama));
  });

  it("writes nothing in a dry run", async () => {
    expect(await split(EMBEDDED, path("model"), "--dry-run")).toContain(
      "model-00001-of-00001.gguf: 56 tensors",
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it("leaves whole files or none when it is killed", async () => {
    const whole = path("whole"),
      args = ["--split-max-tensors", "8"];
    await split(EMBEDDED, whole, ...args);
    const expected = readdirSync(folder)
      .filter((name) => name.startsWith("whole"))
      .map((name) => readFileSync(path(name)));
    for (const delay of [80, 110, 140, 170]) {
      const child = start("split", EMBEDDED, path(`cut${delay}`), ...args);
      setTimeout(() => child.kill("SIGKILL"), delay);
      await outcome(child);
      for (const name of readdirSync(folder).filter(
        (one) => one.startsWith(`cut${delay}`) && one.endsWith(".gguf"),
      )) {
        expect(
          expected[Number(/-(\d{5})-of/.exec(name)![1]) - 1].equals(readFileSync(path(name))),
          name,
        ).toBe(true);
      }
    }
    expect(await failing(EMBEDDED, whole, ...args)).toContain("expected no such file yet");
  });

  it("says what is wrong", async () => {
    expect(await failing(EMBEDDED, path("x"), "--split-max-size", "3K")).toContain(
      "--split-max-size: expected a number above 0 and M or G",
    );
    expect(await failing(EMBEDDED, path("x-00001-of-00002.gguf"))).toContain(
      "expected a name without -0000N-of-0000N",
    );
    expect(await failing("--merge", EMBEDDED, path("x"))).toContain("expected a file of a series");
    writeFileSync(path("x"), "");
    await split(EMBEDDED, path("model"), "--split-max-size", "2M");
    expect(await failing("--merge", path(readdirSync(folder).sort()[0]), path("x"))).toContain(
      "expected no such file yet",
    );
  });
});
