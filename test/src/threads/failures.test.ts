// What goes wrong inside the threads must come out as a RunError that says what it was, never as a hang, and must leave
// the pool as documented: usable, except when a thread is gone.

import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fillPlan } from "../../../src/fill.ts";
import type { Model } from "../../../src/index.ts";
import { Instruction } from "../../../src/memory/abi.generated.ts";
import { built } from "../../built.ts";
import {
  bitsOf,
  EMBEDDED,
  failureOf,
  inside,
  LLAMA,
  settled,
  someTokens,
  variant,
  withNan,
} from "../special-models.ts";

const TOKENS = someTokens(24);

/** The threads of the models loaded since, in order: the pool lets each go when all have started. */
function watchWorkers(): { workers: Worker[]; stop(): void } {
  const workers: Worker[] = [];
  const spy = vi.spyOn(Worker.prototype, "unref").mockImplementation(function (this: Worker) {
    if (!workers.includes(this)) workers.push(this);
  });
  return { workers, stop: () => spy.mockRestore() };
}

describe("a thread that dies", () => {
  it("before it has started", async () => {
    const post = vi.spyOn(Worker.prototype, "postMessage").mockImplementation(function (
      this: Worker,
    ) {
      void this.terminate();
    });
    try {
      const error = await failureOf(built.loadModel(LLAMA, { threads: 2 }));
      expect(error).toBeInstanceOf(built.RunError);
      expect(error).toMatchObject({
        failure: "thread-died",
        message: expect.stringMatching(
          /^thread [01]: expected it to start, found it dead .*inline: true/,
        ),
      });
    } finally {
      post.mockRestore();
    }
  });

  it.each([0, 1, 2])("while idle: thread %i", async (thread) => {
    const watch = watchWorkers();
    const model = await built.loadModel(LLAMA, { threads: 3 });
    try {
      watch.stop();
      expect(watch.workers).toHaveLength(3);
      await model.logits(TOKENS);
      await settled(watch.workers[thread].terminate());
      const error = await failureOf(model.logits(TOKENS));
      expect(error).toBeInstanceOf(built.RunError);
      expect(error).toMatchObject({
        failure: "thread-died",
        message: expect.stringContaining(`thread ${thread}:`),
      });
    } finally {
      watch.stop();
      await settled(model.close());
    }
  });

  it.each([0, 1])("while it loads: thread %i", async (thread) => {
    const watch = watchWorkers();
    const model = await built.loadModel(EMBEDDED, { threads: 2, nCtx: 64 });
    try {
      watch.stop();
      const { pool, banks } = inside(model);
      const plan = fillPlan([], [], 2, [banks[0].staging])!;
      expect(await settled(pool.fill(plan, () => {}))).toEqual([]);
      // the pool does not know yet: this thread will not answer
      const gone = watch.workers[thread].terminate();
      expect(await failureOf(pool.fill(plan, () => {}))).toMatchObject({
        failure: "thread-died",
        message: expect.stringContaining(`thread ${thread}:`),
      });
      await settled(gone);
      expect(await failureOf(pool.fill(plan, () => {}))).toMatchObject({ failure: "thread-died" });
    } finally {
      watch.stop();
      await settled(model.close());
    }
  });

  it.each([0, 1])("in the middle of a run: thread %i", async (thread) => {
    const watch = watchWorkers();
    const model = await built.loadModel(EMBEDDED, { threads: 2, nCtx: 4096, nSequences: 2 });
    try {
      watch.stop();
      const session = model.createSession();
      const run = failureOf(session.evaluate(someTokens(4096, model.nVocab), { outputs: "all" }));
      await new Promise((resolve) => setTimeout(resolve, 20));
      await settled(watch.workers[thread].terminate());
      expect(await run).toMatchObject({
        failure: "thread-died",
        message: expect.stringContaining(`thread ${thread}:`),
      });
      expect(session.length % 512).toBe(0);
      expect(session.length).toBeLessThan(4096);
      // a model without all its threads says so, at once, every time
      expect(await failureOf(model.logits([5]))).toMatchObject({
        failure: "thread-died",
        message: expect.stringContaining("load the model again"),
      });
      expect(await failureOf(model.generate("x").text())).toMatchObject({ failure: "thread-died" });
    } finally {
      watch.stop();
      await settled(model.close());
    }
  });
});

