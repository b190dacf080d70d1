// The engine against the slow reference on architectures that the zoo does not have: the precise mode within f32 noise,
// and one hash over threads and batch sizes in the normal mode.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { built, logitsHash } from "../built.ts";
import { ReferenceModel } from "../reference/model.ts";
import { RANDOM_MODELS, randomGguf, TOKENS } from "../reference/random-models.ts";

/** Largest |difference| of a logit, relative to the largest logit. Deep models let rounding grow. */
const TOLERANCE = 2e-5;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "samebit-random-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(RANDOM_MODELS.filter((model) => !model.alias))("random $name", (random) => {
  const path = (): string => join(folder, `${random.name}.gguf`);

  it("agrees with the reference", async () => {
    const bytes = await randomGguf(random);
    writeFileSync(path(), bytes);
    const reference = await ReferenceModel.fromBytes(path(), bytes, { nCtx: 512 });
    const expected = reference.run(TOKENS);
    const unused = [...reference.gguf.tensors.keys()].filter(
      (name) => !reference.usedTensors.has(name) && !(name in (random.unread ?? {})),
    );
    // n_ctx is above the original context: the long factors hold.
    expect(unused.filter((name) => name !== "rope_factors_short.weight")).toEqual([]);

    const precise = { weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32" } as const;
    const model = await built.loadModel(path(), { threads: 1, nCtx: 512, nBatch: 16, ...precise });
    try {
      const found = await model.logits(TOKENS);
      const scale = Math.max(...expected.flatMap((row) => [...row].map(Math.abs)));
      let worst = 0;
      for (const [i, row] of found.entries()) {
        for (const [t, x] of row.entries()) {
          const difference = Math.abs(x - expected[i][t]) / scale;
          if (!(difference <= worst)) worst = difference;
        }
      }
      expect(worst).toBeLessThan(TOLERANCE);
    } finally {
      await model.close();
    }
  });

  it("gives one hash for every thread count and batch size", async () => {
    const options = [
      { threads: 1, nBatch: 64 },
      { threads: 3, nBatch: 1 },
    ];
    const hashes = [];
    for (const option of options)
      hashes.push(await logitsHash(path(), TOKENS, { nCtx: 512, ...option }));
    expect(new Set(hashes).size, hashes.join(" ")).toBe(1);
  });
});
