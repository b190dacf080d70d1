// The caller's side of the threads: starts them, sends one message per run, and turns whatever goes wrong into a
// RunError. All computing happens in workers, so the caller's event loop stays free. inline-pool.ts does without them.

import { RunError, SamebitError } from "../errors.ts";
import { type FillFault, type FillPlan, stopFilling } from "../fill.ts";
import { Abort, Control } from "../memory/abi.generated.ts";
import { startWorker, type WorkerHandle } from "../platform/workers.ts";
import {
  closedError,
  controlOf,
  type DescribeInstruction,
  failureOf,
  type ThreadMemory,
} from "./outcome.ts";
import type {
  DoneMessage,
  FillMessage,
  FollowMessage,
  RunMessage,
  StartMessage,
  ThreadMessage,
  TrappedMessage,
} from "./worker.ts";

const STOP = 0xffffffff;
/** The half of the stage word that waiting threads watch (assembly/stages.ts). */
const STAGE_PLACE = Control.stage + 4;
const START_MS = 60_000;

/** Who computes: threads, or the calling thread alone (InlinePool), which has nobody to share the filling with. */
export type Pool = Pick<ThreadPool, "nThreads" | "run" | "close"> &
  Partial<Pick<ThreadPool, "fill">>;

interface Pending {
  readonly id: number;
  resolve(done: DoneMessage): void;
}

/** Loading in progress. */
interface Filling {
  /** Threads that have not done their share. */
  left: number;
  readonly faults: FillFault[];
  readonly onBytes: (bytes: number) => void;
  resolve(faults: readonly FillFault[]): void;
  reject(error: unknown): void;
}

export class ThreadPool {
  private filling: Filling | undefined;
  /** Whether the threads other than 0 wait for runs, deaf to messages. */
  private following = false;
  private pending: Pending | undefined;
  private broken: RunError | undefined;
  private traps: TrappedMessage[] = [];
  /** A run that trapped, done before the message of the trap has arrived. */
  private untold: DoneMessage | undefined;
  private nextId = 1;
  /** Of the threads that are starting. */
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();

  private constructor(
    private readonly workers: readonly WorkerHandle[],
    private readonly banks: readonly ThreadMemory[],
  ) {}

  /** Starts nThreads workers over the banks and waits until each has its instances. */
  static async start(
    module: WebAssembly.Module,
    banks: readonly ThreadMemory[],
    nThreads: number,
  ): Promise<ThreadPool> {
    const workers = await Promise.all(Array.from({ length: nThreads }, startWorker));
    const pool = new ThreadPool(workers, banks);
    try {
      await Promise.all(
        workers.map((worker, thread) =>
          pool.startThread(worker, {
            kind: "start",
            module,
            thread,
            nThreads,
            banks: banks.map(({ memory, control }) => ({ memory, control })),
          }),
        ),
      );
    } catch (error) {
      await pool.close();
      throw error;
    }
    for (const worker of workers) worker.keepAlive(false);
    return pool;
  }

  get nThreads(): number {
    return this.workers.length;
  }

