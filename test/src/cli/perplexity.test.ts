import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { built, EMBEDDED } from "../../built.ts";
import { loadZooCase, zooNames } from "../../reference/zoo.ts";
import { hasShared, sharedModel, toolFile } from "../tools/shared.ts";
import { TEXT } from "../tools/tiny-corpus.ts";
import { outcome, samebit, start } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-perplexity-"));
afterAll(() => rmSync(folder, { recursive: true }));
const text = join(folder, "text"),
  base = join(folder, "base.bin");
writeFileSync(text, `${TEXT}\n`);
const SMALL = ["-c", "33", "-f", text];

interface Report {
  n_chunks: number;
  scored_tokens: number;
  perplexity: number;
  perplexity_error: number;
  chunks: { perplexity: number }[];
}

async function perplexity(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await samebit("perplexity", ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

/** The second halves of chunks of nCtx tokens, by whole rows of logits and JavaScript's own functions. */
async function slowPerplexity(nCtx: number): Promise<number> {
  const model = await built.loadModel(EMBEDDED, { threads: 1 }),
    nlls: number[] = [];
  try {
    const tokens = model.tokenize(TEXT);
    for (let at = 0; at + nCtx <= tokens.length; at += nCtx) {
      const chunk = tokens.slice(at, at + nCtx);
      chunk[0] = model.tokenizer.bosToken!;
      const rows = await model.logits(chunk);
      for (let i = Math.floor(nCtx / 2); i < nCtx - 1; i++) {
        const sum = rows[i].reduce((s, x) => s + Math.exp(x), 0);
        nlls.push(Math.log(sum) - rows[i][chunk[i + 1]]);
      }
    }
  } finally {
    await model.close();
  }
  return Math.exp(nlls.reduce((a, b) => a + b) / nlls.length);
}

describe("samebit perplexity", () => {
  it("scores the second half of every chunk", async () => {
    const report = JSON.parse(await perplexity(...SMALL, "--json")) as Report;
    expect(report.n_chunks).toBeGreaterThan(2);
    expect(report.scored_tokens).toBe(16 * report.n_chunks);
    expect(report.perplexity).toBeCloseTo(await slowPerplexity(33), 6);
    expect(report.chunks.at(-1)!.perplexity).toBe(report.perplexity);
  });

  it("prints the same bytes for any number of threads and batch size", async () => {
    const csv = [join(folder, "a.csv"), join(folder, "b.csv")];
    const one = await perplexity(...SMALL, "-t", "1", "--csv", csv[0]);
    expect(await perplexity(...SMALL, "-t", "3", "-b", "5", "--csv", csv[1])).toBe(one);
    expect(one).toMatch(
      /^\[1\]\d+\.\d{4},\[2\].*\nFinal estimate: PPL = \d+\.\d{4} \+\/- \d+\.\d{5}\n$/,
    );
    expect(readFileSync(csv[0], "utf8")).toBe(readFileSync(csv[1], "utf8"));
    expect(readFileSync(csv[0], "utf8")).toMatch(/^chunk,mean_nll,perplexity,perplexity_error\n1,/);
  });

  it("finds no divergence of a model from itself", async () => {
    await perplexity(...SMALL, "--chunks", "2", "--kl-divergence-base", base);
    const report = JSON.parse(
      await perplexity("--kl-divergence", "--kl-divergence-base", base, "--json"),
    );
    expect(report).toMatchObject({ n_ctx: 33, n_chunks: 2, scored_tokens: 32, same_top: 1 });
    expect(Math.abs(report.kld_mean)).toBeLessThan(1e-4); // 16 bits
  });

  it("leaves an earlier base file alone when it is killed", async () => {
    writeFileSync(base, "earlier");
    const child = start("perplexity", ...SMALL, "--kl-divergence-base", base);
    child.stdout!.once("data", () => child.kill("SIGKILL")); // after the first chunk
    await outcome(child);
    expect(readFileSync(base, "utf8")).toBe("earlier");
  });

  it("leaves no part of a base file when its reader or its user goes away", async () => {
    const target = join(folder, "left.bin");
    const run = () => start("perplexity", ...SMALL, "-t", "1", "--kl-divergence-base", target);
    const unread = run();
    unread.stdout!.once("data", () => unread.stdout!.destroy());
    expect((await outcome(unread)).code).toBe(0);
    const ended = run();
    ended.stdout!.once("data", () => {
      ended.kill("SIGINT");
      ended.kill("SIGINT");
      setTimeout(() => ended.kill("SIGINT"), 1); // both may have come as one
    });
    expect((await outcome(ended)).code).toBe(130);
    expect(readdirSync(folder).filter((name) => name.startsWith("left"))).toEqual([]);
  });

  it.skipIf(!zooNames().includes("t5"))("measures no model of another kind", async () => {
    for (const [name, found] of [
      ["t5", "an encoder-decoder"],
      ["bert", "an embedding model"],
    ]) {
      const { path } = loadZooCase(name);
      const { code, stderr } = await samebit("perplexity", "-m", path, ...SMALL);
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining("expected a model that continues a text, found"),
      ]);
      expect(stderr).toContain(found);
    }
  });

  it("says what is wrong", async () => {
    const failing = async (...args: string[]) => (await samebit("perplexity", ...args)).stderr;
    expect(await failing("-p", "short", "-c", "32")).toMatch(
      /text: expected at least 64 tokens, found \d+; use a longer text/,
    );
    expect(await samebit("perplexity", ...SMALL, "--csv", join(folder, "none", "x"))).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("x: expected a file that can be written"),
    });
    expect(await failing("--kl-divergence")).toContain("expected --kl-divergence-base FILE");
    expect(await failing("--kl-divergence", "--kl-divergence-base", base)).toContain(
      "at least 20 bytes, found 7",
    );
    const parts = () => readdirSync(folder).filter((name) => name.endsWith(".part"));
    const before = parts().length;
    expect(
      await failing("-p", "short", "-c", "32", "--kl-divergence-base", join(folder, "new")),
    ).toContain("text:");
    expect(parts().length).toBe(before);
  });
});

