// Encoder-decoder models: what a session may do with the two histories it has. The encoder alone gives embeddings.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model, Session } from "../../src/index.ts";
import { built } from "../built.ts";
import { ReferenceModel } from "../reference/model.ts";
import { randomGguf, TOKENS } from "../reference/random-models.ts";
import { RANDOM_T5, RANDOM_T5_ENCODER } from "../reference/t5-models.ts";
import { largestDifference, loadZooCase, zooNames } from "../reference/zoo.ts";

const present = zooNames().includes("t5");
if (!present) console.warn("SKIPPED: t5 of ../shared is absent");

const ofZoo = (): Case => {
  const { path, tokens, decoder_tokens: decoderTokens = [] } = loadZooCase("t5");
  return { name: "t5", tokens, decoderTokens, source: async () => path };
};
const random: Case = {
  name: "random t5",
  tokens: TOKENS.slice(0, 23),
  decoderTokens: [0, ...TOKENS.slice(23, 35)],
  source: () => randomGguf(RANDOM_T5),
};

interface Case {
  readonly name: string;
  readonly tokens: readonly number[];
  readonly decoderTokens: readonly number[];
  readonly source: () => Promise<string | Uint8Array>;
}

describe.each(present ? [random, ofZoo()] : [random])("$name", (t5) => {
  const { tokens, decoderTokens, source } = t5;
  let model: Model;
  let rows: Float32Array[];
  beforeAll(async () => {
    model = await built.loadModel(await source(), { threads: 2, nCtx: 64, nSequences: 2 });
    rows = await model.logits(tokens, { decoderTokens });
  });
  afterAll(() => model?.close());

  async function feed(session: Session, part: readonly number[]): Promise<Float32Array[]> {
    const found: Float32Array[] = [];
    await session.evaluate(part, {
      outputs: "all",
      onLogits: (row) => void found.push(row.slice()),
    });
    return found;
  }

  it("decodes token by token, and begins the decoder anew with the same encoder", async () => {
    const session = model.createSession();
    await session.encode(tokens);
    for (let round = 0; round < 2; round++) {
      const found = [];
      for (const token of decoderTokens) found.push(...(await feed(session, [token])));
      expect(found).toEqual(rows);
      session.truncate(3);
      expect(await feed(session, decoderTokens.slice(3))).toEqual(rows.slice(3));
      session.truncate(0);
    }
    session.close();
  });

  it("copies both histories, and gives two texts of one batch what each has alone", async () => {
    const session = model.createSession();
    await session.encode(tokens);
    await feed(session, decoderTokens.slice(0, 4));
    const copy = session.copy();
    session.truncate(0);
    await session.encode([7, 8, 9]);
    const other = await model
      .logits([7, 8, 9], { decoderTokens })
      .catch((error: Error) => error.message);
    // both sessions are in use: the model has no third
    expect(other).toContain("expected a free one");
    const found = new Map<Session, Float32Array[]>([
      [session, []],
      [copy, []],
    ]);
    await model.evaluateBatch(
      [
        { session, tokens: decoderTokens, outputs: "all" },
        { session: copy, tokens: decoderTokens.slice(4), outputs: "all" },
      ],
      (row, from) => void found.get(from)!.push(row.slice()),
    );
    expect(found.get(copy)).toEqual(rows.slice(4));
    session.close();
    copy.close();
    expect(found.get(session)).toEqual(await model.logits([7, 8, 9], { decoderTokens }));
  });

  it("takes no place for a copy that does not fit", async () => {
    const session = model.createSession(),
      others = [model.createSession()];
    await session.encode(tokens);
    expect(() => session.copy()).toThrow("expected a free one");
    others.push(model.createSession()); // the place that half of the copy had
    for (const each of [session, ...others]) each.close();
  });

  it("refuses the wrong order", async () => {
    const session = model.createSession();
    await expect(session.evaluate([0])).rejects.toThrow(
      /tokens for the encoder first, found none; call encode/,
    );
    await session.encode([5]);
    await session.evaluate([0]);
    await expect(session.encode([5])).rejects.toThrow(
      /expected an empty one for the encoder, found 1 tokens/,
    );
    session.truncate(0);
    await expect(session.encode([])).rejects.toThrow(/at least one token/);
    await expect(session.encode(Array.from({ length: 65 }, () => 3))).rejects.toThrow(
      /at most 64 tokens, found 65/,
    );
    session.close();
  });

  it("shifts the decoder's history, of which the prompt is no part", async () => {
    const session = model.createSession();
    const generation = model.generate(tokens, {
      ...{ session, maxTokens: 70, ignoreEos: true, temperature: 0 },
      ...{ onContextFull: "shift", nKeep: 3 },
    });
    await generation.text();
    const [first, second] = generation.tokens;
    expect(session.length).toBeLessThan(64);
    expect(session.tokens.slice(0, 3)).toEqual([model.decoderStartToken, first, second]);
    session.close();
  });

  it("writes text from the decoder's start token on", async () => {
    const generation = model.generate(tokens, { maxTokens: 3, temperature: 0 });
    await generation.text();
    const [first] = await model.logits(tokens);
    expect(generation.tokens[0]).toBe(first.indexOf(Math.max(...first)));
  });
});

const F32 = { weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32", nCtx: 64 } as const;

/** Of a number, relative to the largest: float noise of three layers. */
const TOLERANCE = 2e-5;

/** The largest difference of any row, relative to the largest number of all. */
function difference(found: readonly Float32Array[], expected: readonly Float32Array[]): number {
  const scale = Math.max(...expected.map((row) => Math.max(...row.map(Math.abs))));
  return Math.max(...expected.map((row, i) => largestDifference(found[i], row))) / scale;
}

describe("random t5", () => {
  it("agrees with the reference, with the same bits for every thread count and batch size", async () => {
    const { tokens, decoderTokens } = random;
    const bytes = await randomGguf(RANDOM_T5);
    const reference = await ReferenceModel.fromBytes("t5", bytes, { nCtx: 64 });
    const precise = await built.loadModel(bytes, { threads: 1, ...F32 });
    const found = await precise.logits(tokens, { decoderTokens });
    await precise.close();
    expect(found.length).toBe(decoderTokens.length);
    expect(difference(found, reference.run(decoderTokens, 0, tokens))).toBeLessThan(TOLERANCE);

    const rows = [];
    for (const options of [
      { threads: 1, nBatch: 64 },
      { threads: 3, nBatch: 1 },
    ]) {
      const model = await built.loadModel(bytes, { nCtx: 64, ...options });
      rows.push(await model.logits(tokens, { decoderTokens }));
      await model.close();
    }
    expect(rows[0]).toEqual(rows[1]);
  });
});

describe("random t5encoder", () => {
  it("agrees with the reference, with the same bits for every thread count", async () => {
    const bytes = await randomGguf(RANDOM_T5_ENCODER);
    const reference = await ReferenceModel.fromBytes("t5encoder", bytes, { nCtx: 64 });
    const model = await built.loadModel(bytes, { threads: 1, ...F32 });
    const three = await built.loadModel(bytes, { threads: 3, ...F32 });
    const [found, other] = [await model.embed([TOKENS]), await three.embed([TOKENS])];
    await model.close();
    await three.close();
    expect(found).toEqual(other);
    expect(difference(found, reference.run(TOKENS))).toBeLessThan(TOLERANCE);
  });
});
