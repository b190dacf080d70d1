// A session: history that can be extended, cut, copied, cancelled and closed, always with the bits of a fresh evaluation.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model, Session } from "../../src/index.ts";
import { built } from "../built.ts";
import {
  bitsOf,
  EMBEDDED,
  failureOf,
  inside,
  LLAMA,
  settled,
  someTokens,
} from "./special-models.ts";

const TOKENS = someTokens(90);

async function rowsOf(session: Session, tokens: readonly number[]): Promise<string[]> {
  const rows: Float32Array[] = [];
  await session.evaluate(tokens, {
    outputs: "all",
    onLogits: (row) => void rows.push(row.slice()),
  });
  return bitsOf(rows);
}

let model: Model, expected: string[];
beforeAll(async () => {
  model = await built.loadModel(LLAMA, { threads: 2, nCtx: 100, nBatch: 32, nSequences: 3 });
  expected = bitsOf(await model.logits(TOKENS));
});
afterAll(() => model.close());

describe("history", () => {
  it.each([0, 1, 15, 16, 17, 48, 89])(
    "truncated to %i and continued equals a fresh one",
    async (length) => {
      const session = model.createSession();
      await session.evaluate(TOKENS.slice(0, 60).reverse().concat(TOKENS.slice(0, 30)), {
        outputs: "none",
      });
      session.truncate(0);
      await session.evaluate(TOKENS, { outputs: "none" });
      session.truncate(length);
      expect(session.length).toBe(length);
      expect(await rowsOf(session, TOKENS.slice(length))).toEqual(expected.slice(length));
      session.close();
    },
  );

  it("is told, and kept as far as other tokens begin with it", async () => {
    const session = model.createSession();
    expect([session.tokens, session.keepPrefix(TOKENS)]).toEqual([[], 0]);
    await session.evaluate(TOKENS.slice(0, 40), { outputs: "none" });
    await model.evaluateBatch([{ session, tokens: [7, 8], outputs: "none" }], () => {});
    expect(session.tokens).toEqual([...TOKENS.slice(0, 40), 7, 8]);
    const copy = session.copy();
    expect(session.keepPrefix(TOKENS)).toBe(40);
    expect([session.tokens, copy.length]).toEqual([TOKENS.slice(0, 40), 42]);
    expect(copy.tokens).toEqual([...TOKENS.slice(0, 40), 7, 8]);
    copy.close();
    expect(await rowsOf(session, TOKENS.slice(40))).toEqual(expected.slice(40));
    // the last token is evaluated in any case: its logits are wanted
    expect(session.keepPrefix(TOKENS.slice(0, 50))).toBe(49);
    expect(await rowsOf(session, TOKENS.slice(49))).toEqual(expected.slice(49));
    expect(session.keepPrefix([TOKENS[0] + 1, ...TOKENS.slice(1)])).toBe(0);
    expect([session.length, session.tokens]).toEqual([0, []]);
    session.close();
  });

  it("holds the tokens of the runs that succeeded", async () => {
    const session = model.createSession(),
      controller = new AbortController();
    const evaluation = session.evaluate(TOKENS, {
      outputs: "all",
      signal: controller.signal,
      onLogits: () => controller.abort(),
    });
    expect(await failureOf(evaluation)).toMatchObject({ failure: "cancelled" });
    expect(session.length).toBeLessThan(TOKENS.length);
    expect(session.tokens).toEqual(TOKENS.slice(0, session.length));
    session.close();
  });

  it.each([5, 16, 33])("copied at %i goes its own way, on both sides", async (length) => {
    const origin = model.createSession();
    await origin.evaluate(TOKENS.slice(0, length), { outputs: "none" });
    const copies = [origin.copy(), origin.copy()];
    await copies[0].evaluate(TOKENS.slice(0, 20), { outputs: "none" });
    await origin.evaluate([9, 8, 7], { outputs: "none" });
    expect(await rowsOf(copies[1], TOKENS.slice(length))).toEqual(expected.slice(length));
    for (const session of [origin, copies[0]]) {
      session.truncate(length);
      expect(await rowsOf(session, TOKENS.slice(length))).toEqual(expected.slice(length));
    }
    for (const session of [origin, ...copies]) session.close();
  });

  it("a copy and its origin in one batch part their last page", async () => {
    const origin = model.createSession();
    await origin.evaluate(TOKENS.slice(0, 20), { outputs: "none" });
    const copy = origin.copy(),
      rows = new Map<Session, string[]>([
        [origin, []],
        [copy, []],
      ]);
    await model.evaluateBatch(
      [
        { session: origin, tokens: TOKENS.slice(20, 30), outputs: "all" },
        { session: copy, tokens: [4, 4, 4, 4], outputs: "all" },
      ],
      (row, session) => rows.get(session)!.push(...bitsOf([row])),
    );
    expect(rows.get(origin)).toEqual(expected.slice(20, 30));
    expect(rows.get(copy)).toEqual(
      bitsOf((await model.logits([...TOKENS.slice(0, 20), 4, 4, 4, 4])).slice(20)),
    );
    origin.close();
    copy.close();
  });

  it("which tokens get logits", async () => {
    const session = model.createSession(),
      seen: number[] = [];
    const onLogits = (_: Float32Array, index: number) => void seen.push(index);
    await session.evaluate(TOKENS.slice(0, 5), { outputs: "none", onLogits });
    await session.evaluate(TOKENS.slice(5, 50), { onLogits });
    expect(seen).toEqual([44]);
    await session.evaluate(TOKENS.slice(50, 53), { outputs: "all", onLogits });
    expect(seen).toEqual([44, 0, 1, 2]);
    await session.evaluate([], { outputs: "all", onLogits });
    expect(seen).toHaveLength(4);
    expect(session.length).toBe(53);
    session.close();
  });
});

