// Where the threads of a run meet. A thread spins briefly, because the others are usually microseconds away, and
// then sleeps, because a spinning thread on a busy machine keeps the very thread it waits for from running.

import { Abort, Control } from "./abi";

/** About 50 us of polling on a 3 GHz core. Longer spins cost 2 threads up to 20x on a busy machine (DESIGN.md section 5). */
const SPINS: u32 = 16384;
/** A sleeping thread looks at the abort word at least this often, whoever forgets to wake it: 100 ms in ns. */
const SLEEP_NS: i64 = 100_000_000;

/**
 * Waits until all nThreads threads have arrived. False when the run was aborted: the caller must leave the plan.
 * The last one to arrive opens the next generation; everything written before is visible after.
 */
export function barrier(control: usize, nThreads: u32): bool {
  if (nThreads > 1) {
    const generation = atomic.load<u32>(control, Control.generation);
    if (atomic.add<u32>(control, 1, Control.arrived) + 1 == nThreads) {
      atomic.store<u32>(control, 0, Control.arrived);
      atomic.add<u32>(control, 1, Control.generation);
      if (atomic.load<u32>(control, Control.barrierSleepers) != 0) {
        atomic.notify(control + Control.generation, -1);
      }
    } else {
      let spins = SPINS;
      while (atomic.load<u32>(control, Control.generation) == generation) {
        if (spins > 0) {
          spins--;
          // the abort word shares no line with the generation: look at it rarely
          if ((spins & 255) == 0 && atomic.load<u32>(control, Control.abort) != 0) return false;
          continue;
        }
        if (atomic.load<u32>(control, Control.abort) != 0) return false;
        atomic.add<u32>(control, 1, Control.barrierSleepers);
        atomic.add<u32>(control, 1, Control.barrierSleeps);
        atomic.wait<i32>(control + Control.generation, <i32>generation, SLEEP_NS);
        atomic.sub<u32>(control, 1, Control.barrierSleepers);
      }
    }
  }
  return atomic.load<u32>(control, Control.abort) == Abort.none;
}

/** Raises an abort: the first reason stays. Wakes every sleeper. */
export function raise(control: usize, reason: u32, thread: u32): void {
  if (atomic.cmpxchg<u32>(control, 0, reason, Control.abort) == 0) {
    atomic.store<u32>(control, thread, Control.abortThread);
  }
  atomic.notify(control + Control.generation, -1);
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

/** Thread says that it has left the run. */
export function leave(control: usize): void {
  atomic.add<u32>(control, 1, Control.done);
  atomic.notify(control + Control.done, -1);
}

/** Waits until `count` threads have left, at most about `milliseconds`. True when they have. */
export function awaitLeft(control: usize, count: u32, milliseconds: u32): bool {
  let spins = SPINS;
  while (spins-- > 0) if (atomic.load<u32>(control, Control.done) >= count) return true;
  for (let slept: u32 = 0; slept < milliseconds; slept += 10) {
    const done = atomic.load<u32>(control, Control.done);
    if (done >= count) return true;
    atomic.wait<i32>(control + Control.done, <i32>done, 10_000_000);
  }
  return atomic.load<u32>(control, Control.done) >= count;
}
