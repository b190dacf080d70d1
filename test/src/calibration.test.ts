// Sums of squares that an engine loaded with `calibrate` gives, against the slow reference model.

import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ReferenceModel } from "../reference/model.ts";
import { ZOO } from "../reference/zoo.ts";
import { built, EMBEDDED } from "../built.ts";
import { LLAMA } from "./special-models.ts";

const MIXTRAL = `${ZOO}llama-moe-mixtral.gguf`;
if (!existsSync(MIXTRAL))
  console.warn(
    `${MIXTRAL}: expected a mixture of experts, found none; its calibration test is SKIPPED`,
  );

const TOKENS = Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % 300);
const PRECISE = { weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32" } as const;

async function calibrate(path: string, options: object) {
  const model = await built.loadModel(path, { nCtx: 64, calibrate: true, ...options });
  try {
    await model.logits(TOKENS);
    return { taken: model.takeCalibration(), again: model.takeCalibration() };
  } finally {
    await model.close();
  }
}

async function compare(path: string) {
  const reference = await ReferenceModel.open(path, { nCtx: 64 });
  reference.run(TOKENS);
  const { taken } = await calibrate(path, { threads: 2, ...PRECISE });
  expect([...taken.keys()].sort()).toEqual([...reference.calibration.sums.keys()].sort());
  for (const [name, matrices] of reference.calibration.sums) {
    const { sums, counts, width } = taken.get(name)!;
    expect(sums.length).toBe(counts.length * width);
    for (let i = 0; i < counts.length; i++) {
      const wanted = matrices[i] ?? { count: 0, squares: new Float64Array(width) };
      expect(counts[i], name).toBe(wanted.count);
      // f32 sums of 40 terms beside f64 ones, after f32 layers beside f64 ones
      wanted.squares.forEach((x, c) =>
        expect(Math.abs(sums[i * width + c] - x), `${name} ${i} ${c}`).toBeLessThan(
          1e-4 * x + 1e-7,
        ),
      );
    }
  }
  return taken;
}

describe("calibration", () => {
  it("sums squares of every product's input", async () => {
    const taken = await compare(LLAMA);
    expect(taken.get("output.weight")!.counts).toEqual(Uint32Array.of(TOKENS.length));
    expect(taken.size).toBe(2 * 7 + 1);
  });

  it.skipIf(!existsSync(MIXTRAL))("sums them by expert", async () => {
    const taken = await compare(MIXTRAL),
      { counts } = taken.get("blk.0.ffn_down_exps.weight")!;
    expect(counts.length).toBeGreaterThan(1);
    expect(counts.reduce((a, b) => a + b)).toBe(2 * TOKENS.length);
  });

  it.each([LLAMA, ...(existsSync(MIXTRAL) ? [MIXTRAL] : [])])(
    "gives the same bits for all threads, batch sizes and banks: %s",
    async (path) => {
      const { taken: one } = await calibrate(path, { threads: 1 });
      expect((await calibrate(path, { threads: 3 })).taken).toEqual(one);
      expect((await calibrate(path, { threads: 2, nBatch: 7 })).taken).toEqual(one);
      expect((await calibrate(path, { threads: 2, bankBytes: 90_000 })).taken).toEqual(one);
    },
  );

  it("begins again at 0, and costs other models nothing", async () => {
    const { again } = await calibrate(LLAMA, { threads: 1 });
    for (const { sums, counts } of again.values())
      expect([...sums, ...counts].every((x) => x === 0)).toBe(true);
    const plain = await built.loadModel(EMBEDDED, { threads: 1 });
    expect(plain.takeCalibration().size).toBe(0);
    await plain.close();
  });
});
