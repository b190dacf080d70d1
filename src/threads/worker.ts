// Entry of every compute thread. Before the first run they may be told to load weights (fill.ts). From then on thread 0
// coordinates: it gets one message per run, opens an epoch for the others, runs its own share and answers. The others wait
// for epochs inside WASM and never return to their event loop until they are told to stop. A run may be over before one of them
// has noticed that it began (assembly/stages.ts): then that thread finds nothing to do and waits for the next.

import { fill, type FillFault, type FillPlan } from "../fill.ts";
import { instantiateKernels } from "../kernels/instance.ts";
import { Abort, Control } from "../memory/abi.generated.ts";
import { platform } from "../platform/index.ts";
import {
  clearOutcome,
  controlOf,
  type Outcome,
  readAbort,
  readOutcome,
  type Trap,
} from "./outcome.ts";
import { resetCounters, runSchedule, type ThreadBank } from "./schedule.ts";

/** First message to a thread. */
export interface StartMessage {
  readonly kind: "start";
  readonly module: WebAssembly.Module;
  readonly banks: readonly { readonly memory: WebAssembly.Memory; readonly control: number }[];
  readonly thread: number;
  readonly nThreads: number;
}
/** To every thread, before FollowMessage: do your share of loading. */
export interface FillMessage {
  readonly kind: "fill";
  readonly plan: FillPlan;
}
/** To the threads other than 0: from now on wait for runs. */
export interface FollowMessage {
  readonly kind: "follow";
}
/** To thread 0: run the schedule at this address of bank 0. */
export interface RunMessage {
  readonly kind: "run";
  readonly id: number;
  readonly schedule: number;
}
export type ThreadMessage =
  /** The thread listens now; said more than once. Browsers drop what is sent before: modules load in several steps there. */
  | { readonly kind: "listening" }
  | { readonly kind: "ready" }
  /** The thread could not start. */
  | { readonly kind: "failed"; readonly message: string }
  /** Bytes of the files that the thread has read since it said so last. */
  | { readonly kind: "read"; readonly bytes: number }
  /** The thread has done its share of loading. */
  | { readonly kind: "filled"; readonly fault: FillFault | undefined }
  | TrappedMessage
  | DoneMessage;
/** Sent by a thread before it raises Abort.trap. It may arrive after thread 0's `done`. */
export interface TrappedMessage extends Trap {
  readonly kind: "trapped";
  /** The run it belongs to: `epoch` of its `done`. */
  readonly epoch: number;
}
export interface DoneMessage extends Outcome {
  readonly kind: "done";
  readonly id: number;
  readonly epoch: number;
}

/** Value of Control.command that ends the idle loop; anything else is a schedule address. */
const STOP = 0xffffffff;
/** How long an idle thread sleeps before it looks again. */
const IDLE_MS = 10_000;
/** How often a thread says that it listens, until it is told something. */
const REPEAT_MS = 100;
/** How long thread 0 waits for the others to leave an aborted run, and how often it looks. */
const LEAVE_MS = 60_000,
  CLOSE_MS = 1;

/** Nobody wakes who waits here. */
const pause = new Int32Array(new SharedArrayBuffer(4));

const port = platform.workerPort();
let banks: ThreadBank[] = [];
let thread = 0,
  nThreads = 1;

const listen = () => port.post({ kind: "listening" } satisfies ThreadMessage);
/** Deno before 2.9 loses what a worker says in its first moments. */
const repeat = setInterval(listen, REPEAT_MS);

port.onMessage((received) => {
  clearInterval(repeat);
  const message = received as StartMessage | FillMessage | FollowMessage | RunMessage;
  if (message.kind === "run") return coordinate(message);
  if (message.kind === "fill") return void load(message.plan);
  if (message.kind === "follow") return follow();
  try {
    start(message);
  } catch (error) {
    port.post({ kind: "failed", message: String(error) } satisfies ThreadMessage);
    return;
  }
  port.post({ kind: "ready" } satisfies ThreadMessage);
});

listen();

async function load(plan: FillPlan): Promise<void> {
  const places = banks.map(({ memory, exports }) => ({ memory, kernels: exports }));
  const onBytes = (bytes: number) => port.post({ kind: "read", bytes } satisfies ThreadMessage);
  const fault = await fill(plan, places, thread, onBytes);
  port.post({ kind: "filled", fault } satisfies ThreadMessage);
}

function start(message: StartMessage): void {
  ({ thread, nThreads } = message);
  banks = message.banks.map(({ memory, control }) => ({
    memory,
    control,
    exports: instantiateKernels(message.module, memory),
  }));
}

/** Runs this thread's share; a trap becomes an abort that every thread sees. Returns an Abort reason. */
function share(schedule: number, epoch: number): number {
  const place = { bank: 0 };
  try {
    return runSchedule(banks, schedule, epoch, thread, nThreads, place);
  } catch (error) {
    port.post({
      kind: "trapped",
      thread,
      epoch,
      bank: place.bank,
      message: String(error),
    } satisfies ThreadMessage);
    const { control, exports } = banks[place.bank];
    exports.raise(control, Abort.trap, thread);
    exports.abandon(control);
    return Abort.trap;
  }
}

function raiseEverywhere(abort: number): void {
  for (const { control, exports } of banks) exports.raise(control, abort, thread);
}

function follow(): void {
  const { control, exports } = banks[0];
  const words = controlOf(banks[0]);
  let seen = 0;
  for (;;) {
    const epoch = exports.awaitEpoch(control, seen, IDLE_MS) >>> 0;
    if (epoch === seen) continue;
    seen = epoch;
    const command = Atomics.load(words, Control.command / 4);
    if (command === STOP) break;
    share(command, epoch);
  }
}

function coordinate({ id, schedule }: RunMessage): void {
  const { control, exports } = banks[0];
  const words = controlOf(banks[0]);
  resetCounters(banks, schedule);
  Atomics.store(words, Control.command / 4, schedule);
  const epoch = exports.openEpoch(control) >>> 0,
    reason = share(schedule, epoch) || readAbort(banks);
  // an abort in one bank must end the waiting in all of them
  if (reason !== 0) raiseEverywhere(reason);
  const left = reason === 0 || closeBanks(epoch);
  const outcome = readOutcome(banks, left ? readAbort(banks) : Abort.died);
  if (left) clearOutcome(banks);
  port.post({ kind: "done", id, epoch, ...outcome } satisfies ThreadMessage);
}

/**
 * Ends an aborted run in every bank as soon as no thread is inside: a long instruction may still be running. False when a
 * thread is dead, or does not come out.
 */
function closeBanks(epoch: number): boolean {
  for (const { control, exports } of banks) {
    for (let waited = 0; !exports.close(control, epoch); waited += CLOSE_MS) {
      if (readAbort(banks) === Abort.died || waited >= LEAVE_MS) return false;
      Atomics.wait(pause, 0, 0, CLOSE_MS);
    }
  }
  return true;
}
