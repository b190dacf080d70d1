// Loading from everywhere, failing to load, and letting go.

import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  contentsOf,
  readGguf,
  bytesSource,
  type Source,
  splitName,
  writeGguf,
} from "../../formats/index.ts";
import type { ModelSource } from "../../src/index.ts";
import { built } from "../built.ts";
import {
  bitsOf,
  EMBEDDED,
  failureOf,
  LLAMA,
  settled,
  someTokens,
  variant,
  withNan,
} from "./special-models.ts";

const TOKENS = someTokens(12);
const bytes = new Uint8Array(readFileSync(LLAMA));
let folder: string, expected: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "samebit model "));
  const model = await built.loadModel(LLAMA, { threads: 1 });
  expected = bitsOf(await model.logits(TOKENS));
  await model.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A Source over the fixture that counts what is done to it. */
class CountingSource implements Source {
  readonly name = "mine";
  readonly size = bytes.length;
  closed = 0;
  reads = 0;
  constructor(
    private readonly answer = (offset: number, length: number): Uint8Array =>
      bytes.slice(offset, offset + length),
  ) {}
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.reads++;
    return this.answer(offset, length);
  }
  close() {
    this.closed++;
  }
}

/** The fixture as three files. */
async function split(): Promise<{ name: string; bytes: Uint8Array }[]> {
  const contents = contentsOf(await readGguf(bytesSource("whole", bytes)));
  const tensors = [...contents.tensors],
    third = Math.ceil(tensors.length / 3);
  return Promise.all(
    [0, 1, 2].map(async (no) => {
      const parts: Uint8Array[] = [];
      await writeGguf(
        { write: (part) => void parts.push(part) },
        {
          metadata: [
            ...(no === 0 ? contents.metadata : []),
            ["split.no", { type: "u16", value: no }],
            ["split.count", { type: "u16", value: 3 }],
            ["split.tensors.count", { type: "i32", value: tensors.length }],
          ],
          tensors: tensors.slice(no * third, (no + 1) * third),
        },
      );
      return { name: splitName("model", no, 3), bytes: Buffer.concat(parts) };
    }),
  );
}

async function bitsFrom(source: ModelSource): Promise<string[]> {
  const model = await built.loadModel(source, { threads: 1 });
  try {
    return bitsOf(await model.logits(TOKENS));
  } finally {
    await model.close();
  }
}

describe("sources", () => {
  it("are read from the start to the end, so that what reads ahead is right", async () => {
    const offsets: number[] = [];
    const source = new CountingSource((offset, length) => {
      offsets.push(offset);
      return bytes.slice(offset, offset + length);
    });
    const gguf = await readGguf(bytesSource("whole", bytes));
    await bitsFrom(source);
    const data = Math.min(...[...gguf.tensors.values()].map(({ offset }) => offset)),
      ofTensors = offsets.filter((offset) => offset >= data);
    expect(ofTensors.length).toBeGreaterThanOrEqual(gguf.tensors.size);
    expect(ofTensors).toEqual(ofTensors.toSorted((a, b) => a - b));
  });

  it.each<[string, () => ModelSource | Promise<ModelSource>]>([
    [
      "a file URL, with a space and a letter beyond ASCII in it",
      () => {
        const path = join(folder, "ein Modell ä.gguf");
        writeFileSync(path, bytes);
        return pathToFileURL(path);
      },
    ],
    ["a file URL as a text", () => pathToFileURL(LLAMA).href],
    [
      "a Uint8Array in the middle of a buffer",
      () => {
        const larger = new Uint8Array(bytes.length + 7);
        larger.set(bytes, 3);
        return larger.subarray(3, 3 + bytes.length);
      },
    ],
    ["an ArrayBuffer", () => bytes.slice().buffer],
    ["a Blob", () => new Blob([bytes])],
    ["a Source of the caller's", () => new CountingSource()],
    ["a Source that fills memory itself", () => bytesSource("bytes", bytes)],
    [
      "one split file that finds the others",
      async () => {
        for (const part of await split()) writeFileSync(join(folder, part.name), part.bytes);
        return join(folder, (await split())[1].name);
      },
    ],
    [
      "all split files, in any order",
      async () => (await split()).reverse().map((part) => bytesSource(part.name, part.bytes)),
    ],
  ])("%s", async (_, make) => expect(await bitsFrom(await make())).toEqual(expected));

  it("stay open when they are the caller's, whether loading succeeds or fails", async () => {
    const source = new CountingSource();
    expect(await bitsFrom(source)).toEqual(expected);
    expect(await bitsFrom([source])).toEqual(expected);
    expect(await failureOf(built.loadModel(source, { threads: 0 }))).toBeDefined();
    expect(await failureOf(built.loadModel(source, { overrideKv: "x=int:y" }))).toBeDefined();
    expect(source.closed).toBe(0);
    expect(source.reads).toBeGreaterThan(3);
  });

  it("are closed when they are loadModel's, whether loading succeeds or fails", async () => {
    // file descriptors are numbers given out lowest first: none may be left open
    const lowest = () => {
      const fd = openSync(LLAMA, "r");
      closeSync(fd);
      return fd;
    };
    const [first] = await split(),
      lonely = join(folder, "lonely-00001-of-00003.gguf"),
      text = join(folder, "text.gguf");
    writeFileSync(lonely, first.bytes);
    writeFileSync(text, "not a model");
    const before = lowest();
    await (await built.loadModel(LLAMA, { threads: 1 })).close();
    for (const [path, options] of [
      [LLAMA, { threads: 0 }],
      [LLAMA, { overrideKv: "general.architecture=int:" }],
      [LLAMA, { overrideKv: "general.architecture=str:none" }],
      [lonely, {}],
      [text, {}],
      [EMBEDDED, { bankBytes: 1000 }],
    ] as const) {
      expect(await failureOf(built.loadModel(path, options)), path).toBeInstanceOf(Error);
      expect(lowest(), `${path} ${JSON.stringify(options)}`).toBe(before);
    }
  });
});

