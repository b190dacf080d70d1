import { afterEach, expect, it, vi } from "vitest";
import type { WorkerHandle } from "../../../src/platform/workers.ts";
import { ThreadPool } from "../../../src/threads/pool.ts";
import type { StartMessage, ThreadMessage } from "../../../src/threads/worker.ts";

/** What each thread has been told. */
const told: StartMessage[][] = [];

vi.mock("../../../src/platform/workers.ts", () => ({
  /** A thread that says again that it listens, as a real one does until it has heard something. */
  startWorker(): WorkerHandle {
    const mine: StartMessage[] = [];
    let tell!: (message: ThreadMessage) => void;
    told.push(mine);
    return {
      post(message) {
        mine.push(message as StartMessage);
        queueMicrotask(() => tell({ kind: "ready" }));
      },
      onMessage(handler) {
        tell = handler;
        for (const _ of [1, 2, 3]) queueMicrotask(() => tell({ kind: "listening" }));
      },
      onDeath() {},
      async terminate() {},
      keepAlive() {},
    };
  },
}));

afterEach(() => void told.splice(0));

it("starts a thread once, however often it says that it listens", async () => {
  const module = new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
  const pool = await ThreadPool.start(module, [], 2);
  await new Promise((resolve) => setImmediate(resolve));
  expect(told.map((messages) => messages.map(({ kind, thread }) => [kind, thread]))).toEqual([
    [["start", 0]],
    [["start", 1]],
  ]);
  expect(pool.nThreads).toBe(2);
});