describe("refusals change nothing", () => {
  it("context full", async () => {
    const session = model.createSession();
    await session.evaluate(TOKENS, { outputs: "none" });
    expect(session.room).toBe(10);
    const error = await failureOf(session.evaluate(TOKENS.slice(0, 11)));
    expect(error).toBeInstanceOf(built.ContextFullError);
    expect((error as Error).message).toMatch(
      /^context: expected room for 11 more tokens after 90, found 10 of 100; .*larger context/,
    );
    // longer than a batch: nothing of it may have been evaluated
    expect(await failureOf(session.evaluate(TOKENS))).toBeInstanceOf(built.ContextFullError);
    expect([session.length, session.room]).toEqual([90, 10]);
    await session.evaluate(TOKENS.slice(0, 10));
    expect([session.length, session.room]).toEqual([100, 0]);
    session.truncate(30);
    expect(await rowsOf(session, TOKENS.slice(30))).toEqual(expected.slice(30));
    session.close();
  });

  it("one full session keeps the others of its batch waiting for nothing", async () => {
    const full = model.createSession(),
      other = model.createSession();
    await full.evaluate(TOKENS, { outputs: "none" });
    const parts = [
      { session: other, tokens: TOKENS.slice(0, 40), outputs: "none" as const },
      { session: full, tokens: TOKENS, outputs: "none" as const },
    ];
    expect(await failureOf(model.evaluateBatch(parts, () => {}))).toBeInstanceOf(
      built.ContextFullError,
    );
    expect([full.length, other.length]).toEqual([90, 0]);
    full.close();
    other.close();
  });

  it.each([
    [-1],
    [320],
    [1.5],
    [Number.NaN],
    [undefined as unknown as number],
    ["5" as unknown as number],
    [2 ** 32 + 5],
  ])("token id %s", async (bad) => {
    const session = model.createSession();
    const error = await failureOf(session.evaluate([...TOKENS.slice(0, 40), bad]));
    expect(error).toBeInstanceOf(built.OptionError);
    expect((error as Error).message).toBe(`token 40: expected an id from 0 to 319, found ${bad}`);
    expect(session.length).toBe(0);
    session.close();
  });

  it("takes any array of numbers, as it was when it was given", async () => {
    const session = model.createSession(),
      tokens = Int32Array.from(TOKENS),
      rows: Float32Array[] = [];
    const run = session.evaluate(tokens, {
      outputs: "all",
      onLogits: (row) => void rows.push(row.slice()),
    });
    tokens.fill(-1);
    await run;
    expect(bitsOf(rows)).toEqual(expected);
    session.close();
  });

  it("outputs of no known kind", async () => {
    const session = model.createSession();
    expect(await failureOf(session.evaluate([5], { outputs: "first" as "last" }))).toMatchObject({
      name: "OptionError",
    });
    session.close();
  });

  it("more sessions than the model has", async () => {
    const sessions = [0, 1, 2].map(() => model.createSession());
    expect(() => model.createSession()).toThrow("sequence: expected a free one, found all in use");
    expect(() => sessions[0].copy()).toThrow("sequence: expected a free one");
    sessions[1].close();
    sessions[1].close(); // once only gives back
    const again = model.createSession();
    expect(() => model.createSession()).toThrow("found all in use");
    for (const session of [sessions[0], sessions[2], again]) session.close();
  });

  it("closed sessions, sessions of other models, and one session twice", async () => {
    const closed = model.createSession(),
      open = model.createSession();
    closed.close();
    expect(await failureOf(closed.evaluate([5]))).toMatchObject({
      message: "session: expected it open, found it closed",
    });
    expect(() => closed.truncate(0)).toThrow("found it closed");
    expect(() => closed.copy()).toThrow("found it closed");
    const part = (session: Session) => ({ session, tokens: [5], outputs: "last" as const });
    expect(
      await failureOf(model.evaluateBatch([part(open), part(closed)], () => {})),
    ).toMatchObject({ name: "SamebitError" });
    expect(await failureOf(model.evaluateBatch([part(open), part(open)], () => {}))).toMatchObject({
      name: "OptionError",
    });
    const other = await built.loadModel(LLAMA, { threads: 1 });
    expect(
      await failureOf(model.evaluateBatch([part(other.createSession())], () => {})),
    ).toMatchObject({
      message: "session: expected one of this model that is open, found another",
    });
    expect(open.length).toBe(0);
    open.close();
    await other.close();
    expect(() => other.createSession()).toThrow("model: expected it open, found it closed");
    expect(await failureOf(other.logits([5]))).toMatchObject({
      name: "RunError",
      failure: "closed",
    });
  });
});

