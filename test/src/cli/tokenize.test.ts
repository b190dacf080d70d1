import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesSource, contentsOf, readGguf, type Sink, writeGguf } from "../../../formats/index.ts";
import { root, samebit, samebitWithInput } from "./command.ts";

const embedded = `${root}models/embedded/tldr-6m-q4_k_m.gguf`;
let folder: string, vocabulary: string;

/** The embedded model without its tensors. */
async function vocabularyOnly(): Promise<Uint8Array> {
  const gguf = await readGguf(bytesSource(embedded, readFileSync(embedded)));
  const chunks: Uint8Array[] = [];
  const sink: Sink = { write: (bytes) => void chunks.push(bytes.slice()) };
  await writeGguf(sink, { ...contentsOf(gguf), tensors: [] });
  return Buffer.concat(chunks);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "samebit-"));
  vocabulary = join(folder, "vocabulary.gguf");
  writeFileSync(vocabulary, await vocabularyOnly());
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("samebit tokenize", () => {
  it("lists tokens with their texts", async () => {
    expect(await samebit("tokenize", "-p", "# git stash é")).toEqual({
      code: 0,
      stderr: "",
      stdout: expect.stringMatching(
        /^ +343 -> " #"\n +1207 -> " git"\n +430 -> " st"\n +646 -> "ash"\n(.*-> .*\n)+$/,
      ),
    });
  });

  it("prints ids with --json, special tokens with --special", async () => {
    expect(await samebit("tokenize", "-p", "# git stash", "--json")).toMatchObject({
      code: 0,
      stdout: "[343,1207,430,646]\n",
    });
    const { stdout } = await samebit("tokenize", "-p", "# git stash</s>", "--json", "--special");
    expect(JSON.parse(stdout)).toEqual([1, 343, 1207, 430, 646, 2]);
    const plain = JSON.parse(
      (await samebit("tokenize", "-p", "</s>", "--json")).stdout,
    ) as number[];
    expect(plain.length).toBeGreaterThan(1);
  });

  it("needs a vocabulary only", async () => {
    expect(
      await samebit("tokenize", "-m", vocabulary, "-p", "# git stash", "--json"),
    ).toMatchObject({ stdout: "[343,1207,430,646]\n" });
    const run = await samebit("run", "-m", vocabulary, "-p", "x");
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^samebit: .*expected.*\n$/);
  });

  it("reads a JSON array of texts", async () => {
    const texts = ["# git stash", "", "a\nb\u0000\ud83d\ude00", "</s>"];
    const { code, stdout } = await samebitWithInput(
      JSON.stringify(texts),
      "tokenize",
      "--stdin-json",
    );
    const ids = JSON.parse(stdout) as number[][];
    expect([code, ids.length, ids[0], ids[1]]).toEqual([0, 4, [343, 1207, 430, 646], []]);
    const special = await samebitWithInput(
      JSON.stringify(texts),
      "tokenize",
      "--stdin-json",
      "--special",
      "--json",
    );
    expect((JSON.parse(special.stdout) as number[][])[0]).toEqual([1, 343, 1207, 430, 646]);
  });

  it("takes texts as they are, from files and standard input too", async () => {
    const file = join(folder, "text.txt");
    writeFileSync(file, "a\\nb\n");
    const expected = JSON.parse(
      (await samebitWithInput('["a\\\\nb\\n"]', "tokenize", "--stdin-json")).stdout,
    )[0] as number[];
    for (const found of [
      await samebit("tokenize", "--json", "-f", file),
      await samebitWithInput("a\\nb\n", "tokenize", "--json"),
      await samebitWithInput("a\\nb\n", "tokenize", "--json", "-f", "-"),
      await samebit("tokenize", "--json", "-p", "a\\nb\n"),
    ])
      expect(JSON.parse(found.stdout)).toEqual(expected);
    const escaped = await samebit("tokenize", "--json", "-e", "-p", "a\\nb");
    expect(JSON.parse(escaped.stdout)).not.toEqual(expected.slice(0, -1));
  });

  it.each([
    ["{", "found "],
    ["{}", "found a value of type object"],
    ["null", "found null"],
    ['["a", [1]]', "found an array at index 1"],
  ])("fails for %s on standard input", async (input, found) => {
    const { code, stdout, stderr } = await samebitWithInput(input, "tokenize", "--stdin-json");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^samebit: standard input: expected a JSON array of texts, .*\n$/);
    expect(stderr).toContain(found);
  });
});
