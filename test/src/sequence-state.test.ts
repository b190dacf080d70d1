// Models with recurrent state: what a session may do with it. State cannot be cut like a KV cache, but it can be copied,
// begun anew, and it survives a run that fails.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model, Session } from "../../src/index.ts";
import { built } from "../built.ts";
import { loadZooCase, zooNames } from "../reference/zoo.ts";

const NAMES = ["mamba", "mamba2", "lfm2", "rwkv7", "qwen35"];
const present = NAMES.filter((name) => zooNames().includes(name));
if (present.length < NAMES.length)
  console.warn(`SKIPPED: ${NAMES.length - present.length} zoo models of ../shared are absent`);

describe.each(present)("%s", (name) => {
  const zoo = loadZooCase(name),
    { tokens } = zoo;
  let model: Model;
  /** Logits of every token, from an empty history at once. */
  let rows: Float32Array[];
  beforeAll(async () => {
    model = await built.loadModel(zoo.path, { threads: 2, nCtx: 128, nSequences: 3, nBatch: 16 });
    rows = await model.logits(tokens);
  });
  afterAll(() => model.close());

  async function feed(session: Session, part: readonly number[]): Promise<Float32Array[]> {
    const found: Float32Array[] = [];
    await session.evaluate(part, {
      outputs: "all",
      onLogits: (row) => void found.push(row.slice()),
    });
    return found;
  }

  it("decodes token by token to the same bits", async () => {
    const session = model.createSession(),
      found: Float32Array[] = [];
    for (const token of tokens) found.push(...(await feed(session, [token])));
    session.close();
    expect(found).toEqual(rows);
  });

  it("keeps a prefix that is all of the history, or nothing", async () => {
    const session = model.createSession();
    await feed(session, tokens.slice(0, 9));
    expect(session.keepPrefix(tokens)).toBe(9);
    expect(await feed(session, tokens.slice(9))).toEqual(rows.slice(9));
    expect(session.keepPrefix(tokens)).toBe(0);
    expect(await feed(session, tokens)).toEqual(rows);
    session.close();
  });

  it("gives sequences of one batch the bits they have alone", async () => {
    const sessions = [model.createSession(), model.createSession()],
      found = new Map(sessions.map((s) => [s, [] as Float32Array[]]));
    // shares of different lengths, so that both begin and end in the middle of a batch
    for (const [from, to] of [
      [0, 5],
      [5, 6],
      [6, 20],
    ]) {
      await model.evaluateBatch(
        [
          { session: sessions[0], tokens: tokens.slice(from, to), outputs: "all" },
          { session: sessions[1], tokens: tokens.slice(2 * from, 2 * to), outputs: "all" },
        ],
        (row, session) => void found.get(session)!.push(row.slice()),
      );
    }
    expect(found.get(sessions[0])).toEqual(rows.slice(0, 20));
    expect(found.get(sessions[1])).toEqual(rows);
    sessions.forEach((session) => session.close());
  });

  it("copies a history", async () => {
    const session = model.createSession();
    await feed(session, tokens.slice(0, 11));
    const copy = session.copy();
    await feed(session, [1, 2, 3]); // must not reach the copy
    expect(await feed(copy, tokens.slice(11))).toEqual(rows.slice(11));
    session.close();
    copy.close();
  });

  it("goes back to the beginning only", async () => {
    const session = model.createSession();
    await feed(session, tokens.slice(0, 9));
    expect(() => session.truncate(4)).toThrow(
      /recurrent state, which cannot go back; truncate to 0/,
    );
    expect(session.length).toBe(9);
    session.truncate(0);
    expect(await feed(session, tokens)).toEqual(rows);
    session.close();
  });

  it("keeps the state of a run that was cut off", async () => {
    const session = model.createSession();
    await feed(session, tokens.slice(0, 7));
    for (const wait of [0, 1, 2]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), wait);
      // It may end before the signal comes: `length` says what was evaluated, and the state must agree with it.
      await session
        .evaluate(tokens.slice(session.length), { signal: controller.signal })
        .catch(() => {});
      if (session.length === tokens.length) session.truncate(0);
      const from = session.length;
      const [row] = await feed(session, [tokens[from]]);
      expect(row).toEqual(rows[from]);
    }
    await expect(session.evaluate([1], { signal: AbortSignal.abort() })).rejects.toThrow();
    session.close();
  });
});