describe("what the caller throws", () => {
  it("in onLogits comes out, and leaves the session as before that run", async () => {
    const session = model.createSession();
    await session.evaluate(TOKENS.slice(0, 10), { outputs: "none" });
    const error = await failureOf(
      session.evaluate(TOKENS.slice(10, 20), {
        onLogits: () => {
          throw new TypeError("mine");
        },
      }),
    );
    expect(error).toEqual(new TypeError("mine"));
    expect(session.length).toBe(10);
    expect(await rowsOf(session, TOKENS.slice(10))).toEqual(expected.slice(10));
    session.close();
  });
});

describe("a failed run", () => {
  it("gives its pages back: a copy made afterwards shares none of them", async () => {
    const [{ free }] = inside(model).cache.stocks,
      before = free.length,
      session = model.createSession();
    await session.evaluate(TOKENS.slice(0, 10), { outputs: "none" });
    expect(
      await failureOf(
        session.evaluate(TOKENS.slice(10, 42), {
          onLogits: () => {
            throw new Error("mine");
          },
        }),
      ),
    ).toBeDefined();
    expect(free.length).toBe(before - 1);
    const copy = session.copy(),
      rows = new Map<Session, string[]>([
        [session, []],
        [copy, []],
      ]);
    // both in one batch: were pages shared, one would read what the other writes
    await model.evaluateBatch(
      [
        { session: copy, tokens: TOKENS.slice(10, 26), outputs: "all" },
        { session, tokens: TOKENS.slice(0, 16), outputs: "none" },
      ],
      (row, from) => rows.get(from)!.push(...bitsOf([row])),
    );
    await model.evaluateBatch(
      [
        { session, tokens: TOKENS.slice(0, 10), outputs: "none" },
        { session: copy, tokens: TOKENS.slice(26, 40), outputs: "all" },
      ],
      (row, from) => rows.get(from)!.push(...bitsOf([row])),
    );
    expect(rows.get(copy)).toEqual(expected.slice(10, 40));
    session.close();
    copy.close();
    expect(free.length).toBe(before);
  });
});

describe("cancelling", () => {
  it("before the run", async () => {
    const session = model.createSession();
    const error = await failureOf(session.evaluate(TOKENS, { signal: AbortSignal.abort("no") }));
    expect(error).toMatchObject({ name: "RunError", failure: "cancelled", cause: "no" });
    expect(session.length).toBe(0);
    session.close();
  });

  it("during a long prompt: ends early; what was evaluated stays; the bits stay", async () => {
    const large = await built.loadModel(EMBEDDED, { threads: 2, nCtx: 4096 });
    try {
      const tokens = someTokens(4096, large.nVocab),
        session = large.createSession();
      for (const delay of [0, 5, 40]) {
        session.truncate(0);
        const controller = new AbortController();
        const run = failureOf(
          session.evaluate(tokens, { outputs: "all", signal: controller.signal }),
        );
        await new Promise((resolve) => setTimeout(resolve, delay));
        controller.abort();
        expect(await run).toMatchObject({ failure: "cancelled" });
        expect(session.length).toBeLessThan(4096);
        expect(session.length % 512).toBe(0);
      }
      session.truncate(Math.min(session.length, 16));
      const at = session.length,
        rows = await rowsOf(session, tokens.slice(at, 40));
      session.close();
      expect(rows).toEqual(bitsOf(await settled(large.logits(tokens.slice(0, 40)))).slice(at));
    } finally {
      await settled(large.close());
    }
  });

  it("with a signal that is aborted after the run has no effect", async () => {
    const session = model.createSession(),
      controller = new AbortController();
    await session.evaluate(TOKENS.slice(0, 10), { signal: controller.signal });
    controller.abort();
    expect(await rowsOf(session, TOKENS.slice(10))).toEqual(expected.slice(10));
    session.close();
  });

  it("many times at any moment never hangs and never changes a bit", async () => {
    const session = model.createSession();
    for (let i = 0; i < 60; i++) {
      const controller = new AbortController(),
        length = session.length;
      const run = failureOf(
        session.evaluate(TOKENS.slice(length, length + 20), { signal: controller.signal }),
      );
      // from at once to after the run: a chain of microtasks and turns of the event loop
      for (let turn = 0; turn < i % 12; turn++)
        await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      const error = await run;
      if (error) expect(error).toMatchObject({ failure: "cancelled" });
      expect(session.length).toBe(error ? length : Math.min(length + 20, 90));
      if (session.length >= 90) session.truncate(i % 50);
    }
    session.truncate(0);
    expect(await settled(rowsOf(session, TOKENS))).toEqual(expected);
    session.close();
  });
});