describe("failures", () => {
  it.each<[string, () => ModelSource | Promise<ModelSource>, string, RegExp]>([
    [
      "no such file",
      () => join(folder, "none.gguf"),
      "SamebitError",
      /none\.gguf: expected a readable file, found no such file/,
    ],
    ["a folder", () => folder, "SamebitError", /expected a file, found something else/],
    [
      "no source at all",
      () => undefined as never,
      "OptionError",
      /^model: expected a path, a URL, bytes, a Blob, a Source or .*, found undefined/,
    ],
    ["an object that is none", () => ({ name: "x" }) as never, "OptionError", /^model: expected/],
    ["no file of several", () => [], "GgufError", /expected at least one source/],
    ["a text file", () => new TextEncoder().encode("hello, world: not a model"), "GgufError", /./],
    ["a file cut in the header", () => bytes.subarray(0, 5000), "GgufError", /./],
    ["a file cut in the weights", () => bytes.subarray(0, bytes.length - 100), "GgufError", /./],
    [
      "an architecture nobody knows",
      () =>
        variant(LLAMA, {
          metadata: (entries) =>
            entries.map(([key, value]) =>
              key === "general.architecture"
                ? [key, { type: "string", value: "alien" }]
                : [key, value],
            ),
        }),
      "ModelError",
      /alien/,
    ],
    [
      "a NaN scale",
      () => withNan(LLAMA, "blk.1.ffn_down.weight"),
      "GgufError",
      /^blk\.1\.ffn_down\.weight: expected finite scales in its Q4_0 blocks, found NaN or an infinity \(bytes, offset 0x[0-9a-f]+\); .*download it again/,
    ],
  ])("%s", async (_, make, name, message) => {
    const error = await failureOf(built.loadModel(await make(), { threads: 1 }));
    expect(error).toMatchObject({ name });
    expect((error as Error).message).toMatch(message);
  });

  it.each([0, 1, 9])("what a Source throws at read %i comes out as it is", async (which) => {
    let n = 0;
    const source = new CountingSource((offset, length) => {
      if (n++ === which) throw new RangeError("the network is down");
      return bytes.slice(offset, offset + length);
    });
    expect(await failureOf(built.loadModel(source))).toEqual(new RangeError("the network is down"));
    expect(source.closed).toBe(0);
  });

  it.each([-1, 1])("a Source that answers %i bytes too many is caught", async (extra) => {
    let reads = 0;
    const source = new CountingSource((offset, length) =>
      bytes.slice(offset, offset + length + (reads++ > 3 ? extra : 0)),
    );
    expect(await failureOf(built.loadModel(source))).toMatchObject({
      name: "SamebitError",
      message: expect.stringMatching(
        /expected \d+ bytes of mine at \d+, found \d+; its read must answer exactly/,
      ),
    });
  });
});

