// The protocol by which threads go through a plan: in one thread, step by step, with an instance for each thread of the run;
// and with real threads, over a plan in which every stage reads what other threads wrote in the one before.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  Abort,
  Batch,
  BinaryKind,
  BinaryWord,
  Control,
  Flag,
  Instruction,
  Limit,
  Op,
  StageLimit,
  Word,
} from "../../assembly/abi.ts";
import { instantiateKernels } from "../../src/kernels/instance.ts";

const OVER = StageLimit.instructions,
  NONE = OVER,
  ALONE = 0xff;
const RUN = 7;

/** The protocol's own functions, which the host does not use. */
interface Stages {
  openSegment(control: number, run: number, segment: number, count: number): void;
  enter(control: number, run: number, segment: number, left: number): number;
  leave(control: number): number;
  open(control: number, next: number, alone: boolean): number;
  abandon(control: number): void;
  close(control: number, run: number): number;
  raise(control: number, reason: number, thread: number): void;
}

const module = new WebAssembly.Module(
  readFileSync(new URL("../../dist/kernels/base.wasm", import.meta.url)),
);
const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
const kernels = instantiateKernels(module, memory);

let next = (kernels.heapBase() + 63) & ~63;
function take(bytes: number): number {
  const at = next;
  next = (next + bytes + 63) & ~63;
  return at;
}
const control = take(Control.bytes);
const words = new Int32Array(memory.buffer, control, Control.bytes / 4);

function clearControl(): void {
  for (let i = 0; i < words.length; i++) Atomics.store(words, i, 0);
}

describe("stages", () => {
  beforeEach(clearControl);
  const thread = () => instantiateKernels(module, memory) as unknown as Stages;

  it("open when the last thread inside leaves, and for those that come late", () => {
    const [a, b, late] = [thread(), thread(), thread()];
    a.openSegment(control, RUN, 0, 9);
    expect(a.enter(control, RUN, 0, NONE)).toBe(0);
    expect(b.enter(control, RUN, 0, NONE)).toBe(0);
    expect(a.leave(control)).toBe(1); // b is inside
    expect(b.leave(control)).toBe(0); // alone: it goes on
    expect(b.open(control, 4, false)).toBe(1);
    expect(a.enter(control, RUN, 0, 0)).toBe(4);
    expect(late.enter(control, RUN, 0, NONE)).toBe(4); // nobody has waited for it
    expect([late, b].map((t) => t.leave(control))).toEqual([1, 1]);
    expect(a.leave(control)).toBe(0);
    expect(a.open(control, OVER, false)).toBe(1);
    for (const t of [a, b, late]) expect(t.enter(control, RUN, 0, 4)).toBe(OVER);
  });

  it("do not open while somebody has come in again", () => {
    const [a, b] = [thread(), thread()];
    a.openSegment(control, RUN, 0, 9);
    a.enter(control, RUN, 0, NONE);
    expect(a.leave(control)).toBe(0);
    expect(b.enter(control, RUN, 0, NONE)).toBe(0);
    expect(a.open(control, 3, false)).toBe(0);
    expect(a.leave(control)).toBe(1);
    expect(b.leave(control)).toBe(0);
    expect(b.open(control, 3, false)).toBe(1);
    expect(a.enter(control, RUN, 0, 0)).toBe(3);
  });

  it("that one thread does alone are open to nobody", () => {
    const [a, b] = [thread(), thread()];
    a.openSegment(control, RUN, 0, 9);
    a.enter(control, RUN, 0, NONE);
    b.enter(control, RUN, 0, NONE);
    expect(a.open(control, 3, true)).toBe(0); // b is inside
    expect(b.leave(control)).toBe(1);
    expect(a.open(control, 3, true)).toBe(1);
    // b would wait for the next stage: the word says that none of its kind may come in
    expect(Atomics.load(words, Control.stage / 4) & 0xff).toBe(ALONE);
    expect(a.leave(control)).toBe(0); // nobody else will open the next
    expect(a.open(control, 5, false)).toBe(1);
    expect(b.enter(control, RUN, 0, 0)).toBe(5);
    expect(b.leave(control)).toBe(1);
    // a stage behind one that was done alone, alone again, and the end
    expect(a.open(control, 6, true)).toBe(1);
    expect(a.open(control, 7, true)).toBe(1);
    expect(a.open(control, OVER, false)).toBe(1);
    expect(Atomics.load(words, Control.stage / 4) & 0xff).toBe(0);
    expect(b.enter(control, RUN, 0, 5)).toBe(OVER);
  });

  it("that one thread does alone are left by an abort", () => {
    const [a, b] = [thread(), thread()];
    a.openSegment(control, RUN, 0, 9);
    a.enter(control, RUN, 0, NONE);
    expect(a.open(control, 3, true)).toBe(1);
    b.raise(control, Abort.cancelled, 1);
    expect(b.enter(control, RUN, 0, 0)).toBe(OVER);
    expect(b.close(control, RUN)).toBe(0);
    a.abandon(control);
    expect(b.close(control, RUN)).toBe(1);
  });

  it("let nobody into another run or an earlier segment", () => {
    const [a, late] = [thread(), thread()];
    a.openSegment(control, RUN, 2, 9);
    for (const [run, segment] of [
      [RUN - 1, 0],
      [RUN - 1, 5],
      [RUN, 0],
      [RUN, 1],
    ])
      expect(late.enter(control, run, segment, NONE)).toBe(OVER);
    expect(late.enter(control, RUN, 2, NONE)).toBe(0);
    // the run's number wraps
    late.leave(control);
    a.openSegment(control, 0x1000000 + 2, 0, 9);
    expect(late.enter(control, 0x1000000 - 1, 3, NONE)).toBe(OVER);
    expect(late.enter(control, 0x1000000 + 2, 0, NONE)).toBe(0);
  });

  it("end at once where a segment is empty", () => {
    const a = thread();
    a.openSegment(control, RUN, 0, 0);
    expect(a.enter(control, RUN, 0, NONE)).toBe(OVER);
  });

  it("let nobody in after an abort, and close when nobody is inside", () => {
    const [a, b] = [thread(), thread()];
    a.openSegment(control, RUN, 0, 9);
    a.enter(control, RUN, 0, NONE);
    b.raise(control, Abort.cancelled, 1);
    expect(b.enter(control, RUN, 0, NONE)).toBe(OVER);
    expect(a.close(control, RUN)).toBe(0);
    a.abandon(control);
    a.abandon(control); // it is out already
    expect(a.close(control, RUN)).toBe(1);
    Atomics.store(words, Control.abort / 4, 0);
    for (const segment of [0, 1, 300]) expect(b.enter(control, RUN, segment, NONE)).toBe(OVER);
    a.openSegment(control, RUN + 1, 0, 9);
    expect(b.enter(control, RUN + 1, 0, NONE)).toBe(0);
  });
});

