// How the threads of a run go through a plan together. A barrier before an instruction cuts the plan into stages. A thread
// enters the stage that the run is in, takes pieces until none are left, and leaves; the last one inside opens the next stage.
// So a stage waits for the threads that are inside it and for no other: one that the system has put aside comes in where the
// rest have got to, and nobody has noticed.
//
// Control.stage, one u64 for a bank:
//   bits  0 ..  7  threads inside, or ALONE: one that nobody may join
//   bits  8 .. 31  run: its epoch, modulo 2^24
//   bits 32 .. 47  stage: number of its first instruction, or OVER
//   bits 48 .. 63  segment of the run's schedule
// Stages that are shorter than the way from thread to thread (Flag) are not opened: the thread that ends the one before does them
// ALONE. A thread comes in by a compare-and-swap of the whole word: never into a stage that is over, or into another run. Whoever is not
// inside touches nothing but this word, so plan, batch and counters may change as soon as a run's last stage is over.

import { Abort, Control, StageLimit } from "./abi";

/** About 50 us of polling on a 3 GHz core. Longer spins cost 2 threads up to 20x on a busy machine (DESIGN.md section 5). */
const SPINS: u32 = 16384;
/** A sleeping thread looks at the abort word at least this often, whoever forgets to wake it: 100 ms in ns. */
const SLEEP_NS: i64 = 100_000_000;

/** Stage of a segment that is over. */
export const OVER: u32 = StageLimit.instructions;
const NOT_YET: u32 = 0xffffffff;
/** In place of the number of threads inside; more than Limit.threads. */
const ALONE: u32 = 0xff;

/** What this thread is of the threads inside, 0, 1 or ALONE: a trap leaves it there (abandon). */
let inside: u32 = 0;

function wordOf(run: u32, segment: u32, stage: u32, threads: u32): u64 {
  return (<u64>(segment << 16 | stage) << 32) | <u64>(run << 8 | threads);
}

function threadsIn(word: u64): u32 {
  return <u32>word & 0xff;
}

/** Opens a segment of `count` instructions for the threads of a run. One thread does it, when all earlier segments are over. */
export function openSegment(control: usize, run: u32, segment: u32, count: u32): void {
  atomic.store<u64>(control, wordOf(run, segment, count == 0 ? OVER : 0, 0), Control.stage);
  wake(control);
}

/**
 * Enters the stage that a segment is in, as soon as that is another one than `left`; gives the number of its first instruction.
 * OVER: the segment is over, or the run is, or was aborted.
 */
export function enter(control: usize, run: u32, segment: u32, left: u32): u32 {
  let spins = SPINS;
  let word = atomic.load<u64>(control, Control.stage), stage = tryEnter(control, word, run, segment, left);
  while (stage == NOT_YET) {
    if (spins > 0) {
      spins--;
      // the abort word shares no line with the stage: look at it rarely
      if ((spins & 255) == 0 && isAborted(control)) return OVER;
    } else {
      if (isAborted(control)) return OVER;
      atomic.add<u32>(control, 1, Control.stageSleepers);
      atomic.wait<i32>(control + Control.stage + 4, <i32>(word >> 32), SLEEP_NS);
      atomic.sub<u32>(control, 1, Control.stageSleepers);
    }
    word = atomic.load<u64>(control, Control.stage);
    stage = tryEnter(control, word, run, segment, left);
  }
  return stage;
}

/** What `enter` gives, or NOT_YET, where the bank is found at `word`. */
function tryEnter(control: usize, word: u64, run: u32, segment: u32, left: u32): u32 {
  const ahead = <i32>((<u32>word & 0xffffff00) - (run << 8));
  if (ahead > 0) return OVER;
  if (ahead < 0) return NOT_YET; // an earlier run, in which this bank is idle
  const place = <u32>(word >> 32), stage = place & 0xffff;
  if (place >> 16 < segment) return NOT_YET;
  if (place >> 16 > segment || stage == OVER || isAborted(control)) return OVER;
  if (stage == left || threadsIn(word) == ALONE) return NOT_YET;
  if (atomic.cmpxchg<u64>(control, word, word + 1, Control.stage) != word) return NOT_YET;
  inside = 1;
  return stage;
}

