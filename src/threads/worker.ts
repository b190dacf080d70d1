// Entry of every compute thread. Before the first run they may be told to load weights (fill.ts). From then on thread 0
// coordinates: it gets one message per run, opens an epoch for the others, runs its own share and answers. The others wait
// for epochs inside WASM and never return to their event loop until they are told to stop.

import { fill, type FillFault, type FillPlan } from "../fill.ts";
import { instantiateKernels } from "../kernels/module.ts";
import { Abort, Control } from "../memory/abi.generated.ts";
import { platform } from "../platform/index.ts";
import { Company } from "./company.ts";
import {
  clearOutcome,
  controlOf,
  type Outcome,
  readAbort,
  readOutcome,
  type Trap,
} from "./outcome.ts";
import { resetCounters, runSchedule, tokensOf, type ThreadBank } from "./schedule.ts";

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
  /** The thread listens now. Browsers drop what is sent before: modules load in several steps there. */
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
/** How long an idle thread sleeps before it looks again, and how long thread 0 waits for the others to leave. */
const IDLE_MS = 10_000,
  LEAVE_MS = 60_000;

const port = await platform.workerPort();
let banks: ThreadBank[] = [];
let thread = 0,
  nThreads = 1;

port.onMessage((received) => {
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

port.post({ kind: "listening" } satisfies ThreadMessage);

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

/** Runs this thread's share of `among` threads; a trap becomes an abort that every thread sees. */
function share(schedule: number, epoch: number, among: number): void {
  const place = { bank: 0 };
  try {
    const abort = runSchedule(banks, schedule, thread, among, place);
    // an abort in one bank must end the waiting in all of them
    if (abort !== 0) raiseEverywhere(abort);
  } catch (error) {
    port.post({
      kind: "trapped",
      thread,
      epoch,
      bank: place.bank,
      message: String(error),
    } satisfies ThreadMessage);
    raiseEverywhere(Abort.trap);
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
    share(command, epoch, nThreads);
    exports.leave(control);
  }
}

/** Of two threads, by schedule: whether a token is worth both. With more, one displaced thread costs less than it gives. */
const companies = new Map<number, Company>();

function companyOf(schedule: number): Company | undefined {
  if (nThreads !== 2 || tokensOf(banks, schedule) !== 1) return undefined;
  let company = companies.get(schedule);
  if (!company) companies.set(schedule, (company = new Company()));
  return company;
}

function barrierSleeps(): number {
  let sleeps = 0;
  for (const bank of banks) sleeps += Atomics.load(controlOf(bank), Control.barrierSleeps / 4);
  return sleeps;
}

function coordinate({ id, schedule }: RunMessage): void {
  const { control, exports } = banks[0];
  const words = controlOf(banks[0]);
  resetCounters(banks, schedule);
  Atomics.store(words, Control.command / 4, schedule);
  Atomics.store(words, Control.done / 4, 0);
  const company = companyOf(schedule),
    among = company?.isAlone ? 1 : nThreads,
    sleeps = barrierSleeps(),
    begun = performance.now();
  const epoch = among > 1 ? exports.openEpoch(control) >>> 0 : 0;
  share(schedule, epoch, among);
  company?.record(performance.now() - begun, (barrierSleeps() - sleeps) >>> 0);
  let left = among === 1 || exports.awaitLeft(control, nThreads - 1, 0);
  // a long instruction may still be running in another thread after an abort; a dead thread never leaves
  for (
    let waited = 0;
    !left && readAbort(banks) !== Abort.died && waited < LEAVE_MS;
    waited += 50
  ) {
    left = exports.awaitLeft(control, nThreads - 1, 50);
  }
  const outcome = readOutcome(banks, left ? readAbort(banks) : Abort.died);
  if (left) clearOutcome(banks);
  port.post({ kind: "done", id, epoch, ...outcome } satisfies ThreadMessage);
}
