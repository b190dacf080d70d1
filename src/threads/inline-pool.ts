// The calling thread instead of workers, for places without shared memory or workers, and for callers that want it so. Runs are
// cut into steps: now and then the event loop has its turn, which is also when a run can be cancelled. No bit depends on it.

import { RunError, SamebitError } from "../errors.ts";
import { instantiateKernels } from "../kernels/instance.ts";
import { Abort } from "../memory/abi.generated.ts";
import { platform } from "../platform/index.ts";
import {
  clearOutcome,
  closedError,
  type DescribeInstruction,
  failureOf,
  readOutcome,
  type ThreadMemory,
  type Trap,
} from "./outcome.ts";
import type { Pool } from "./pool.ts";
import { resetCounters, type ThreadBank, walkSchedule } from "./schedule.ts";

/** Instructions of a step: one by one costs less than can be measured (bench/RESULTS.md). */
const STEP = 1;
/** How long the event loop may wait, where no single instruction takes longer: a page is drawn every 16 ms. */
const TURN_MS = 10;

export class InlinePool implements Pool {
  readonly nThreads = 1;
  private readonly banks: readonly ThreadBank[];
  private running = false;
  private closed = false;
  /** When the event loop had its last turn. */
  private turned = performance.now();

  /** module: one that takes plain memories, as the banks have. */
  constructor(module: WebAssembly.Module, banks: readonly ThreadMemory[]) {
    this.banks = banks.map(({ memory, control }) => ({
      memory,
      control,
      exports: instantiateKernels(module, memory),
    }));
  }

  /** Runs the schedule at `schedule` (bank 0). One run at a time. `signal` stops it between two steps. Throws RunError. */
  async run(schedule: number, describe: DescribeInstruction, signal?: AbortSignal): Promise<void> {
    if (this.closed) throw closedError();
    if (this.running)
      throw new SamebitError(
        "run: expected the previous run to be over, found it going on; await it first",
      );
    if (signal?.aborted)
      throw new RunError("cancelled", "run: cancelled before it began", { cause: signal.reason });
    this.running = true;
    const place = { bank: 0 };
    let abort: Abort, trap: Trap | undefined;
    try {
      abort = await this.walk(schedule, place, signal);
    } catch (error) {
      abort = Abort.trap;
      trap = { thread: 0, bank: place.bank, message: String(error) };
    }
    this.running = false;
    if (abort === Abort.none) return;
    const outcome = readOutcome(this.banks, abort);
    clearOutcome(this.banks);
    throw failureOf(outcome, this.banks, trap, describe, signal) ?? closedError();
  }

  /** An abort reason; 0 when the schedule is finished. What the kernels throw passes through. */
  private async walk(
    schedule: number,
    place: { bank: number },
    signal?: AbortSignal,
  ): Promise<Abort> {
    resetCounters(this.banks, schedule);
    const steps = walkSchedule(this.banks, schedule, 0, 0, this.nThreads, place, STEP);
    for (;;) {
      if (performance.now() - this.turned > TURN_MS) {
        await platform.turn();
        this.turned = performance.now();
        if (this.closed) return Abort.died;
        if (signal?.aborted) return Abort.cancelled;
      }
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /** A run in progress fails. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.closed = true;
  }
}
