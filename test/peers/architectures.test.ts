// Random models against llama.cpp itself, where it is installed (npm install --prefix bench/peers): log-probabilities of the
// whole vocabulary at every position, f32 weights and cache on both sides.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ReferenceModel } from "../reference/model.ts";
import { RANDOM_MODELS, randomGguf, TOKENS } from "../reference/random-models.ts";
import { logProbabilities } from "../reference/zoo.ts";
import { installed, peerLogprobs } from "./llama-cpp.ts";

/**
 * GELU reads an f16 table in ggml, which differs from the exact function by about 1e-3; everything else agrees to f32
 * noise, which 40 layers make larger.
 */
const TOLERANCE = 1e-3;
const GELU_TOLERANCE = 2e-2;
const USES_GELU = new Set(["bloom", "starcoder", "gemma4", "mpt"]);

const folder = mkdtempSync(join(tmpdir(), "samebit-peers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("llama.cpp agrees", () => {
  const cases = RANDOM_MODELS.filter((model) => model.peer !== false);
  it.skipIf(!installed).each(cases)("$name", async (random) => {
    const path = join(folder, `${random.name}.gguf`);
    const bytes = await randomGguf(random);
    writeFileSync(path, bytes);
    const reference = await ReferenceModel.fromBytes(path, bytes, { nCtx: 512 });
    const expected = reference.run(TOKENS).map((logits) => logProbabilities(logits));
    const [found] = await peerLogprobs(path, expected[0].length, [TOKENS]);
    let worst = 0;
    for (const [i, row] of found.entries()) {
      for (const [t, x] of row.entries()) {
        // What is less likely than 1e-7 is rounded away by a softmax in f32.
        if (expected[i][t] < -16) continue;
        const difference = Math.abs(x - expected[i][t]);
        if (!(difference <= worst)) worst = difference;
      }
    }
    expect(worst).toBeLessThan(USES_GELU.has(random.arch) ? GELU_TOLERANCE : TOLERANCE);
  });
});
