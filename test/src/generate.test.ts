// Generation: what comes out for a prompt, where it ends, and what happens when the context is full.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Generation, type GenerateOptions, type GeneratingModel } from "../../src/generate.ts";
import type { Model } from "../../src/index.ts";
import type { EvaluateOptions } from "../../src/session.ts";
import { built } from "../built.ts";
import { EMBEDDED, failureOf, LLAMA, settled } from "./special-models.ts";

const PROMPT = "# git stash\n";
let model: Model;
beforeAll(async () => {
  model = await built.loadModel(EMBEDDED, { threads: 2, nCtx: 256, nSequences: 2 });
});
afterAll(() => model.close());

const greedy = { temperature: 0, maxTokens: 40 } as const;

describe("greedy", () => {
  let text: string, tokens: readonly number[];
  beforeAll(async () => {
    const generation = model.generate(PROMPT, greedy);
    text = await generation.text();
    tokens = generation.tokens;
    expect(generation.stopReason).toBe("length");
    expect(tokens).toHaveLength(40);
    expect(text.length).toBeGreaterThan(40);
  });

  it("picks the most probable token at every step", async () => {
    const prompt = model.tokenize(PROMPT),
      rows = await model.logits([...prompt, ...tokens]);
    const best = rows.slice(prompt.length - 1, -1).map((row) => row.indexOf(Math.max(...row)));
    expect(best).toEqual(tokens);
  });

  it("is the same every time, on any number of threads", async () => {
    for (const threads of [1, 3]) {
      const other = await built.loadModel(EMBEDDED, { threads, nCtx: 256, nBatch: 5 });
      expect(await other.generate(PROMPT, greedy).text()).toBe(text);
      expect(await other.generate(PROMPT, { ...greedy, seed: 77 }).text()).toBe(text);
      await other.close();
    }
  });

  it("streams what detokenising all tokens gives", async () => {
    const pieces: string[] = [];
    for await (const piece of model.generate(PROMPT, greedy)) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(20);
    expect(pieces).not.toContain("");
    expect(pieces.join("")).toBe(text);
    expect(model.tokenizer.decode([...tokens], { continues: true })).toBe(text);
  });

  it("takes token ids as they are", async () => {
    const generation = model.generate(model.tokenize(PROMPT), greedy);
    expect(await generation.text()).toBe(text);
    expect(await model.generate(Int32Array.from(model.tokenize(PROMPT)), greedy).text()).toBe(text);
    expect(generation.promptTokens).toEqual(model.tokenize(PROMPT));
  });

  it.each([0, 1, 7])("writes at most %i tokens", async (maxTokens) => {
    const generation = model.generate(PROMPT, { ...greedy, maxTokens });
    expect(text.startsWith(await generation.text())).toBe(true);
    expect(generation.tokens).toEqual(tokens.slice(0, maxTokens));
    expect(generation.stopReason).toBe("length");
  });

  it("stops before a text, wherever its borders lie", async () => {
    for (const [from, to] of [
      [0, 1],
      [3, 9],
      [10, 30],
      [25, 26],
      [20, 60],
    ]) {
      const stop = text.slice(from, to),
        at = text.indexOf(stop),
        generation = model.generate(PROMPT, { ...greedy, stop: ["\u0001never", stop] });
      let seen = "";
      for await (const piece of generation) {
        seen += piece;
        expect(text.slice(0, at).startsWith(seen), JSON.stringify(seen)).toBe(true);
      }
      expect(seen).toBe(text.slice(0, at));
      expect(generation.stopReason).toBe("stop");
    }
  });

  it("stops at the first of several texts", async () => {
    const stops = [text.slice(30, 35), text.slice(12, 18)];
    expect(await model.generate(PROMPT, { ...greedy, stop: stops }).text()).toBe(
      text.slice(0, Math.min(...stops.map((s) => text.indexOf(s)))),
    );
  });

  it("gives back at the end what it held for a stop text that did not come", async () => {
    const stop = [`${text.slice(-3)}and more`];
    expect(await model.generate(PROMPT, { ...greedy, stop }).text()).toBe(text);
  });

  it("can be left early, and gives its session back", async () => {
    for (let i = 0; i < 5; i++) {
      const generation = model.generate(PROMPT, greedy);
      for await (const piece of generation) if (piece) break;
      expect(generation.stopReason).toBeUndefined();
    }
    const sessions = [model.createSession(), model.createSession()];
    expect(await failureOf(model.generate(PROMPT, greedy).text())).toMatchObject({
      name: "SamebitError",
      message: expect.stringContaining("expected a free one, found all in use"),
    });
    for (const session of sessions) session.close();
  });
});

