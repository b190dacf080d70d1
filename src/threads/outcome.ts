// How a run ended: what the kernels left in the control blocks of the banks, and the RunError that it becomes.

import { RunError } from "../errors.ts";
import { Abort, Control } from "../memory/abi.generated.ts";
import type { Bank } from "../memory/bank.ts";

/** Names the instruction at an address of a bank, for messages. */
export type DescribeInstruction = (bank: number, address: number) => string;

/** What threads share: a memory with its control block. */
export type ThreadMemory = Pick<Bank, "memory" | "control">;

/** A trap in the kernels. */
export interface Trap {
  readonly thread: number;
  readonly bank: number;
  readonly message: string;
}

export interface Outcome {
  /** One of Abort; 0: finished. */
  readonly abort: number;
  readonly abortThread: number;
  /** Address of the first instruction that made a NaN, and its bank, in a tracing run. */
  readonly nanInstruction: number;
  readonly nanBank: number;
}

/** The outcome of a run whose abort reason was `abort`. */
export function readOutcome(banks: readonly ThreadMemory[], abort: number): Outcome {
  let nanInstruction = 0,
    nanBank = 0;
  banks.forEach((bank, index) => {
    const at = Atomics.load(controlOf(bank), Control.nanInstruction / 4);
    if (at !== 0) [nanInstruction, nanBank] = [at, index];
  });
  const abortThread = Atomics.load(controlOf(banks[0]), Control.abortThread / 4);
  return { abort, abortThread, nanInstruction, nanBank };
}

/** The abort reason that stands in some bank, or 0. */
export function readAbort(banks: readonly ThreadMemory[]): number {
  for (const bank of banks) {
    const abort = Atomics.load(controlOf(bank), Control.abort / 4);
    if (abort !== 0) return abort;
  }
  return 0;
}

/** Makes the control blocks ready for the next run: nobody is inside a plan now. */
export function clearOutcome(banks: readonly ThreadMemory[]): void {
  for (const bank of banks) {
    for (const word of [Control.abort, Control.abortThread, Control.nanInstruction])
      Atomics.store(controlOf(bank), word / 4, 0);
  }
}

/** The words of a bank's control block. */
export const controlOf = ({ memory, control }: ThreadMemory): Uint32Array =>
  new Uint32Array(memory.buffer, control, Control.bytes / 4);

/** The error for a run after `close`, or during it. */
export const closedError = () => new RunError("closed", "model: expected it open, found it closed");

/** The error for a run that was cut off; undefined for Abort.died, which says too little. trap: for Abort.trap. */
export function failureOf(
  { abort, abortThread, nanBank, nanInstruction }: Outcome,
  banks: readonly ThreadMemory[],
  trap: Trap | undefined,
  describe: DescribeInstruction,
  signal?: AbortSignal,
): RunError | undefined {
  switch (abort) {
    case Abort.cancelled:
      return new RunError("cancelled", "run: cancelled", { cause: signal?.reason });
    case Abort.flushToZero:
      return new RunError(
        "flush-to-zero",
        `thread ${abortThread}: expected denormal numbers to be kept, found that this process flushes them to zero; ` +
          "a native add-on built with -ffast-math does that: do not load it in this process",
      );
    case Abort.nan:
      return new RunError(
        "nan",
        `logits: expected numbers, found NaN; the first one came from "${describe(nanBank, nanInstruction)}"; ` +
          "the model's weights are damaged or it needs another type of KV cache",
      );
    case Abort.trap: {
      const { thread, bank, message } = trap!;
      const at = Control.progress + thread * Control.progressBytes,
        instruction = controlOf(banks[bank])[at / 4];
      return new RunError(
        "trap",
        `kernels: expected the run to finish, found a trap in "${describe(bank, instruction)}" ` +
          `(thread ${thread}: ${message}); this is a defect: please report it`,
      );
    }
    default:
      return undefined;
  }
}