describe("progress and cancelling", () => {
  it.each([
    { threads: 1 },
    { threads: 1, bankBytes: 930_000 },
    { inline: true },
    { inline: true, bankBytes: 930_000 },
  ])("progress rises to its total, %j", async (options) => {
    const calls: [number, number][] = [];
    const model = await built.loadModel(EMBEDDED, {
      nCtx: 64,
      onProgress: (done, total) => void calls.push([done, total]),
      ...options,
    });
    expect(model.nBanks > 1).toBe("bankBytes" in options);
    await model.close();
    const total = calls[0][1];
    expect(calls.every(([done, of], i) => of === total && done > (calls[i - 1]?.[0] ?? 0))).toBe(
      true,
    );
    expect(calls.at(-1)![0]).toBe(total);
    expect(total).toBeGreaterThan(3_600_000);
  });

  it.each([{}, { inline: true }])(
    "a signal ends it, before and at any tensor, %j",
    async (options) => {
      const source = new CountingSource();
      const cancelled = { name: "RunError", failure: "cancelled", cause: "why" };
      expect(
        await failureOf(built.loadModel(source, { signal: AbortSignal.abort("why"), ...options })),
      ).toMatchObject(cancelled);
      expect(source.reads).toBe(0);
      for (const after of [1, 5, 21]) {
        const controller = new AbortController();
        let calls = 0;
        const onProgress = () => void (++calls === after && controller.abort("why"));
        expect(
          await failureOf(
            built.loadModel(source, { signal: controller.signal, onProgress, ...options }),
          ),
        ).toMatchObject(cancelled);
        expect(calls).toBe(after);
      }
    },
  );
});

describe("what never comes", () => {
  it.each([{ threads: 1 }, { inline: true }])(
    "is given up with the signal, %j",
    async (options) => {
      for (const after of [1, 3, 6]) {
        const controller = new AbortController();
        const source = new CountingSource();
        source.read = (offset, length) => {
          if (++source.reads < after) return Promise.resolve(bytes.slice(offset, offset + length));
          setTimeout(() => controller.abort("why"), 1);
          return new Promise(() => {});
        };
        expect(
          await failureOf(built.loadModel(source, { signal: controller.signal, ...options })),
        ).toMatchObject({ name: "RunError", failure: "cancelled", cause: "why" });
      }
    },
  );
});

describe("what the caller gives", () => {
  it.each([{ threads: 2 }, { inline: true }])(
    "what onProgress throws ends the loading, %j",
    async (options) => {
      const mine = new Error("mine");
      const onProgress = () => {
        throw mine;
      };
      expect(await failureOf(built.loadModel(EMBEDDED, { onProgress, ...options }))).toBe(mine);
      expect(await failureOf(built.loadModel(bytes, { onProgress, ...options }))).toBe(mine);
    },
  );

  it.each<[RegExp, unknown, object]>([
    [/^pooling: expected none, mean, cls, last, rank, found max/, LLAMA, { pooling: "max" }],
    [/^overrideKv: expected KEY=TYPE:VALUE texts/, LLAMA, { overrideKv: 3 }],
    [/^overrideKv: expected KEY=TYPE:VALUE texts/, LLAMA, { overrideKv: [3] }],
    [/^model: expected a path, a URL, .* an array of Sources/, [LLAMA], {}],
    [/^model: expected a path, a URL, .* an array of Sources/, [null], {}],
    [/^file: expected a path, found an empty one/, "", {}],
    [/^https:.*x.gguf: expected a path, found a URL; download/, "https://localhost:1/x.gguf", {}],
    [/^https:.*x.gguf: expected a path, found/, new URL("https://localhost:1/x.gguf"), {}],
  ])("is refused as %s", async (message, source, options) => {
    const error = await failureOf(built.loadModel(source as ModelSource, options));
    expect(error).toMatchObject({ message: expect.stringMatching(message) });
    expect(error).toBeInstanceOf(built.SamebitError);
  });

  it("is refused where it is no text, no list of tokens, or another model's session", async () => {
    const [model, other] = await Promise.all(
      [0, 1].map(() => built.loadModel(LLAMA, { inline: true })),
    );
    const embedding = await built.loadModel(LLAMA, { embeddings: true, pooling: "mean" });
    const session = other.createSession(),
      none = undefined as never,
      text = "a" as never;
    const user = [{ role: "user", content: "a" }];
    const calls: [RegExp, () => unknown][] = [
      [/^text: expected a string, found object/, () => model.tokenize([] as never)],
      [/^prompt: expected a text or token ids, found undefined/, () => model.generate(none)],
      [/^stop: expected texts, found null/, () => model.generate("a", { stop: [null as never] })],
      [/^tokens: expected a list of ids, found undefined/, () => model.logits(none)],
      [/^tokens: expected a list of ids, found 3/, () => model.logits(3 as never)],
      [/^inputs: expected an array of texts/, () => embedding.embed(text)],
      [/^session: expected one of this model/, () => model.generate("a", { session })],
      [/^session: expected one of this model/, () => model.generate("a", { session: text })],
      [/^session: expected one of this model/, () => model.chat(user, { session }).text()],
      [/^now: expected a date/, () => model.chat(user, { now: text }).text()],
      [/^tools: expected an array/, () => model.chat(user, { tools: text }).text()],
      [/^decoderTokens: expected a model with/, () => model.logits([1], { decoderTokens: [1] })],
    ];
    for (const [message, call] of calls) {
      expect(await failureOf((async () => call())())).toMatchObject({
        name: "OptionError",
        message: expect.stringMatching(message),
      });
    }
    expect(await model.logits([5])).toHaveLength(1); // whatever was refused, the one sequence is free
    await Promise.all([model, other, embedding].map((each) => each.close()));
  });
});

