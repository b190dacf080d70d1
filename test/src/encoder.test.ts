// Encoder-decoder models: what a session may do with the two histories it has.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model, Session } from "../../src/index.ts";
import { built } from "../built.ts";
import { loadZooCase, zooNames } from "../reference/zoo.ts";

const present = zooNames().includes("t5");
if (!present) console.warn("SKIPPED: t5 of ../shared is absent");

describe.skipIf(!present)("t5", () => {
  const zoo = present ? loadZooCase("t5") : undefined!;
  const { tokens, decoder_tokens: decoderTokens = [] } = present ? zoo : { tokens: [] };
  let model: Model;
  let rows: Float32Array[];
  beforeAll(async () => {
    model = await built.loadModel(zoo.path, { threads: 2, nCtx: 64, nSequences: 2 });
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

  it("writes text from the decoder's start token on", async () => {
    const generation = model.generate(tokens, { maxTokens: 3, temperature: 0 });
    await generation.text();
    const [first] = await model.logits(tokens);
    expect(generation.tokens[0]).toBe(first.indexOf(Math.max(...first)));
  });
});
