// The comparison itself: it must find what is wrong, in both modes.
import { describe, expect, it } from "vitest";
import { ReferenceModel } from "./model.ts";
import { compareZoo, type Feed, loadZooCase, type ZooMode } from "./zoo.ts";

const zoo = loadZooCase("llama-q4_0");

/** A correct feed whose logits pass through `spoil`; `position` counts tokens from the start. */
async function feedOf(
  spoil: (logits: Float32Array, position: number) => ArrayLike<number>,
): Promise<Feed> {
  const model = await ReferenceModel.open(zoo.path, { nCtx: zoo.n_ctx });
  let position = 0;
  return (tokens) => {
    const start = position;
    position += tokens.length;
    return model.run(tokens, start).map((logits, i) => spoil(logits, start + i));
  };
}

describe("compareZoo", () => {
  it.each<ZooMode>(["f32", "native"])("passes the reference in mode %s", async (mode) => {
    const report = await compareZoo(zoo, await feedOf((logits) => logits), mode);
    expect(report.violations).toEqual([]);
    expect(report.differences["next_token_logprob_f32"]).toBeGreaterThan(0);
    expect(report.differences["argmax_f32"]).toBeGreaterThan(mode === "f32" ? 30 : 0);
  });

  it.each<[string, number, string]>([
    ["in the middle of the prompt", 17, "at position 17"],
    ["at the last prompt position", 39, "logprobs_f32 for token"],
    ["at a greedy step", 45, "at greedy step 6"],
    ["after the last greedy token", 55, "greedy.last_logits_f32 for token"],
  ])("finds a small difference %s", async (_, where, words) => {
    // 1e-3 is above the tolerance of 3e-4; every second logit moves, so that softmax cannot hide it.
    const feed = await feedOf((logits, position) =>
      logits.map((x, i) => (position === where && i % 2 === 0 ? x + 2e-3 : x)),
    );
    const { violations } = await compareZoo(zoo, feed, "f32");
    expect(violations.join("\n")).toContain(words);
  });

  it("finds another best token, and NaN", async () => {
    const reversed = await feedOf((logits) => Float32Array.from(logits).reverse());
    const native = await compareZoo(zoo, reversed, "native");
    expect(native.violations.join("\n")).toMatch(/argmax_f32 at position \d+: expected token/);
    const feed = await feedOf((logits) => logits.map(() => NaN));
    const { violations } = await compareZoo(zoo, feed, "native");
    expect(violations.length).toBeGreaterThan(320);
  });
});