const ONE_THREAD = [{ threads: 1 }, { inline: true }] as const;

describe("closing a model", () => {
  it.each([{ threads: 2 }, { inline: true }])("ends a run in progress, %o", async (options) => {
    const model = await built.loadModel(EMBEDDED, { nCtx: 4096, ...options });
    const run = failureOf(
      model.createSession().evaluate(someTokens(4096, model.nVocab), { outputs: "all" }),
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    await settled(model.close());
    expect(await run).toMatchObject({ name: "RunError", failure: "closed" });
    expect(await failureOf(model.logits([5]))).toMatchObject({ failure: "closed" });
    await settled(model.close());
  });
});

describe("a trap in the kernels", () => {
  let model: Model, healthy: string[];
  beforeEach(async () => {
    // a large cache: its unused end may be written to
    model = await built.loadModel(LLAMA, { threads: 3, nCtx: 8192 });
    healthy = bitsOf(await model.logits(TOKENS));
  });
  afterEach(() => settled(model.close()));

  it("in every thread: names the instruction; the pool goes on", async () => {
    const { banks, plan } = inside(model);
    const { plan: address, labels } = plan.segments[0];
    for (const index of [0, labels.indexOf("attention 1"), labels.length - 1]) {
      const opcode = banks[0].u32(address + index * Instruction.bytes, 1),
        right = opcode[0];
      opcode[0] = 999;
      const session = model.createSession();
      const error = await failureOf(session.evaluate(TOKENS));
      opcode[0] = right;
      expect(error).toBeInstanceOf(built.RunError);
      expect(error).toMatchObject({
        failure: "trap",
        message: expect.stringContaining(`a trap in "${labels[index]}"`),
      });
      expect(session.length).toBe(0);
      session.close();
      expect(bitsOf(await settled(model.logits(TOKENS)))).toEqual(healthy);
    }
  });

  it.each(ONE_THREAD)("with one thread, %o", async (options) => {
    const single = await built.loadModel(LLAMA, options);
    try {
      const { banks, plan } = inside(single);
      const opcode = banks[0].u32(plan.segments[1].plan, 1),
        right = opcode[0];
      opcode[0] = 999;
      expect(await failureOf(single.logits(TOKENS))).toMatchObject({
        failure: "trap",
        message: expect.stringMatching(/a trap in "output rows" \(thread 0: .*unreachable/),
      });
      opcode[0] = right;
      expect(bitsOf(await settled(single.logits(TOKENS)))).toEqual(healthy);
    } finally {
      await settled(single.close());
    }
  });

  it("in thread 2 alone: its scratch memory lies outside", async () => {
    const {
      banks: [bank],
      plan,
    } = inside(model);
    // words of the schedule: count, then bank, plan, count, counters, batch, scratch, ... of the first segment
    const scratch = bank.u32(plan.all + 6 * 4, 1),
      right = scratch[0];
    expect(right).toBe(bank.scratch);
    const perThread = 131072;
    scratch[0] = bank.memory.buffer.byteLength - 2 * perThread;
    let error: unknown;
    // which thread computes which piece is chance: try until thread 2 gets one that needs scratch
    for (let i = 0; i < 200 && error === undefined; i++)
      error = await failureOf(model.logits(TOKENS, { outputs: "last" }));
    scratch[0] = right;
    expect(error).toMatchObject({
      failure: "trap",
      message: expect.stringMatching(/\(thread 2: .*out of bounds/),
    });
    expect(bitsOf(await settled(model.logits(TOKENS)))).toEqual(healthy);
  });
});

describe("NaN", () => {
  const tensors = [
    "token_embd.weight",
    "blk.0.attn_norm.weight",
    "blk.1.attn_q.weight",
    "blk.1.attn_k.weight",
    "blk.0.attn_v.weight",
    "blk.1.attn_output.weight",
    "blk.0.ffn_gate.weight",
    "blk.1.ffn_down.weight",
    "output_norm.weight",
    "output.weight",
  ];
  const options = [
    { threads: 2 },
    { threads: 1, weights: "f32", cacheTypeK: "f32", cacheTypeV: "f32" },
    { threads: 2, bankBytes: 200_000 },
    { inline: true, bankBytes: 200_000 },
  ] as const;

  it.each(tensors)("in %s is traced to the op that made it", async (tensor) => {
    for (const [i, option] of options.entries()) {
      const file = await withNan(LLAMA, tensor, i === 0 ? "F16" : "F32"),
        where = JSON.stringify(option);
      const model = await built.loadModel(file, { nCtx: 128, nSequences: 2, ...option });
      try {
        if (i >= 2) expect(model.nBanks).toBeGreaterThan(2);
        const session = model.createSession();
        // the second has more outputs than one run of the head computes
        for (const evaluation of [
          { tokens: [0, ...TOKENS] },
          { tokens: someTokens(70).fill(0, 0, 5), outputs: "all" },
        ] as const) {
          const error = await failureOf(session.evaluate(evaluation.tokens, evaluation));
          expect(error, where).toBeInstanceOf(built.RunError);
          expect(error, where).toMatchObject({
            failure: "nan",
            message: expect.stringContaining(`came from "${tensor}"`),
          });
          expect(session.length).toBe(0);
        }
        // the pool goes on: the next run fails for the same reason, not for another
        expect(await failureOf(model.generate([0, 5]).text())).toMatchObject({ failure: "nan" });
      } finally {
        await settled(model.close());
      }
    }
  });

  it("survives the quantisation of activations", async () => {
    for (const tensor of [
      "blk.0.attn_norm.weight",
      "blk.1.ffn_norm.weight",
      "output_norm.weight",
    ]) {
      const model = await built.loadModel(await withNan(LLAMA, tensor), { threads: 2, nCtx: 64 });
      const error = await failureOf(model.logits(TOKENS));
      await settled(model.close());
      expect(error).toMatchObject({
        failure: "nan",
        message: expect.stringContaining(`came from "${tensor}"`),
      });
    }
  });

  it("of one token leaves nothing behind: what is masked is never multiplied", async () => {
    // the embedding of token 0 is damaged, the others are not
    const files = [
      await variant(LLAMA, { type: "F16" }),
      await withNan(LLAMA, "token_embd.weight", "F16"),
    ];
    const results = [];
    for (const file of files) {
      const model = await built.loadModel(file, { threads: 2, nCtx: 32 });
      if (file === files[1])
        expect(await failureOf(model.logits([7, 0]))).toMatchObject({ failure: "nan" });
      results.push(bitsOf(await settled(model.logits([7, 8, 9]))));
      await settled(model.close());
    }
    expect(results[1]).toEqual(results[0]);
  });
});

describe("flush-to-zero", () => {
  it.each([...ONE_THREAD, { threads: 2 }])(
    "found in a thread ends the run, and only while it lasts, %o",
    async (options) => {
      const model = await built.loadModel(LLAMA, options);
      try {
        const healthy = bitsOf(await model.logits(TOKENS));
        const [bank] = inside(model).banks;
        // JavaScript cannot switch it on: give the threads' probe (assembly/plan.ts) operands whose product is zero
        const constants = bank.f32(0, bank.limits.heapBase >>> 2);
        const small = Math.fround(1.5e-38);
        const probe = constants.findIndex(
          (x, i) =>
            x === small &&
            constants[i + 1] === 0.5 &&
            constants[i + 2] === small &&
            constants[i + 3] === 0.5,
        );
        expect(probe).toBeGreaterThan(0);
        for (const lane of [0, 2]) {
          constants[probe + lane] = 0;
          const error = await failureOf(model.logits(TOKENS));
          constants[probe + lane] = small;
          expect(error).toBeInstanceOf(built.RunError);
          expect(error).toMatchObject({
            failure: "flush-to-zero",
            message: expect.stringMatching(/^thread [01]: expected denormal numbers/),
          });
          expect(bitsOf(await settled(model.logits(TOKENS)))).toEqual(healthy);
        }
      } finally {
        await settled(model.close());
      }
    },
  );
});