describe("letting go", () => {
  it("await using closes", async () => {
    const model = await built.loadModel(LLAMA, { threads: 2 });
    await model[Symbol.asyncDispose]();
    expect(await failureOf(model.logits([5]))).toMatchObject({ failure: "closed" });
    await settled(model.close());
  });

  const index = new URL("../../dist/src/index.js", import.meta.url).href;
  const load = `const { loadModel } = await import(${JSON.stringify(index)}); const model = await loadModel(${JSON.stringify(LLAMA)}, OPTIONS);`;
  const cases = [
    ["after close", "await model.logits([5, 6]); await model.close();", "end"],
    ["without close", "await model.logits([5, 6]);", "end"],
    ["without having run anything", "", "end"],
    [
      "with a generation left in the middle",
      "for await (const text of model.generate('a', { temperature: 0 })) if (text) break;",
      "end",
    ],
    [
      "after a cancelled run",
      "await model.logits([5, 6], { signal: AbortSignal.abort() }).catch(() => {});",
      "end",
    ],
    [
      "after an error while loading",
      `await loadModel(${JSON.stringify(LLAMA)}, { bankBytes: 9 }).catch(() => {});`,
      "end",
    ],
    [
      "once closed in the midst of a run, at any moment",
      `for (let i = 0; i < 6; i++) {
         const one = await loadModel(${JSON.stringify(LLAMA)}, OPTIONS);
         one.logits(new Uint8Array(500)).catch(() => {});
         await new Promise((resolve) => setTimeout(resolve, i / 2));
         await one.close();
       }`,
      "end",
    ],
    // what is awaited keeps the process alive until it is there
    [
      "once a run that nobody waits for is over",
      "model.logits([5, 6]).then((rows) => console.log(rows.length));",
      "end\n2",
    ],
  ] as const;
  it.each(
    [{ threads: 2 }, { inline: true }].flatMap((options) =>
      cases.map(([what, script, output]) => [what, options, script, output] as const),
    ),
  )("the process ends by itself %s, %j", async (_, options, script, output) => {
    const file = join(folder, "script.mjs");
    const constants = `const OPTIONS = ${JSON.stringify(options)};`;
    writeFileSync(file, `${constants} ${load} ${script} console.log("end");`);
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 60_000 });
    expect(stdout.trim()).toBe(output);
  });
});

describe("the caller's event loop", () => {
  it.each([
    // one run of 512 tokens: a blocked loop would have turned a handful of times
    [{ threads: 2 }, 50],
    // in the loop's own thread a turn every 10 ms; none if it were blocked
    [{ inline: true }, 2],
  ])("turns while the model computes, %j: more than %i times", async (options, least) => {
    const model = await built.loadModel(EMBEDDED, { nCtx: 2048, ...options });
    let turns = 0,
      running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await model.logits(someTokens(512, model.nVocab), { outputs: "last" });
    running = false;
    await model.close();
    expect(turns).toBeGreaterThan(least);
  });
});