describe.skipIf(!hasShared)("beside llama.cpp", () => {
  it("writes its base file", async () => {
    await perplexity(
      "-m",
      sharedModel("tldr-6m-f16.gguf"),
      "-f",
      toolFile("tldr-val.txt"),
      "-c",
      "256",
      "--chunks",
      "2",
      "--kl-divergence-base",
      base,
    );
    const ours = readFileSync(base),
      theirs = readFileSync(toolFile("tldr-6m-f16.kld-base-8chunks.bin"));
    const tokens = 2 * 256 * 4,
      rowBytes = 2 * 4096 + 8,
      header = 20 + 8 * 256 * 4;
    expect(ours.length).toBe(20 + tokens + 2 * 127 * rowBytes);
    expect(ours.subarray(20, 20 + tokens).equals(theirs.subarray(20, 20 + tokens))).toBe(true);
    const steps: number[] = [];
    for (let row = 0; row < 2 * 127; row++) {
      const a = 20 + tokens + row * rowBytes,
        b = header + row * rowBytes;
      expect(Math.abs(ours.readFloatLE(a + 4) - theirs.readFloatLE(b + 4))).toBeLessThan(0.01);
      for (let i = 0; i < 4096; i++)
        steps.push(Math.abs(ours.readUInt16LE(a + 8 + 2 * i) - theirs.readUInt16LE(b + 8 + 2 * i)));
    }
    // 4 steps of 16/65535 are 0.001: f16 activations there, f32 here
    expect(steps.reduce((sum, n) => sum + n, 0) / steps.length).toBeLessThan(4);
  });

  it("reads its base file, and agrees with its perplexities", async () => {
    const f16 = toolFile("tldr-6m-f16.kld-base-8chunks.bin");
    const report = JSON.parse(
      await perplexity(
        "-m",
        sharedModel("tldr-6m-q4_k_m.gguf"),
        "--kl-divergence",
        "--kl-divergence-base",
        f16,
        "--json",
      ),
    );
    expect(report).toMatchObject({ n_ctx: 256, n_chunks: 8, scored_tokens: 8 * 127 });
    // llama.cpp over the whole text: 0.004661; these chunks' standard error is 0.00023
    expect(Math.abs(report.kld_mean - 0.004661)).toBeLessThan(3 * report.kld_mean_error);
    expect(Math.abs(report.same_top - 0.96498)).toBeLessThan(3 * report.same_top_error);
  });
});
