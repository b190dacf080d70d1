import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { built } from "../../built.ts";
import { RANDOM_ENCODERS } from "../../reference/random-encoders.ts";
import { randomGguf } from "../../reference/random-models.ts";
import { samebit } from "./command.ts";

const documents = ["a cat", "tomorrow's weather", "dogs"];
const some = ["-p", "what purrs?", ...documents.flatMap((text) => ["-d", text])];
const folder = mkdtempSync(join(tmpdir(), "samebit-rerank-"));
const file = join(folder, "reranker.gguf");

beforeAll(async () => {
  const random = RANDOM_ENCODERS.find(({ name }) => name === "qwen3-reranker")!;
  writeFileSync(file, await randomGguf(random));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("samebit rerank", () => {
  it("prints what model.rerank gives, and sorts for the eye", async () => {
    await using model = await built.loadModel(file, { embeddings: true });
    const scores = await model.rerank("what purrs?", documents);
    const { code, stdout, stderr } = await samebit("rerank", "-m", file, ...some, "--json");
    expect([code, stderr, JSON.parse(stdout)]).toEqual([0, "", { scores }]);

    const lines = (await samebit("rerank", "-m", file, ...some)).stdout.trimEnd().split("\n");
    const best = scores.map((score, i) => ({ score, text: documents[i] }));
    best.sort((a, b) => b.score - a.score);
    expect(lines).toEqual(best.map(({ score, text }) => `${score.toFixed(6)}  ${text}`));
  });

  it("refuses a model without a classifier, and a query without documents", async () => {
    const none = await samebit("rerank", "-m", file, "-p", "x");
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("--document: expected")]);
    const plain = await samebit("rerank", "-p", "x", "-d", "y"); // the embedded model
    expect([plain.code, plain.stderr]).toEqual([1, expect.stringContaining("is no reranker")]);
  });
});
