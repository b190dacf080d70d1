// The bit contract on this runtime: one hash for every kernel build that runs here, thread count (none but the calling one
// included), batch size, cache state and number of memory banks; and it is the committed one.

import { describe, expect, it } from "vitest";
import { Numerics } from "../../src/memory/abi.generated.ts";
import { unicodeFingerprint } from "../../src/tokenizer/index.ts";
import { built, logitsHash } from "../built.ts";
import { candidates, EMBEDDED_CASE, goldenCases, readGolden, writeGolden } from "./cases.ts";

const relaxed = Number.parseInt(process.versions.v8, 10) >= 12;
const builds = relaxed ? (["dot32", "rel16", "base"] as const) : (["base"] as const);

describe("golden logits", async () => {
  if (process.env.UPDATE_GOLDEN) {
    const models: Record<string, string> = {};
    for (const { name, path, tokens, nCtx } of candidates()) {
      try {
        models[name] = await logitsHash(path, tokens, { nCtx });
      } catch (error) {
        console.warn(`golden: ${name} left out: ${(error as Error).message}`);
      }
    }
    writeGolden({ numerics: Numerics.version, unicode: unicodeFingerprint(), models });
  }
  const golden = readGolden();

  it("belong to this version of the numerics", () => {
    expect(golden.numerics).toBe(Numerics.version);
    expect(unicodeFingerprint()).toBe(golden.unicode);
  });

  it.each(goldenCases())("$name has the committed hash", async ({ name, path, tokens, nCtx }) => {
    expect(await logitsHash(path, tokens, { nCtx })).toBe(golden.models[name]);
  });

  it.each(goldenCases().filter(({ name }) => /iq[123]/.test(name)))(
    "$name has it with its weights as codes",
    async ({ name, path, tokens, nCtx }) => {
      const options = { nCtx, weights: "fast", threads: 2 } as const;
      expect(await logitsHash(path, tokens, options)).toBe(golden.models[name]);
    },
  );

  const { path, tokens, nCtx } = EMBEDDED_CASE,
    expected = golden.models.embedded;
  const variants = [
    ...builds.flatMap((kernelBuild) => [1, 2, 3, 4].map((threads) => ({ kernelBuild, threads }))),
    ...builds.map((kernelBuild) => ({ kernelBuild, inline: true })),
    ...[1, 7, 64].map((nBatch) => ({ nBatch, threads: 2 })),
    ...[900_000, 1_500_000].flatMap((bankBytes) => [
      { bankBytes, threads: 1 },
      { bankBytes, threads: 3, nBatch: 7 },
      { bankBytes, inline: true, nBatch: 7 },
    ]),
  ];
  it.each(variants)("the embedded model has it with %o", async (variant) => {
    expect(await logitsHash(path, tokens, { nCtx, ...variant })).toBe(expected);
  });

  it("forced banks are really several", async () => {
    const model = await built.loadModel(path, { nCtx, bankBytes: 900_000 });
    expect(model.nBanks).toBeGreaterThan(3);
    await model.close();
  });
});
