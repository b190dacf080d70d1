import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { EMBEDDED } from "../../built.ts";
import { TEXT } from "../tools/tiny-corpus.ts";
import { fixture, samebit } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-compare-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const text = join(folder, "text"),
  report = join(folder, "report.json");
writeFileSync(text, TEXT);
const SMALL = ["-f", text, "-c", "32", "--chunks", "2"];

describe("samebit compare", () => {
  it("finds a model equal to itself, with the perplexity of samebit perplexity", async () => {
    const args = [EMBEDDED, EMBEDDED, ...SMALL, "--no-speed", "--json", "-o", report];
    const { code, stdout, stderr } = await samebit("compare", ...args, "-t", "1");
    expect([code, stderr]).toEqual([0, ""]);
    const {
      n_ctx,
      models: [base, same],
    } = JSON.parse(stdout);
    const { perplexity } = JSON.parse((await samebit("perplexity", ...SMALL, "--json")).stdout);
    expect(n_ctx).toBe(32);
    expect(Object.keys(base)).toEqual([
      "model",
      "file_bytes",
      "bits_per_weight",
      "perplexity",
      "perplexity_error",
    ]);
    expect(base).toMatchObject({ file_bytes: statSync(EMBEDDED).size, perplexity });
    expect(same).toMatchObject({ perplexity, same_top: 1 });
    expect(Math.abs(same.kld_mean)).toBeLessThan(1e-4); // 16 bits
    expect(JSON.parse(readFileSync(report, "utf8"))).toEqual(JSON.parse(stdout));
    expect((await samebit("compare", ...args, "-t", "3")).stdout).toBe(stdout);
  });

  it("prints a table with speeds, and leaves no temporary files", async () => {
    const left = () =>
        readdirSync(tmpdir()).filter((name) => /^samebit-compare-(?!test)/.test(name)).length,
      before = left();
    const { stdout } = await samebit("compare", EMBEDDED, EMBEDDED, ...SMALL),
      [titles, base, same] = stdout.split("\n");
    expect(titles).toMatch(
      /^model .* MB  bits\/weight +perplexity +KL divergence .* read t\/s +write t\/s$/,
    );
    expect(base).toMatch(/ 3\.74 +5\.05 .* - .*\d+\.\d+ +\d+\.\d+$/);
    expect(same).toContain("100.00 ± 0.00");
    expect(left()).toBe(before);
  });

  it("says what is wrong", async () => {
    const failing = async (...args: string[]) => (await samebit("compare", ...args)).stderr;
    expect(await failing(EMBEDDED, fixture("zoo/llama-q4_0.gguf"), ...SMALL)).toContain(
      "expected a vocabulary of 320 tokens, found 4096",
    );
    const late = [EMBEDDED, ...SMALL, "-o"];
    expect(await failing(...late, join(tmpdir(), "no", "such"))).toContain("can be written");
    expect(await samebit("compare", EMBEDDED, "none.gguf", ...SMALL)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/none.gguf: expected a readable file/),
    });
    expect(await failing("-m", EMBEDDED, EMBEDDED, ...SMALL)).toContain(
      "expected models as arguments",
    );
    expect(await failing(EMBEDDED, "-p", "short", "-c", "32")).toContain(
      "text: expected at least 64 tokens",
    );
  });
});