/** Whether the run is to end at once. */
export function isAborted(control: usize): bool {
  return atomic.load<u32>(control, Control.abort) != Abort.none;
}

/** Leaves the stage, unless this thread is the only one inside: then everything that the stage writes is written. */
export function leave(control: usize): bool {
  let word = atomic.load<u64>(control, Control.stage);
  while (threadsIn(word) != inside) {
    const found = atomic.cmpxchg<u64>(control, word, word - 1, Control.stage);
    if (found == word) {
      inside = 0;
      return true;
    }
    word = found;
  }
  return false;
}

/**
 * Opens the stage that begins at instruction `next`, or ends the segment (OVER), in place of the one in which this thread is the
 * only one; it is inside the new one at once, with `alone` for itself. False: somebody has come into the old one meanwhile.
 */
export function open(control: usize, next: u32, alone: bool): bool {
  const word = atomic.load<u64>(control, Control.stage);
  if (threadsIn(word) != inside) return false;
  const place = (<u32>(word >> 32) & 0xffff0000) | next, threads: u32 = next == OVER ? 0 : alone ? ALONE : 1;
  const opened = (<u64>place << 32) | <u64>(<u32>word - inside + threads);
  if (atomic.cmpxchg<u64>(control, word, opened, Control.stage) != word) return false;
  inside = threads;
  if (!alone) wake(control);
  return true;
}

function wake(control: usize): void {
  if (atomic.load<u32>(control, Control.stageSleepers) != 0) atomic.notify(control + Control.stage + 4, -1);
}

/** Takes this thread out of its stage, whatever is left to do there: the run has been aborted. */
export function abandon(control: usize): void {
  atomic.sub<u64>(control, inside, Control.stage);
  inside = 0;
}

/** Closes a bank for an aborted run. False while threads are still inside. */
export function close(control: usize, run: u32): bool {
  const word = atomic.load<u64>(control, Control.stage);
  if (threadsIn(word) != 0) return false;
  return atomic.cmpxchg<u64>(control, word, wordOf(run, StageLimit.segments, OVER, 0), Control.stage) == word;
}

/** Raises an abort: the first reason stays. Wakes every sleeper. */
export function raise(control: usize, reason: u32, thread: u32): void {
  if (atomic.cmpxchg<u32>(control, 0, reason, Control.abort) == 0) {
    atomic.store<u32>(control, thread, Control.abortThread);
  }
  atomic.notify(control + Control.stage + 4, -1);
}

/**
 * Waits for an epoch other than `seen`, at most about `milliseconds`; returns the epoch it found. Used by the
 * threads that idle between runs: they spin first, since the next token usually follows at once.
 */
export function awaitEpoch(control: usize, seen: u32, milliseconds: u32): u32 {
  let spins = SPINS;
  let epoch = atomic.load<u32>(control, Control.epoch);
  while (epoch == seen && spins-- > 0) epoch = atomic.load<u32>(control, Control.epoch);
  if (epoch == seen) {
    atomic.add<u32>(control, 1, Control.sleepers);
    atomic.wait<i32>(control + Control.epoch, <i32>seen, <i64>milliseconds * 1_000_000);
    atomic.sub<u32>(control, 1, Control.sleepers);
    epoch = atomic.load<u32>(control, Control.epoch);
  }
  return epoch;
}

/** Starts a run: opens the next epoch and wakes the idle threads. Returns the new epoch. */
export function openEpoch(control: usize): u32 {
  const epoch = atomic.add<u32>(control, 1, Control.epoch) + 1;
  atomic.notify(control + Control.epoch, -1);
  return epoch;
}