describe("sampling", () => {
  const options = { temperature: 1, maxTokens: 25 };

  it("is determined by the seed", async () => {
    const [a, b, c] = [
      await model.generate(PROMPT, { ...options, seed: 5 }).text(),
      await model.generate(PROMPT, { ...options, seed: 5 }).text(),
      await model.generate(PROMPT, { ...options, seed: 6 }).text(),
    ];
    expect(a).toBe(b);
    expect(a).not.toBe(c);
  });

  it("says which seed it drew", async () => {
    const generation = model.generate(PROMPT, options),
      text = await generation.text();
    expect(await model.generate(PROMPT, { ...options, seed: generation.seed }).text()).toBe(text);
  });
});

describe("the end", () => {
  const [eos] = [2];

  it("an end token ends it, without a text of its own", async () => {
    expect(model.tokenizer.eogTokens).toContain(eos);
    const generation = model.generate(PROMPT, { ...greedy, logitBias: { [eos]: 1000 } });
    expect(await generation.text()).toBe("");
    expect(generation.tokens).toEqual([eos]);
    expect(generation.stopReason).toBe("end");
  });

  it("ignoreEos never draws an end token, whatever its bias", async () => {
    const generation = model.generate(PROMPT, {
      ...greedy,
      maxTokens: 5,
      ignoreEos: true,
      logitBias: { [eos]: 1000 },
    });
    await generation.text();
    expect(generation.tokens).toHaveLength(5);
    expect(generation.tokens.filter((token) => model.tokenizer.eogTokens.has(token))).toEqual([]);
    expect(generation.stopReason).toBe("length");
  });
});

describe("refusals", () => {
  it("an empty prompt is the BOS token where the model has one", async () => {
    const generation = model.generate("", { ...greedy, maxTokens: 3 });
    expect(generation.promptTokens).toEqual([1]);
    await generation.text();
    expect(generation.tokens).toHaveLength(3);
  });

  it.each([
    [[], {}, /^prompt: expected at least one token, found none/],
    [[-1], {}, /^prompt: expected token ids from 0 to 4095, found -1/],
    [[4096], {}, /^prompt: .*found 4096/],
    [[1.5], {}, /^prompt: .*found 1.5/],
    ["x", { maxTokens: -1 }, /^maxTokens: /],
    ["x", { maxTokens: 1.5 }, /^maxTokens: /],
    ["x", { maxTokens: Number.NaN }, /^maxTokens: /],
    ["x", { nKeep: -1 }, /^nKeep: /],
    ["x", { onContextFull: "wait" }, /^onContextFull: expected "error" or "shift", found wait/],
    ["x", { stop: "ab" }, /^stop: expected an array of texts/],
  ] as [string | number[], GenerateOptions, RegExp][])("%j %j", (prompt, options, message) => {
    expect(() => model.generate(prompt, options)).toThrow(message);
    expect(() => model.generate(prompt, options)).toThrow(built.OptionError);
  });

  it("a second iteration", async () => {
    const generation = model.generate(PROMPT, { ...greedy, maxTokens: 2 });
    await generation.text();
    expect(await failureOf(generation.text())).toMatchObject({ name: "OptionError" });
  });

  it("a prompt longer than the context", async () => {
    for (const onContextFull of ["error", "shift"] as const) {
      const generation = model.generate(
        Array.from({ length: 257 }, () => 9),
        { ...greedy, onContextFull },
      );
      expect(await failureOf(generation.text())).toBeInstanceOf(built.ContextFullError);
    }
  });
});

describe("cancelling", () => {
  it("before, during the prompt, while writing: promptly, with what was written before", async () => {
    expect(
      await failureOf(model.generate(PROMPT, { ...greedy, signal: AbortSignal.abort() }).text()),
    ).toMatchObject({ failure: "cancelled" });

    const large = await built.loadModel(EMBEDDED, { threads: 2, nCtx: 4096 });
    const whole = await large.generate(PROMPT, greedy).text();
    const during = new AbortController();
    const run = failureOf(
      large
        .generate(
          Array.from({ length: 4000 }, (_, i) => 300 + (i % 900)),
          { signal: during.signal },
        )
        .text(),
    );
    setTimeout(() => during.abort("stop"), 20);
    expect(await run).toMatchObject({ failure: "cancelled", cause: "stop" });

    const writing = new AbortController();
    let seen = "",
      pieces = 0;
    const error = await failureOf(
      (async () => {
        for await (const piece of large.generate(PROMPT, {
          temperature: 0,
          signal: writing.signal,
        })) {
          seen += piece;
          if (++pieces === 10) writing.abort();
        }
      })(),
    );
    expect(error).toMatchObject({ failure: "cancelled" });
    expect(pieces).toBe(10);
    expect(whole.startsWith(seen)).toBe(true);
    expect(await settled(large.generate(PROMPT, greedy).text())).toBe(whole);
    await settled(large.close());
  });
});

