// The bits of logits do not depend on how they were asked for: one token at a time or all at once, threads, batch size,
// memory banks, neighbours in the batch. For every type of KV cache.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineOptions, Model, Session } from "../../src/index.ts";
import { built } from "../built.ts";
import {
  bitsOf,
  EMBEDDED,
  failureOf,
  FIXTURES,
  inside,
  LLAMA,
  someTokens,
} from "./special-models.ts";

const TOKENS = someTokens(70, 4096);

async function withModel<T>(
  path: string,
  options: EngineOptions,
  use: (model: Model) => Promise<T>,
): Promise<T> {
  const model = await built.loadModel(path, { nCtx: 96, ...options });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

async function rowsOf(session: Session, tokens: readonly number[]): Promise<string[]> {
  const rows: Float32Array[] = [];
  await session.evaluate(tokens, {
    outputs: "all",
    onLogits: (row) => void rows.push(row.slice()),
  });
  return bitsOf(rows);
}

describe.each(["f32", "f16", "q8_0"] as const)("%s cache", (cacheType) => {
  const cache = { cacheTypeK: cacheType, cacheTypeV: cacheType };
  let expected: string[];
  beforeAll(async () => {
    expected = await withModel(EMBEDDED, { threads: 1, ...cache }, async (model) =>
      bitsOf(await model.logits(TOKENS)),
    );
    expect(new Set(expected).size).toBe(TOKENS.length);
  });

  it.each([
    [{ threads: 2 }, 512],
    [{ threads: 3 }, 64],
    [{ threads: 4 }, 7],
    [{ threads: 2 }, 1],
    [{ inline: true }, 64],
  ])("%j, batches of %i tokens", async (options, nBatch) => {
    const found = await withModel(EMBEDDED, { ...options, nBatch, ...cache }, async (model) =>
      bitsOf(await model.logits(TOKENS)),
    );
    expect(found).toEqual(expected);
  });

  it("decode equals prefill", async () => {
    await withModel(EMBEDDED, { threads: 2, ...cache }, async (model) => {
      const session = model.createSession(),
        found: string[] = [];
      for (const token of TOKENS) found.push(...(await rowsOf(session, [token])));
      expect(found).toEqual(expected);
      // and in uneven pieces, after going back
      session.truncate(21);
      const again = expected.slice(0, 21);
      for (let at = 21, n = 1; at < TOKENS.length; at += n++)
        again.push(...(await rowsOf(session, TOKENS.slice(at, at + n))));
      expect(again).toEqual(expected);
    });
  });

  it("sequences in one batch", async () => {
    await withModel(
      EMBEDDED,
      { threads: 2, nSequences: 3, nBatch: 32, ...cache },
      async (model) => {
        const sessions = [0, 1, 2].map(() => model.createSession()),
          starts = [0, 5, 40];
        await sessions[1].evaluate(TOKENS.slice(0, 5), { outputs: "none" });
        await sessions[2].evaluate(TOKENS.slice(0, 40), { outputs: "none" });
        const rows = new Map(sessions.map((session) => [session, [] as string[]]));
        await model.evaluateBatch(
          sessions.map((session, i) => ({
            session,
            tokens: TOKENS.slice(starts[i]),
            outputs: "all" as const,
          })),
          (row, session, index) => {
            expect(index).toBe(rows.get(session)!.length);
            rows.get(session)!.push(...bitsOf([row]));
          },
        );
        sessions.forEach((session, i) => {
          expect(rows.get(session)).toEqual(expected.slice(starts[i]));
          expect(session.length).toBe(TOKENS.length);
        });
      },
    );
  });

  it("memory banks", async () => {
    const counts = new Set<number>();
    for (const bankBytes of [3_000_000, 2_000_000, 1_600_000, 930_000]) {
      await withModel(
        EMBEDDED,
        { threads: 2, bankBytes, nBatch: 64, nSequences: 2, ...cache },
        async (model) => {
          counts.add(model.nBanks);
          expect(bitsOf(await model.logits(TOKENS)), `${model.nBanks} banks`).toEqual(expected);
          // a copy parts from its origin in every bank
          const session = model.createSession();
          await session.evaluate(TOKENS.slice(0, 40), { outputs: "none" });
          const copy = session.copy();
          await session.evaluate([7, 8, 9]);
          expect(await rowsOf(copy, TOKENS.slice(40))).toEqual(expected.slice(40));
        },
      );
    }
    expect(Math.min(...counts)).toBe(2);
    expect(counts).toContain(3);
    expect(Math.max(...counts)).toBeGreaterThan(4);
  });
});

describe("fixtures", () => {
  it.each(FIXTURES)("%s: forced banks and one-token batches change nothing", async (path) => {
    const tokens = someTokens(20),
      precise = { weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32" } as const;
    for (const mode of [{}, precise]) {
      const expected = await withModel(path, { threads: 1, ...mode }, async (model) =>
        bitsOf(await model.logits(tokens)),
      );
      for (const options of [
        { threads: 2, bankBytes: 170_000 },
        { inline: true, bankBytes: 170_000 },
        { threads: 2, nBatch: 1 },
      ]) {
        const found = await withModel(path, { ...options, ...mode }, async (model) =>
          bitsOf(await model.logits(tokens)),
        );
        expect(found, JSON.stringify({ ...options, ...mode })).toEqual(expected);
      }
    }
  });
});

describe("options", () => {
  it("a bank smaller than a tensor is a MemoryError that names it", async () => {
    const error = await failureOf(built.loadModel(EMBEDDED, { bankBytes: 500_000 }));
    expect(error).toBeInstanceOf(built.MemoryError);
    expect(String(error)).toMatch(
      /token_embd\.weight: expected at most 500000 bytes in a memory bank, found \d+; use larger banks/,
    );
  });

  it.each([
    [{ threads: 0 }, /^threads: expected an integer from 1 to 128, found 0/],
    [{ threads: 1.5 }, /^threads: .* found 1.5/],
    [{ threads: 129 }, /^threads: /],
    [
      { threads: 2, inline: true },
      /^threads: expected 1 with inline, found 2; leave one of them out/,
    ],
    [{ threads: 0, inline: true }, /^threads: expected an integer from 1 to 128, found 0/],
    [{ nCtx: Number.NaN }, /^nCtx: expected an integer from 1 to \d+, found NaN/],
    [{ nCtx: 0 }, /^nCtx: /],
    [{ nBatch: -1 }, /^nBatch: /],
    [{ nBatch: Infinity }, /^nBatch: /],
    [{ nSequences: 0 }, /^nSequences: /],
    [{ bankBytes: Number.NaN }, /^bankBytes: /],
    [{ bankBytes: 0 }, /^bankBytes: /],
    [{ weights: "f16" }, /^weights: expected compact, fast or f32, found f16/],
    [{ cacheTypeK: "q4_0" }, /^cacheTypeK: expected f32, f16 or q8_0, found q4_0/],
    [{ cacheTypeV: "toString" }, /^cacheTypeV: /],
    [{ kernelBuild: "fast" }, /^kernel build: expected one of dot32/],
  ] as [EngineOptions, RegExp][])("refuses %j", async (options, message) => {
    const error = await failureOf(built.loadModel(LLAMA, options));
    expect(error).toBeInstanceOf(built.SamebitError);
    expect((error as Error).message).toMatch(message);
  });

  it("takes the smallest of everything", async () => {
    await withModel(LLAMA, { threads: 1, nCtx: 1, nBatch: 1, nSequences: 1 }, async (model) => {
      expect(model.nCtx).toBe(1);
      expect(await model.logits([5])).toHaveLength(1);
      expect(await failureOf(model.logits([5, 6]))).toBeInstanceOf(built.ContextFullError);
    });
  });
});

describe.each([{ threads: 2 }, { inline: true }])("concurrent evaluations, %j", (options) => {
  let model: Model, expected: string[];
  beforeAll(async () => {
    model = await built.loadModel(EMBEDDED, { nCtx: 96, nSequences: 4, nBatch: 8, ...options });
    expected = bitsOf(await model.logits(TOKENS));
  });
  afterAll(() => model.close());

  it("take turns and give the same bits", async () => {
    const sessions = [0, 1, 2].map(() => model.createSession()),
      finished: number[] = [];
    // the last is the shortest: it must not wait for all of the others
    const rows = await Promise.all(
      sessions.map(async (session, i) => {
        const found = await rowsOf(session, TOKENS.slice(0, [70, 48, 8][i]));
        finished.push(i);
        return found;
      }),
    );
    rows.forEach((found, i) => expect(found).toEqual(expected.slice(0, [70, 48, 8][i])));
    expect(finished).toEqual([2, 1, 0]);
    sessions.forEach((session) => session.close());
  });

  it("of one session are refused, like truncating and copying it meanwhile", async () => {
    const session = model.createSession();
    const first = rowsOf(session, TOKENS);
    expect(String(await failureOf(session.evaluate([5])))).toMatch(
      /session: expected no evaluation in progress, found one; await it first/,
    );
    expect(() => session.truncate(0)).toThrow(/evaluation in progress/);
    expect(() => session.copy()).toThrow(/evaluation in progress/);
    expect(await first).toEqual(expected);
    session.close();
  });

  it("end when their session is closed, and give its memory back", async () => {
    const { cache } = inside(model),
      [{ free }] = cache.stocks,
      pages = free.length,
      slots = cache.freeSlots.length;
    const session = model.createSession();
    const run = failureOf(session.evaluate(TOKENS));
    session.close();
    expect(await run).toMatchObject({ failure: "closed" });
    expect([free.length, cache.freeSlots.length]).toEqual([pages, slots]);
  });

  it("may be cancelled while they wait, without disturbing the others", async () => {
    const [a, b, c] = [0, 1, 2].map(() => model.createSession());
    const controller = new AbortController();
    const first = rowsOf(a, TOKENS),
      second = failureOf(b.evaluate(TOKENS, { signal: controller.signal })),
      third = rowsOf(c, TOKENS.slice(0, 9));
    controller.abort(new Error("enough"));
    expect(await second).toMatchObject({ failure: "cancelled", cause: { message: "enough" } });
    expect(await third).toEqual(expected.slice(0, 9));
    expect(await first).toEqual(expected);
    expect(b.length).toBe(0);
    for (const session of [a, b, c]) session.close();
  });

  it("generate twice at once", async () => {
    const alone = await model.generate("# git", { temperature: 0, maxTokens: 12 }).text();
    const both = await Promise.all(
      [1, 2].map(() => model.generate("# git", { temperature: 0, maxTokens: 12 }).text()),
    );
    expect(both).toEqual([alone, alone]);
  });
});