  private startThread(worker: WorkerHandle, message: StartMessage): Promise<void> {
    let hasStarted = false,
      isListening = false;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new RunError(
              "thread-died",
              `thread ${message.thread}: expected it to start within ${START_MS / 1000} s, found no answer; use fewer threads`,
            ),
          ),
        START_MS,
      );
      this.timers.add(timer);
      worker.onMessage((received) => {
        const answer = received as ThreadMessage;
        if (answer.kind === "listening") {
          if (!isListening) worker.post(message);
          isListening = true;
          return;
        }
        if (answer.kind === "done") return this.finish(answer);
        if (answer.kind === "read") return this.report(answer.bytes);
        if (answer.kind === "filled") return this.endFilling(answer.fault);
        if (answer.kind === "trapped") {
          this.traps.push(answer);
          if (this.untold) this.finish(this.untold);
          return;
        }
        clearTimeout(timer);
        hasStarted = answer.kind === "ready";
        if (hasStarted) resolve();
        else if (answer.kind === "failed")
          reject(
            new SamebitError(
              `thread ${message.thread}: expected the kernels to load, found ${answer.message}`,
            ),
          );
      });
      worker.onDeath((reason) => {
        clearTimeout(timer);
        const [expected, advice] = hasStarted
          ? ["run", "load the model again"]
          : [
              "start",
              "threads/worker.js must be there as it is (samebit/single-file needs no files), and a page's Content-Security-Policy allow workers; inline: true needs neither",
            ];
        const error = new RunError(
          "thread-died",
          `thread ${message.thread}: expected it to ${expected}, found it dead (${reason}); ${advice}`,
        );
        reject(error);
        this.die(error);
      });
    });
  }

  private finish(done: DoneMessage): void {
    const { pending } = this;
    if (!pending || done.id !== pending.id) return;
    // messages of different threads may overtake each other; a thread tells of its trap before it raises the abort
    const told = done.abort !== Abort.trap || this.traps.some(({ epoch }) => epoch === done.epoch);
    this.untold = told ? undefined : done;
    if (!told) return;
    this.pending = undefined;
    pending.resolve(done);
  }

  /** A thread is gone: nothing can run here any more. Whoever waits for a run hears of it now. */
  private die(error: RunError): void {
    this.broken ??= error;
    this.abort(Abort.died);
    this.filling?.reject(error);
    const { pending } = this;
    this.pending = undefined;
    pending?.resolve({
      kind: "done",
      id: pending.id,
      abort: Abort.died,
      abortThread: 0,
      epoch: 0,
      nanInstruction: 0,
      nanBank: 0,
    });
  }

  /** Sets the abort word of every bank and wakes all waiters. */
  private abort(reason: Abort): void {
    for (const { memory, control } of this.banks) {
      const words = new Int32Array(memory.buffer, control, Control.bytes / 4);
      Atomics.store(words, Control.abort / 4, reason);
      for (const word of [STAGE_PLACE, Control.epoch]) Atomics.notify(words, word / 4);
    }
  }

  private clearAbort(): void {
    for (const bank of this.banks) Atomics.store(controlOf(bank), Control.abort / 4, 0);
  }

  /**
   * Has all threads do their share of loading; possible until the first run. Gives the faults they met, in no order; after
   * one, or when `signal` is aborted, the rest is not loaded. Throws RunError "thread-died" and what onBytes throws.
   */
  async fill(
    plan: FillPlan,
    onBytes: (bytes: number) => void,
    signal?: AbortSignal,
  ): Promise<readonly FillFault[]> {
    if (this.broken) throw this.broken;
    const stop = () => stopFilling(plan);
    signal?.addEventListener("abort", stop, { once: true });
    this.workers[0].keepAlive(true);
    try {
      return await new Promise((resolve, reject) => {
        this.filling = { left: this.workers.length, faults: [], onBytes, resolve, reject };
        for (const worker of this.workers)
          worker.post({ kind: "fill", plan } satisfies FillMessage);
      });
    } finally {
      this.filling = undefined;
      stop(); // a thread may have died: the others need not go on
      signal?.removeEventListener("abort", stop);
      this.workers[0].keepAlive(false);
    }
  }

  /** What the caller's function throws ends the loading; here nobody could catch it. */
  private report(bytes: number): void {
    const { filling } = this;
    try {
      filling?.onBytes(bytes);
    } catch (error) {
      filling!.reject(error);
    }
  }

  private endFilling(fault: FillFault | undefined): void {
    const { filling } = this;
    if (!filling) return;
    if (fault) filling.faults.push(fault);
    if (--filling.left === 0) filling.resolve(filling.faults);
  }

  /**
   * Runs the schedule at `schedule` (bank 0). One run at a time. `signal` stops it within one instruction.
   * Throws RunError; after "thread-died" and "closed" the pool is of no more use, after the others it is as before.
   */
  async run(schedule: number, describe: DescribeInstruction, signal?: AbortSignal): Promise<void> {
    if (this.broken) throw this.broken;
    if (this.pending)
      throw new SamebitError(
        "run: expected the previous run to be over, found it going on; await it first",
      );
    if (signal?.aborted)
      throw new RunError("cancelled", "run: cancelled before it began", { cause: signal.reason });
    if (!this.following) {
      this.following = true;
      for (const worker of this.workers.slice(1))
        worker.post({ kind: "follow" } satisfies FollowMessage);
    }
    this.clearAbort();
    this.traps = [];
    this.untold = undefined;
    const id = this.nextId++;
    const cancel = () => {
      if (this.pending?.id === id) this.abort(Abort.cancelled);
    };
    signal?.addEventListener("abort", cancel, { once: true });
    this.workers[0].keepAlive(true);
    try {
      const done = await new Promise<DoneMessage>((resolve) => {
        this.pending = { id, resolve };
        this.workers[0].post({ kind: "run", id, schedule } satisfies RunMessage);
      });
      if (done.abort !== Abort.none) throw this.failure(done, describe, signal);
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.workers[0].keepAlive(false);
    }
  }

  private failure(
    done: DoneMessage,
    describe: DescribeInstruction,
    signal?: AbortSignal,
  ): RunError {
    const trap = this.traps.find(({ epoch }) => epoch === done.epoch);
    return (
      failureOf(done, this.banks, trap, describe, signal) ??
      (this.broken ??= new RunError(
        "thread-died",
        "threads: expected every thread to leave the run, found one that does not; load the model again",
      ))
    );
  }

  /** Ends all threads; a run in progress fails. Calling it twice is harmless. */
  async close(): Promise<void> {
    const closed = closedError();
    this.broken ??= closed;
    const words = controlOf(this.banks[0]);
    Atomics.store(words, Control.command / 4, STOP);
    Atomics.add(words, Control.epoch / 4, 1);
    this.die(closed);
    for (const timer of this.timers) clearTimeout(timer); // they would keep the process alive
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
