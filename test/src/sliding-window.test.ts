// Models with sliding windows: what they forget changes no bit, and saves memory.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineOptions, Model, Session } from "../../src/index.ts";
import { built } from "../built.ts";
import { RANDOM_MODELS, randomGguf } from "../reference/random-models.ts";
import { bitsOf } from "./special-models.ts";

const CTX = 512;
/** More than two chunks of attention, and many windows. */
const TOKENS = Array.from({ length: 300 }, (_, i) => (i === 0 ? 1 : (i * 67 + 29) % 317));

// Windows in two of three layers, which have heads of another length than the third.
const random = RANDOM_MODELS.find(({ name }) => name === "gemma4-experts")!;
let bytes: Uint8Array;
let expected: string[];

async function withModel<T>(options: EngineOptions, use: (model: Model) => Promise<T>): Promise<T> {
  await using model = await built.loadModel(bytes, { threads: 2, nCtx: CTX, ...options });
  return await use(model);
}

async function rows(session: Session, tokens: readonly number[]): Promise<string[]> {
  const found: Float32Array[] = [];
  await session.evaluate(tokens, {
    outputs: "all",
    onLogits: (row) => void found.push(row.slice()),
  });
  return bitsOf(found);
}

beforeAll(async () => {
  bytes = await randomGguf(random);
  expected = await withModel({ swaFull: true }, async (model) =>
    bitsOf(await model.logits(TOKENS)),
  );
});

describe("a model with sliding windows", () => {
  it.each([
    { nBatch: 1, threads: 1 },
    { nBatch: 7, threads: 3 },
    { nBatch: 64 },
    { nBatch: 16, cacheTypeK: "f16", bankBytes: 200_000 },
    {},
  ] as const)("gives the bits of one that keeps everything, %o", async (options) => {
    const found = await withModel(options, (model) => model.logits(TOKENS));
    expect(bitsOf(found)).toEqual(expected);
  });

  it("holds a window and a run of positions in those layers", async () => {
    const bytesOf = (options: EngineOptions) =>
      withModel(options, (model) => Promise.resolve(model.cacheBytes));
    const nCtx = 1024,
      full = await bytesOf({ swaFull: true, nBatch: 16, nCtx });
    const { keys } = random;
    const dim = { windowed: 16, global: 32 };
    // f16 keys and values of two heads, each with a mark
    const perPosition = (width: number) => 2 * 2 * (2 * width + 1);
    expect(keys).toMatchObject({ "attention.key_length_swa": 16, "attention.key_length": 32 });
    expect(full).toBe(nCtx * (2 * perPosition(dim.windowed) + perPosition(dim.global)));
    // 8 + 16 - 1 positions may touch three pages of 16, which come in groups of 16
    const held = 16 * 16 * 2 * perPosition(dim.windowed) + nCtx * perPosition(dim.global);
    expect(await bytesOf({ nBatch: 16, nCtx })).toBe(held);
    // a run takes all of the context: nothing is to be saved
    expect(await bytesOf({ nBatch: nCtx, nCtx })).toBe(full);
  });
});

describe("sessions of such a model", () => {
  let model: Model;
  beforeAll(async () => {
    model = await built.loadModel(bytes, { threads: 2, nCtx: CTX, nBatch: 16, nSequences: 3 });
  });
  afterAll(() => model?.close());

  it("go on after a copy, each for itself, in one batch", async () => {
    const session = model.createSession();
    await rows(session, TOKENS.slice(0, 203));
    const copy = session.copy();
    const other = model.createSession();
    expect(await rows(copy, TOKENS.slice(203, 207))).toEqual(expected.slice(203, 207));
    const found = new Map<Session, string[]>([session, copy, other].map((s) => [s, []]));
    await model.evaluateBatch(
      [
        { session, tokens: TOKENS.slice(203), outputs: "all" },
        { session: copy, tokens: TOKENS.slice(207), outputs: "all" },
        { session: other, tokens: TOKENS.slice(0, 50), outputs: "all" },
      ],
      (row, from) => void found.get(from)!.push(...bitsOf([row])),
    );
    expect(found.get(session)).toEqual(expected.slice(203));
    expect(found.get(copy)).toEqual(expected.slice(207));
    expect(found.get(other)).toEqual(expected.slice(0, 50));
    for (const each of found.keys()) each.close();
  });

  it("go back as far as the windows reach, and say so where they do not", async () => {
    const session = model.createSession();
    await rows(session, TOKENS.slice(0, 200));
    await rows(session, TOKENS.slice(200, 210));
    // a draft that was not taken: back into the last evaluation, to its start at least
    for (const length of [205, 200]) {
      expect(session.canTruncate(length)).toBe(true);
      session.truncate(length);
      expect(await rows(session, TOKENS.slice(length, 210))).toEqual(expected.slice(length, 210));
    }
    expect(session.canTruncate(100)).toBe(false);
    expect(() => session.truncate(100)).toThrow(built.SamebitError);
    expect(() => session.truncate(100)).toThrow(
      /expected a length of 0 or from 199 to 210, found 100: what lies before has left the model's sliding window/,
    );
    // nothing happened
    expect(await rows(session, TOKENS.slice(210, 220))).toEqual(expected.slice(210, 220));
    session.truncate(0);
    expect(await rows(session, TOKENS.slice(0, 40))).toEqual(expected.slice(0, 40));
    session.close();
  });

  it("go back anywhere with swaFull", async () => {
    await withModel({ swaFull: true, nBatch: 16 }, async (full) => {
      const session = full.createSession();
      await rows(session, TOKENS.slice(0, 200));
      expect(session.canTruncate(100)).toBe(true);
      session.truncate(100);
      expect(await rows(session, TOKENS.slice(100, 130))).toEqual(expected.slice(100, 130));
    });
  });
});