describe("a full context", () => {
  it("is an error that comes after everything that fits", async () => {
    const small = await built.loadModel(LLAMA, { threads: 1, nCtx: 20 });
    const generation = small.generate([5, 6, 7, 8], { temperature: 0, ignoreEos: true });
    expect(await failureOf(generation.text())).toMatchObject({
      name: "ContextFullError",
      message: expect.stringContaining("found 0 of 20"),
    });
    // 16 positions are left after the prompt; the token after the last one needs no position
    expect(generation.tokens).toHaveLength(17);
    await small.close();
  });

  it.each([0, 3, 17])(
    "or a shift: a new history of the first %i tokens and the recent half of the rest",
    async (nKeep) => {
      const nCtx = 20,
        prompt = [5, 6, 7, 8],
        small = await built.loadModel(LLAMA, { threads: 1, nCtx });
      const generation = small.generate(prompt, {
        temperature: 0,
        ignoreEos: true,
        maxTokens: 60,
        onContextFull: "shift",
        nKeep,
      });
      await generation.text();
      const expected: number[] = [];
      let history = [...prompt];
      for (let i = 0; i < 60; i++) {
        if (history.length > nCtx) {
          const all = [...prompt, ...expected];
          history = [
            ...all.slice(0, nKeep),
            ...all.slice(-Math.max(1, Math.floor((nCtx - nKeep) / 2))),
          ];
        }
        const row = (await small.logits(history, { outputs: "last" }))[0];
        for (const token of small.tokenizer.eogTokens) row[token] = -Infinity;
        expected.push(row.indexOf(Math.max(...row)));
        history.push(expected.at(-1)!);
      }
      expect(generation.tokens).toEqual(expected);
      expect(generation.stopReason).toBe("length");
      await small.close();
    },
  );

  it("is an error when all of it is to be kept", async () => {
    const small = await built.loadModel(LLAMA, { threads: 1, nCtx: 20 });
    const generation = small.generate([5, 6], {
      temperature: 0,
      ignoreEos: true,
      onContextFull: "shift",
      nKeep: 19,
    });
    expect(await failureOf(generation.text())).toBeInstanceOf(built.ContextFullError);
    await small.close();
  });
});

describe("text at the end", () => {
  /** A model that writes the given pieces, the last of them only when the detokenizer is flushed. */
  function scripted(pieces: readonly string[], rest: string): GeneratingModel {
    let written = 0;
    return {
      hasEncoder: false,
      decoderStartToken: 0,
      nVocab: pieces.length + 1,
      nCtx: 100,
      samplerMath: { exp64: Math.exp, log64: Math.log, pow64: Math.pow, expF64: () => {} } as never,
      tokenize: () => [0],
      owns: () => true,
      tokenizer: {
        eogTokens: new Set([pieces.length]),
        tokenBytes: () => new Uint8Array(0),
        encode: () => [],
        detokenizer: () => ({ push: (token: number) => pieces[token], flush: () => rest }),
      } as never,
      createSession: () =>
        ({
          room: 100,
          close() {},
          async evaluate(_: unknown, { onLogits }: EvaluateOptions) {
            onLogits!(
              Float32Array.from({ length: pieces.length + 1 }, (_, i) => (i === written ? 1 : 0)),
              0,
            );
            written++;
          },
        }) as never,
    };
  }

  it.each([
    ["a stop text that the flush completes", ["ab", "cd"], "e", ["de"], "abc", "stop"],
    ["a stop text within the flush", ["ab"], "cde", ["d"], "abc", "stop"],
    ["no stop text after all", ["ab", "cd"], "e", ["dx"], "abcde", "end"],
    ["nothing held", ["ab"], "", ["x"], "ab", "end"],
  ] as const)("%s", async (_, pieces, rest, stop, expected, reason) => {
    const generation = new Generation(scripted(pieces, rest), "x", { temperature: 0, stop });
    expect(await generation.text()).toBe(expected);
    expect(generation.stopReason).toBe(reason);
  });
});
