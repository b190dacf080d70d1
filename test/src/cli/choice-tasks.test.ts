import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeTasks } from "../../formats/multiple-choice-file.ts";
import { TEXT } from "../tools/tiny-corpus.ts";
import { samebit } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-tasks-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, contents: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
}

const hellaswag = file(
  "hellaswag.txt",
  "# ls: List\n0\ndirectory contents.\nthe sky in green.\nmy old hat.\nno thing at all.\n".repeat(
    3,
  ),
);
const winogrande = file("wino.csv", "0,List the _ in a directory.,files,clouds,1\n".repeat(2));
const questions = file(
  "questions.bin",
  encodeTasks([
    { question: "List directory", answers: ["contents", "hats"], labels: [1, 0] },
    { question: "Create an", answers: ["elephant", "archive"], labels: [0, 1] },
  ]),
);

async function perplexity(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await samebit("perplexity", "-c", "64", ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

describe("samebit perplexity with tasks", () => {
  it("prints HellaSwag's lines, the same with any number of threads", async () => {
    const one = await perplexity("--hellaswag", "-f", hellaswag, "-t", "1");
    expect(one).toMatch(
      /^\ntask\tacc_norm\t95% confidence interval\n1\t100\.00000000%\t\[20\.\d{4}%, 100\.0000%\]\n2\t/,
    );
    expect(await perplexity("--hellaswag", "-f", hellaswag, "-t", "3", "-b", "3")).toBe(one);
    const two = await perplexity("--hellaswag", "--hellaswag-tasks", "2", "-f", hellaswag);
    expect(one.startsWith(two.trimEnd())).toBe(true);
  });

  it("reports Winogrande", async () => {
    const csv = join(folder, "wino-out.csv");
    const report = JSON.parse(
      await perplexity("--winogrande", "-f", winogrande, "--json", "--csv", csv),
    );
    expect(report).toMatchObject({ tasks: "winogrande", n_tasks: 2, random_chance: 0.5 });
    expect(report.n_right).toBe(report.outcomes[0].right ? 2 : 0);
    expect(report.accuracy).toBe(report.n_right / 2);
    expect(readFileSync(csv, "utf8").split("\n")[0]).toBe("task,chosen,right,accuracy");
  });

  it("reports multiple choice from a binary file", async () => {
    const lines = await perplexity("--multiple-choice", "-bf", questions);
    expect(lines).toMatch(
      /^\ntask\tacc_norm\n1\t\d+\.0{8}\n2\t\d+\.0{8}\n\nFinal result: \d+\.0000 \+\/- \d+\.\d{4}\nRandom chance: 50\.0000/,
    );
  });

  it("refuses two measures at once and files of another kind", async () => {
    const failing = async (...args: string[]) => (await samebit("perplexity", ...args)).stderr;
    expect(await failing("--hellaswag", "--winogrande", "-f", winogrande)).toContain(
      "expected one measure, found --hellaswag and --winogrande",
    );
    expect(await failing("--hellaswag", "-f", winogrande)).toContain("expected 6 lines a task");
    expect(await failing("--multiple-choice", "-f", hellaswag)).toContain(hellaswag);
    expect(await failing("--multiple-choice")).toContain("expected -f FILE, found none");
  });
});

describe("samebit perplexity --ppl-stride", () => {
  const text = file("text.txt", TEXT);

  it("scores the end of every window", async () => {
    const run = (...args: string[]) =>
      perplexity("--ppl-stride", "8", "-c", "32", "-f", text, "--json", ...args);
    const report = JSON.parse(await run());
    expect(report).toMatchObject({ n_ctx: 36 });
    expect(report.scored_tokens).toBe(8 * report.n_chunks);
    const few = JSON.parse(await run("--chunks", "3", "-t", "3", "-b", "5"));
    expect(few.chunks).toEqual(report.chunks.slice(0, 3));
  });

  it("refuses a stride that is not inside the window", async () => {
    const { stderr } = await samebit("perplexity", "-c", "8", "--ppl-stride", "64", "-f", text);
    expect(stderr).toContain("stride: expected 1 to 39 tokens, found 64");
  });
});