describe("runPlan", () => {
  const STAGES = 30,
    ROWS = 12,
    WIDTH = 2048,
    THREADS = 3;
  const batch = take(Batch.bytes),
    plan = take(STAGES * Instruction.bytes),
    counters = take(STAGES * 4),
    scratch = take(THREADS * Limit.scratchBytes),
    buffers = [take((ROWS + 1) * WIDTH * 4), take((ROWS + 1) * WIDTH * 4)];
  const floats = (at: number) => new Float32Array(memory.buffer, at, (ROWS + 1) * WIDTH);
  const workers: Worker[] = [];

  /** Each row of a stage is the sum of itself and the row behind it in the stage before; the two buffers take turns. */
  beforeAll(async () => {
    // never again: to the workers, epoch 0 would be a run that nobody has opened
    clearControl();
    for (let stage = 0; stage < STAGES; stage++) {
      const ins = new Uint32Array(
        memory.buffer,
        plan + stage * Instruction.bytes,
        Instruction.words,
      );
      const [from, to] = stage % 2 === 0 ? buffers : buffers.toReversed();
      ins[Word.op] = Op.binary;
      ins[Word.flags] = stage === 0 ? 0 : Flag.barrierBefore;
      ins[Word.rows] = ROWS;
      ins[Word.width] = WIDTH;
      [ins[Word.dst], ins[Word.a], ins[BinaryWord.b]] = [to, from, from + WIDTH * 4];
      for (const word of [Word.dstStride, Word.aStride, BinaryWord.bStride]) ins[word] = WIDTH * 4;
      ins[BinaryWord.kind] = BinaryKind.add;
    }
    const source = `
      const { workerData: w, parentPort } = require("node:worker_threads");
      const { exports } = new WebAssembly.Instance(w.module, { env: { memory: w.memory, abort() {} } });
      parentPort.postMessage("ready");
      for (let seen = 0; ; ) {
        const epoch = exports.awaitEpoch(w.control, seen, 1000);
        if (epoch === seen) continue;
        seen = epoch;
        exports.runPlan(w.control, w.batch, w.plan, w.count, w.counters, w.scratch, w.thread, w.nThreads, epoch, 0);
      }`;
    for (let thread = 1; thread < THREADS; thread++) {
      workers.push(
        new Worker(source, {
          eval: true,
          workerData: {
            ...{ module, memory, control, batch, plan, counters, scratch, thread },
            ...{ count: STAGES, nThreads: THREADS },
          },
        }),
      );
    }
    await Promise.all(workers.map((worker) => new Promise((done) => worker.once("message", done))));
  });
  afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

  /** Bytes of the last stage's rows, for numbers that `seed` varies. */
  function run(seed: number, nThreads: number): Buffer {
    new Uint32Array(memory.buffer, counters, STAGES).fill(0);
    for (const buffer of buffers) floats(buffer).fill(0);
    floats(buffers[0]).forEach((_, i, x) => {
      x[i] = i < ROWS * WIDTH ? (i * 7 + seed) % 31 : 0;
    });
    const epoch = nThreads > 1 ? kernels.openEpoch(control) : 0;
    const abort = kernels.runPlan(
      ...([control, batch, plan, STAGES, counters, scratch, 0, nThreads, epoch, 0] as const),
    );
    expect(abort).toBe(0);
    return result();
  }

  const result = () => Buffer.from(floats(buffers[STAGES % 2]).slice().buffer);

  it("needs no thread but those that take part", () => {
    const alone = run(1, 1);
    // nobody is told of this run: its epoch is not opened
    new Uint32Array(memory.buffer, counters, STAGES).fill(0);
    floats(buffers[0]).forEach((_, i, x) => {
      x[i] = i < ROWS * WIDTH ? (i * 7 + 1) % 31 : 0;
    });
    const args = [control, batch, plan, STAGES, counters, scratch] as const;
    expect(kernels.runPlan(...args, 0, THREADS, 1, 0)).toBe(0);
    expect(result().equals(alone)).toBe(true);
    // who comes when it is over changes nothing
    const claimed = new Uint32Array(memory.buffer, counters, STAGES).slice();
    expect(kernels.runPlan(...args, 1, THREADS, 1, 0)).toBe(0);
    expect(new Uint32Array(memory.buffer, counters, STAGES)).toEqual(claimed);
  });

  /** Has one thread do the stages alone for which `isBrief` says so. */
  function markBrief(isBrief: (stage: number) => boolean): void {
    for (let stage = 0; stage < STAGES; stage++) {
      const ins = new Uint32Array(memory.buffer, plan + stage * Instruction.bytes, Word.flags + 1);
      ins[Word.flags] =
        (stage === 0 ? 0 : Flag.barrierBefore) | ((isBrief(stage) ? 1 : 0) << Flag.costShift);
    }
  }

  it.each<[string, (stage: number) => boolean]>([
    ["no stage is brief", () => false],
    ["every second one is", (stage) => stage % 2 === 1],
    ["most are", (stage) => stage % 5 !== 0],
    ["all are", () => true],
  ])("gives one result, whoever takes part and whenever, where %s", (_, isBrief) => {
    markBrief(isBrief);
    for (let round = 0; round < 100; round++) {
      const expected = run(round, 1);
      expect(run(round, THREADS).equals(expected), `round ${round}`).toBe(true);
    }
  });

  it.each([
    ["of no known cost", [0], 1],
    ["within the limit", [StageLimit.briefNs / ROWS], ALONE],
    ["beyond it", [StageLimit.briefNs / ROWS + 1], 1],
    ["within it together", [100, StageLimit.briefNs / ROWS - 100], ALONE],
    ["beyond it together", [101, StageLimit.briefNs / ROWS - 100], 1],
    ["of which one has no known cost", [100, 0], 1],
  ])("does a stage alone, or opens it to all: %s, %j ns a row", (_, costs, threads) => {
    markBrief(() => false);
    const at = 3,
      instruction = (i: number) =>
        new Uint32Array(memory.buffer, plan + i * Instruction.bytes, Instruction.words);
    const saved = costs.map((_, i) => instruction(at + i).slice());
    costs.forEach((cost, i) => {
      const ins = instruction(at + i);
      ins[Word.flags] = (i === 0 ? Flag.barrierBefore : 0) | (cost << Flag.costShift);
      ins[Word.op] = 0xffff; // traps, and leaves the word as it is inside the stage
    });
    new Uint32Array(memory.buffer, counters, STAGES).fill(0);
    try {
      const args = [control, batch, plan, STAGES, counters, scratch, 0, THREADS, 1, 0] as const;
      expect(() => kernels.runPlan(...args)).toThrow(WebAssembly.RuntimeError);
      expect(words[Control.stage / 4] & 0xff).toBe(threads);
    } finally {
      (kernels as unknown as Stages).abandon(control);
      saved.forEach((ins, i) => instruction(at + i).set(ins));
    }
    expect(words[Control.stage / 4] & 0xff).toBe(0);
  });

  it("leaves a brief stage to the thread that ends the one before", () => {
    const claims = () => new Uint32Array(memory.buffer, counters, STAGES).slice();
    markBrief((stage) => stage % 2 === 1);
    run(1, THREADS);
    // a thread claims until it is given a number beyond the last piece: one such claim for each that was there
    const pieces = Math.ceil(ROWS / 2);
    claims().forEach((n, stage) => {
      if (stage % 2 === 1) expect(n, `stage ${stage}`).toBe(pieces + 1);
    });
  });
});
