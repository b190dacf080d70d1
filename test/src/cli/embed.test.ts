import { describe, expect, it } from "vitest";
import { built } from "../../built.ts";
import { loadZooCase, zooNames } from "../../reference/zoo.ts";
import { fixture, samebit } from "./command.ts";

const file = fixture("zoo/llama-q4_0.gguf");
const embed = async (...args: string[]) => {
  const { code, stdout, stderr } = await samebit("embed", ...args, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as { embedding?: number[]; embeddings?: number[][] };
};
const length = (v: number[]) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));

describe("samebit embed", () => {
  it("prints what model.embed gives", async () => {
    const model = await built.loadModel(file, { embeddings: true, pooling: "mean" });
    const [vector] = await model.embed([[5, 9, 300]]);
    const [ofText] = await model.embed(["some text"]);
    await model.close();
    const mean = ["-m", file, "--pooling", "mean"];
    expect(await embed(...mean, "--tokens", "5,9,300")).toEqual({ embedding: Array.from(vector) });
    expect(await embed(...mean, "-p", "some text")).toEqual({ embedding: Array.from(ofText) });
  });

  it("scales vectors to length 1", async () => {
    const args = ["-m", file, "--pooling", "last", "--tokens", "5,9,300"];
    const plain = (await embed(...args)).embedding!;
    const unit = (await embed(...args, "--normalize")).embedding!;
    expect(length(unit)).toBeCloseTo(1, 6);
    expect(unit[0] / plain[0]).toBeCloseTo(1 / length(plain), 5);
  });

  it("prints a vector for each token where nothing is pooled", async () => {
    const { embeddings } = await embed("-m", file, "--tokens", "5,9,300");
    const { embedding } = await embed("-m", file, "--tokens", "5,9,300", "--pooling", "last");
    expect(embeddings!.length).toBe(3);
    expect(embeddings![2]).toEqual(embedding);
  });

  it("refuses what cannot be embedded", async () => {
    const both = await samebit("embed", "-m", file, "--tokens", "1", "-p", "x");
    expect([both.code, both.stderr]).toEqual([
      2,
      expect.stringContaining("--tokens: expected no text beside it"),
    ]);
    const long = await samebit("embed", "-m", file, "--tokens", "1,2,3,4", "-c", "3");
    expect([long.code, long.stderr]).toEqual([
      1,
      expect.stringContaining("at most 3 tokens, found 4"),
    ]);
    const strange = await samebit("embed", "-m", file, "--tokens", "1,2,320");
    expect(strange.stderr).toContain("token 2: expected an id from 0 to 319, found 320");
  });

  it.skipIf(!zooNames().includes("bert"))("runs no text on a model without logits", async () => {
    const { path } = loadZooCase("bert");
    const { code, stderr } = await samebit("logits", "-m", path, "--tokens", "1,2");
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("one that gives embeddings; use embed"),
    ]);
  });
});
