// The calling thread alone: runs that are cancelled in the middle, and a place with neither shared memory nor workers. That bits
// are the same is tested in test/golden, what goes wrong in failures.test.ts, loading in weights.test.ts.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Model } from "../../../src/index.ts";
import type * as Quants from "../../../src/quants.ts";
import type * as Tools from "../../../src/tools/index.ts";
import { built, logitsHash } from "../../built.ts";
import { EMBEDDED_CASE, readGolden } from "../../golden/cases.ts";
import { bitsOf, EMBEDDED, failureOf, inside, someTokens } from "../special-models.ts";

const quants = (await import(
  new URL("../../../dist/src/quants.js", import.meta.url).href
)) as typeof Quants;
const tools = (await import(
  new URL("../../../dist/src/tools/index.js", import.meta.url).href
)) as typeof Tools;

describe("a run", () => {
  let model: Model;
  beforeAll(async () => {
    model = await built.loadModel(EMBEDDED, { inline: true, nCtx: 1024, nSequences: 2 });
  });
  afterAll(() => model.close());

  it("is the calling thread's", () => {
    expect([model.inline, model.threads]).toEqual([true, 1]);
    const [{ memory }] = inside(model).banks;
    expect(memory.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it("is cancelled in the middle, and leaves the model as it was", async () => {
    const tokens = someTokens(512, model.nVocab),
      few = tokens.slice(0, 20),
      healthy = bitsOf(await model.logits(few));
    const session = model.createSession();
    await session.evaluate(few);
    // the event loop's third turn in a run of ten or so
    const controller = new AbortController();
    let turns = 0;
    const turn = () => void (++turns === 3 ? controller.abort("why") : setImmediate(turn));
    setImmediate(turn);
    const cancelled = session.evaluate(tokens, { signal: controller.signal });
    expect(await failureOf(cancelled)).toMatchObject({
      failure: "cancelled",
      message: "run: cancelled",
      cause: "why",
    });
    expect(session.length).toBe(few.length);
    session.truncate(0);
    const rows: Float32Array[] = [];
    await session.evaluate(few, {
      outputs: "all",
      onLogits: (row) => void rows.push(row.slice()),
    });
    expect(bitsOf(rows)).toEqual(healthy);
    session.close();
  });

  it("does not begin with a signal that is aborted, nor while another one goes on", async () => {
    const { pool, plan } = inside(model);
    const describeNothing = () => "nothing";
    expect(
      await failureOf(pool.run(plan.body, describeNothing, AbortSignal.abort("why"))),
    ).toMatchObject({ failure: "cancelled", cause: "why" });
    const evaluation = model.logits(someTokens(512, model.nVocab), { outputs: "last" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await failureOf(pool.run(plan.body, describeNothing))).toMatchObject({
      message: expect.stringMatching(/^run: expected the previous run to be over/),
    });
    expect(await evaluation).toHaveLength(1);
  });

  it("lets timers have their turn between tokens", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    const started = performance.now();
    const generation = model.generate("# git", {
      temperature: 0,
      ignoreEos: true,
      maxTokens: 200,
    });
    await generation.text();
    const milliseconds = performance.now() - started;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(Math.floor(milliseconds / 40));
  });
});

describe("without shared memory and workers", () => {
  beforeEach(() => {
    const { Memory } = WebAssembly;
    vi.stubGlobal("SharedArrayBuffer", undefined);
    vi.spyOn(WebAssembly, "Memory").mockImplementation(function (descriptor) {
      if (descriptor.shared) throw new RangeError("no shared memory here");
      return new Memory(descriptor);
    });
    vi.spyOn(Worker.prototype, "postMessage").mockImplementation(() => {
      throw new Error("no workers here");
    });
    vi.spyOn(Atomics, "wait").mockImplementation(() => {
      throw new Error("this thread cannot wait");
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it.each([{}, { threads: 1 }])("a model runs in the calling thread, with %o", async (options) => {
    const { path, tokens, nCtx } = EMBEDDED_CASE;
    expect(await logitsHash(path, tokens, { nCtx, ...options })).toBe(readGolden().models.embedded);
  });

  it.each<[string, () => Blob | Uint8Array]>([
    ["a Blob", () => new Blob([readFileSync(EMBEDDED)])],
    ["bytes", () => new Uint8Array(readFileSync(EMBEDDED))],
  ])("and is read from %s", async (_, source) => {
    await using model = await built.loadModel(source(), { nCtx: 64 });
    expect([model.inline, model.threads]).toEqual([true, 1]);
    expect(await model.generate("# git", { maxTokens: 5, temperature: 0 }).text()).not.toBe("");
  });

  it.each([
    [{ threads: 2 }, /^threads: expected 1, found 2; threads need shared memory/],
    [{ inline: false }, /^inline: expected true, found false; threads need shared memory/],
    [{ inline: true, threads: 2 }, /^threads: expected 1 with inline, found 2/],
  ])("%o is refused", async (options, message) => {
    for (const failure of [built.loadModel(EMBEDDED, options), quants.openQuantizer(options)]) {
      const error = await failureOf(failure);
      expect(error).toBeInstanceOf(built.OptionError);
      expect((error as Error).message).toMatch(message);
    }
  });

  it("weights are quantised and read back", async () => {
    const values = Float32Array.from({ length: 2048 }, (_, i) => Math.fround((i % 37) - 18));
    await using quantizer = await quants.openQuantizer();
    expect(quantizer.threads).toBe(1);
    const bytes = await quantizer.quantize("Q6_K", values);
    expect(bytes).toEqual(await quants.quantize("Q6_K", values));
    const found = await quants.dequantize("Q6_K", bytes, values.length);
    expect(found.every((x, i) => Math.abs(x - values[i]) < 1)).toBe(true);
    expect(await quants.quantizableTypes()).toContain("IQ2_KT");
  });

  it("models are measured", async () => {
    await using model = await built.loadModel(EMBEDDED, { nCtx: 64 });
    const chunks = tools.cutChunks(someTokens(200, model.nVocab), 64);
    const { perplexity } = await tools.measurePerplexity(model, chunks);
    expect(perplexity.value).toBeGreaterThan(1);
  });
});
